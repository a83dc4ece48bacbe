//! Over `wss`, to a gateway whose certificate only an authority of the test's own vouches for.

use serde_json::json;
use tidegate_testkit::authority::Authority;
use tidegate_testkit::program::Program;

use super::scenario::{Format, Sdk, command, scenarios};
use super::site::{Backbone, Site};

scenarios! { both on Embedded, crate::secure::play:
    publish
    batch
}

/// Plays a scenario with clients that are told of the authority in the way that is usual for their language.
pub(crate) async fn play(name: &str, sdk: Sdk, format: Format, backbone: Backbone) {
    let authority = Authority::new().unwrap();
    let (certificate, key) = authority.certificate_files("127.0.0.1").unwrap();
    let site = Site::start(backbone, |config| {
        config["http_server"]["tls"] =
            json!({ "enabled": true, "cert_pem_file": certificate, "key_pem_file": key });
    })
    .await;
    let gateway = site.near();
    assert!(gateway.websocket().starts_with("wss://"));
    let mut command = command(name, sdk, format, gateway, gateway);
    let variable = match sdk {
        Sdk::JavaScript => "NODE_EXTRA_CA_CERTS",
        Sdk::Python => "SSL_CERT_FILE",
    };
    command.env(variable, authority.file());
    let mut script = Program::start(command).unwrap();
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}\n{}", site.output());
    }
}
