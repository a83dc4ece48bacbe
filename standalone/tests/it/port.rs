//! The ports of gRPC that a gateway opens, as every program opens one.

use serde_json::{Value, json};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::port::{KEY, SecuredPort};
use tokio::net::TcpStream;

use super::backends::free_port;
use super::site::{Backbone, Site};

fn tls(port: &SecuredPort) -> Value {
    json!({
        "enabled": true,
        "cert_pem_file": port.secret.file("tls.crt"),
        "key_pem_file": port.secret.file("tls.key"),
        "client_ca_pem_file": port.secret.file("ca.crt"),
        "reload_interval": "100ms",
    })
}

#[tokio::test]
async fn the_ports_are_as_every_port_is() {
    let gateway = SecuredPort::new("tidegate.gateway.v1.Gateway", "Info").unwrap();
    let presence = SecuredPort::new("tidegate.presence.v1.Presence", "Nodes").unwrap();
    let history = SecuredPort::new("tidegate.history.v1.History", "Stats").unwrap();
    let [first, second, third] = [free_port(), free_port(), free_port()];
    let site = Site::start(Backbone::Embedded, |config| {
        config["grpc_api"] =
            json!({ "enabled": true, "port": first, "key": KEY, "tls": tls(&gateway) });
        for (section, number, port) in [
            ("presence_service", second, &presence),
            ("history_service", third, &history),
        ] {
            let address = format!("127.0.0.1:{number}");
            config[section] = json!({ "address": address, "api_key": KEY, "tls": tls(port) });
        }
    })
    .await;
    for (number, port) in [(first, &gateway), (second, &presence), (third, &history)] {
        let address = format!("127.0.0.1:{number}");
        let listens = async || TcpStream::connect(&address).await.ok();
        until_some("the port is open", listens).await.unwrap();
        let file = port.secret.file("tls.key").display().to_string();
        let has_logged = |text: &str| {
            let output = site.output();
            let mut lines = output.lines();
            lines.any(|line| line.contains(text) && line.contains(&file))
        };
        let checked = port.check(&address, has_logged).await;
        assert!(checked.is_ok(), "{checked:?}\n{}", site.output());
    }
    let near = site.near();
    let refused = near.metric("tidegate_tls_renewal_failed").await.unwrap();
    assert!(refused > 0, "of the gateway's own port");
}
