//! Turns `schema/client.proto` into Rust, without needing `protoc`.

use std::error::Error;

const SCHEMA: &str = "schema/client.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={SCHEMA}");
    let descriptors = protox::compile([SCHEMA], ["schema"])?;
    prost_build::Config::new()
        // Payloads stay slices of the frame they came in.
        .bytes(["."])
        // Sorted maps make encoded messages reproducible.
        .btree_map(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
