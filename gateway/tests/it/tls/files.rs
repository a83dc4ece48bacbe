//! The certificate's files: what is wrong with them, and what happens when they change.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tidegate_backbone::embedded::Embedded;
use tidegate_gateway::config::Config;
use tidegate_gateway::server::{Server, StartError};
use tidegate_testkit::authority::{Authority, Certificate};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::secret::Secret;
use tidegate_testkit::tls::der;

use super::site::TlsSite;
use crate::command::Format;
use crate::site;

/// A node whose certificate is that of a secret.
fn node(secret: &Secret) -> TlsSite {
    TlsSite::with(|config| {
        let tls = &mut config["http_server"]["tls"];
        tls["cert_pem_file"] = json!(secret.file("tls.crt"));
        tls["key_pem_file"] = json!(secret.file("tls.key"));
        tls["reload_interval"] = json!("50ms");
    })
}

/// What a node shows to clients that come now.
async fn shown(site: &TlsSite) -> Vec<u8> {
    let stream = site.trust().connect(site.address()).await.unwrap();
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    certificates[0].to_vec()
}

/// Waits until a node shows this certificate.
async fn renewed(site: &TlsSite, expected: &[u8]) {
    let served = until_some("the new certificate", async || {
        (shown(site).await == expected).then_some(())
    });
    served.await.unwrap();
}

#[tokio::test]
async fn a_new_certificate_is_served_and_old_connections_stay() {
    let authority = Authority::new().unwrap();
    let make = || authority.certificate("127.0.0.1").unwrap();
    let (first, second, third) = (make(), make(), make());
    let secret = Secret::new(&first, "").unwrap();
    let site = node(&secret).trusting(authority);
    assert_eq!(shown(&site).await, der(&first).unwrap());
    let mut early = site.client(Format::Json, "early").await;
    early.subscribe("chat:a").await;

    secret.swap("second", &second, "").unwrap();
    renewed(&site, &der(&second).unwrap()).await;
    let mut late = site.client(Format::Json, "late").await;
    late.publish("chat:a", "1").await;
    assert_eq!(early.publication("chat:a").await, b"1");

    // In place, one file after the other.
    fs::write(secret.file("tls.crt"), &third.certificate).unwrap();
    fs::write(secret.file("tls.key"), &third.key).unwrap();
    renewed(&site, &der(&third).unwrap()).await;
    late.publish("chat:a", "2").await;
    assert_eq!(early.publication("chat:a").await, b"2");
    assert_eq!(site.metric("tidegate_tls_renewed").await, 2);
    early.leave().await;
    late.leave().await;
    site.stop().await;
}

#[tokio::test]
async fn what_cannot_be_used_leaves_the_old_certificate_in_place() {
    let authority = Authority::new().unwrap();
    let make = || authority.certificate("127.0.0.1").unwrap();
    let (first, second, third) = (make(), make(), make());
    let secret = Secret::new(&first, "").unwrap();
    let site = node(&secret).trusting(authority);
    let broken = [
        ("another key", &second.certificate[..], &third.key[..]),
        ("no certificate", "", &second.key),
        (
            "half a certificate",
            &second.certificate[..300],
            &second.key,
        ),
        ("no key", &second.certificate, "nothing"),
    ];
    for (number, (name, certificate, key)) in broken.into_iter().enumerate() {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let made = Certificate { certificate, key };
        secret.swap(name, &made, "").unwrap();
        site.until_metric("tidegate_tls_renewal_failed", number as u64 + 1)
            .await;
        assert_eq!(shown(&site).await, der(&first).unwrap(), "{name}");
    }
    fs::remove_file(secret.file("tls.key")).unwrap();
    site.until_metric("tidegate_tls_renewal_failed", 5).await;
    assert_eq!(shown(&site).await, der(&first).unwrap());
    fs::write(secret.file("tls.key"), &third.key).unwrap();
    fs::write(secret.file("tls.crt"), &third.certificate).unwrap();
    renewed(&site, &der(&third).unwrap()).await;
    site.stop().await;
}

/// What a node says that is started with these files.
fn faults(certificate: &Path, key: &Path) -> Vec<String> {
    let mut config = site::config();
    config["http_server"]["tls"] =
        json!({ "enabled": true, "cert_pem_file": certificate, "key_pem_file": key });
    let config: Config = serde_json::from_value(config).unwrap();
    match Server::start(config, Arc::new(Embedded::new())) {
        Err(StartError::Config(faults)) => faults,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_node_with_files_that_cannot_be_used_does_not_start_and_says_why() {
    let authority = Authority::new().unwrap();
    let (certificate, key) = authority.certificate_files("one.test").unwrap();
    let (_, other_key) = authority.certificate_files("other.test").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (missing, text) = (
        folder.path().join("missing.pem"),
        file("text.pem", b"hello"),
    );
    let not_der = b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let not_der = file("not-der.pem", not_der);
    let no_base64 = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    let no_base64 = file("no-base64.pem", no_base64);

    let check = |certificate: &Path, key: &Path, expected: &[(&str, &Path, &str)]| {
        let found = faults(certificate, key);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, (option, path, reason)) in found.iter().zip(expected) {
            let begin = format!("http_server.tls.{option}: {} {reason}", path.display());
            assert!(found.starts_with(&begin), "{found} instead of {begin}");
        }
    };
    let (cert, priv_key) = ("cert_pem_file", "key_pem_file");
    let unread = "cannot be read: No such file";
    check(
        &missing,
        &missing,
        &[(cert, &missing, unread), (priv_key, &missing, unread)],
    );
    check(&certificate, &missing, &[(priv_key, &missing, unread)]);
    check(
        &certificate,
        &other_key,
        &[(priv_key, &other_key, "is not the key of the certificate")],
    );
    check(
        &text,
        &text,
        &[
            (cert, &text, "holds no certificate in PEM"),
            (priv_key, &text, "holds no private key in PEM"),
        ],
    );
    check(&no_base64, &key, &[(cert, &no_base64, "is not PEM")]);
    check(
        &not_der,
        &key,
        &[(cert, &not_der, "holds a certificate that cannot be used")],
    );
    check(
        &key,
        &certificate,
        &[
            (cert, &key, "holds no certificate in PEM"),
            (priv_key, &certificate, "holds no private key in PEM"),
        ],
    );
}
