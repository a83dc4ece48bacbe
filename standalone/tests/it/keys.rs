//! Tokens by keys that an issuer publishes, and who is kept out, as an SDK meets them.

use serde_json::json;
use tidegate_testkit::program::Program;

use super::scenario::{Format, Sdk, command, scenarios, succeed};
use super::site::{Backbone, Site};

scenarios! { javascript on Embedded, crate::keys::publish: published_keys }
scenarios! { javascript on Nats, crate::scenario::play: kept_out }

/// Plays a scenario whose script is the issuer.
async fn publish(name: &str, sdk: Sdk, format: Format, backbone: Backbone) {
    let port = tidegate_testkit::address::free().unwrap().port();
    let site = Site::start(backbone, |config| {
        config["client"]["token"] = json!({
            "jwks_public_endpoint": format!("http://127.0.0.1:{port}/keys"),
        });
        config["client"]["jwks"] = json!({ "refetch_interval": "100ms" });
    });
    let site = site.await;
    let mut script = command(name, sdk, format, site.near(), site.far());
    script.env("TIDEGATE_ISSUER_PORT", port.to_string());
    succeed(Program::start(script).unwrap(), &site).await;
}
