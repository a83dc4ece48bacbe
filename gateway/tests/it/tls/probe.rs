//! The program's own probe, against a port that speaks TLS only.

use std::process::Command;

use serde_json::json;
use tidegate_testkit::authority::Authority;
use tokio::task::spawn_blocking;

use super::site::TlsSite;

/// Whether the probe says yes, and what it says.
async fn probe(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-gateway"));
    command.env_clear().arg("probe").args(arguments);
    let output = spawn_blocking(move || command.output().unwrap()).await;
    let output = output.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

async fn check(cases: &[(&[&str], bool)]) {
    for (arguments, expected) in cases {
        let (well, said) = probe(arguments).await;
        assert_eq!(well, *expected, "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_probe_trusts_whom_it_is_told_to() {
    let (site, strange) = (TlsSite::start(), Authority::new().unwrap());
    let (at, ca) = (site.address().to_string(), site.authority_file());
    let (ca, strange) = (ca.to_str().unwrap(), strange.file());
    let strange = strange.to_str().unwrap();
    check(&[
        (&["--at", &at], false),
        (&["--at", &at, "--tls"], true),
        (&["--at", &at, "--tls", "--ready"], true),
        (&["--at", &at, "--ca", ca], true),
        (&["--at", &at, "--ca", strange], false),
        (
            &["--at", &at, "--ca", ca, "--server-name", "localhost"],
            false,
        ),
        (&["--at", &at, "--ca", "/nowhere"], false),
    ])
    .await;
    site.end().await;
}

#[tokio::test]
async fn a_probe_with_the_nodes_configuration_speaks_what_the_node_does() {
    let site = TlsSite::start();
    let files = Authority::new().unwrap();
    let (certificate, key) = files.certificate_files("localhost").unwrap();
    let port = site.address().port().to_string();
    let certificate = format!("http_server.tls.cert_pem_file={}", certificate.display());
    let key = format!("http_server.tls.key_pem_file={}", key.display());
    let tls = ["--set", "http_server.tls.enabled=true"];
    let tls = [&tls[..], &["--set", &certificate, "--set", &key]].concat();
    let plain = ["--address", "127.0.0.1", "--port", &port];
    check(&[(&[&plain[..], &tls].concat(), true), (&plain, false)]).await;
    site.end().await;
}

#[tokio::test]
async fn a_probe_shows_a_certificate_where_it_must() {
    let clients = Authority::new().unwrap();
    let site = TlsSite::with(|config| {
        config["http_server"]["tls"]["client_ca_pem_file"] = json!(clients.file());
    });
    let at = site.address().to_string();
    let (certificate, key) = clients.certificate_files("a-probe").unwrap();
    let own = [certificate.to_str().unwrap(), key.to_str().unwrap()];
    check(&[
        (&["--at", &at, "--tls"], false),
        (
            &["--at", &at, "--certificate", own[0], "--key", own[1]],
            true,
        ),
    ])
    .await;
    site.end().await;
}
