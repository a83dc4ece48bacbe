//! Turns the schemas into Rust, without needing `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=schema");
    messages("schema/client.proto")?;
    messages("schema/node.proto")?;
    #[cfg(feature = "history")]
    {
        messages("schema/archive.proto")?;
        service("history")?;
    }
    #[cfg(feature = "presence")]
    service("presence")?;
    #[cfg(feature = "gateway")]
    service("gateway")?;
    Ok(())
}

fn messages(schema: &str) -> Result<(), Box<dyn Error>> {
    prost_build::Config::new()
        // Payloads stay slices of the frame they came in.
        .bytes(["."])
        // Sorted maps make encoded messages reproducible.
        .btree_map(["."])
        .compile_fds(protox::compile([schema], ["schema"])?)?;
    Ok(())
}

/// A service, with its description for those who ask a server what it offers.
#[cfg(feature = "services")]
fn service(name: &str) -> Result<(), Box<dyn Error>> {
    use std::path::PathBuf;

    use prost::Message;

    let described = protox::compile([format!("schema/{name}.proto")], ["schema"])?;
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(
        folder.join(format!("{name}.bin")),
        described.encode_to_vec(),
    )?;
    tonic_prost_build::configure()
        .bytes(".")
        .btree_map(".")
        .build_transport(false)
        .compile_fds(described)?;
    Ok(())
}
