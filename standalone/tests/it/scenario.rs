//! Scenarios: scripts of an SDK that check for themselves what they see, in `tests/sdk`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::node::node;
use tidegate_testkit::program::Program;
use tidegate_testkit::python::python;

use super::site::{Backbone, SECRET, Site};

/// A client library, as its package registry has it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sdk {
    /// `centrifuge` of npm.
    JavaScript,
    /// `centrifuge-python` of PyPI.
    Python,
}

/// A wire format.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    /// JSON.
    Json,
    /// Protobuf.
    Protobuf,
}

/// Makes a test of each scenario in each of the SDKs and formats: `function(name, sdk, format, backbone)`.
macro_rules! scenarios {
    (@tests $function:path, $name:ident, $sdk:ident, $backbone:ident) => {
        use $crate::scenario::{Format, Sdk};
        use $crate::site::Backbone;

        #[tokio::test]
        async fn json() {
            $function(stringify!($name), Sdk::$sdk, Format::Json, Backbone::$backbone).await;
        }

        #[tokio::test]
        async fn protobuf() {
            $function(stringify!($name), Sdk::$sdk, Format::Protobuf, Backbone::$backbone).await;
        }
    };
    (javascript on $backbone:ident, $function:path: $($name:ident)+) => {
        $(mod $name {
            mod javascript {
                $crate::scenario::scenarios! { @tests $function, $name, JavaScript, $backbone }
            }
        })+
    };
    (python on $backbone:ident, $function:path: $($name:ident)+) => {
        $(mod $name {
            mod python {
                $crate::scenario::scenarios! { @tests $function, $name, Python, $backbone }
            }
        })+
    };
    (both on $backbone:ident, $function:path: $($name:ident)+) => {
        $(mod $name {
            mod javascript {
                $crate::scenario::scenarios! { @tests $function, $name, JavaScript, $backbone }
            }
            mod python {
                $crate::scenario::scenarios! { @tests $function, $name, Python, $backbone }
            }
        })+
    };
}
pub(crate) use scenarios;

/// Plays a scenario that needs nothing from outside, and sees that nothing is left of it in the gateways.
pub(crate) async fn play(name: &str, sdk: Sdk, format: Format, backbone: Backbone) {
    let site = Site::start(backbone, |config| configure(name, config)).await;
    let script = start(name, sdk, format, site.near(), site.far());
    succeed(script, &site).await;
}

/// Waits until a script has succeeded, and sees that nothing is left of it in the gateways.
pub(crate) async fn succeed(mut script: Program, site: &Site) {
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}\n{}", site.output());
    }
    for gateway in &site.gateways {
        for gauge in ["tidegate_connections", "tidegate_subscriptions"] {
            let ask = async || (gateway.metric(gauge).await.ok()? == 0).then_some(());
            until_some(&format!("{gauge} is 0 again"), ask)
                .await
                .unwrap();
        }
    }
}

/// Starts a scenario's script.
pub(crate) fn start(
    name: &str,
    sdk: Sdk,
    format: Format,
    near: &Gateway,
    far: &Gateway,
) -> Program {
    Program::start(command(name, sdk, format, near, far)).unwrap()
}

/// The command that runs a scenario's script.
pub(crate) fn command(
    name: &str,
    sdk: Sdk,
    format: Format,
    near: &Gateway,
    far: &Gateway,
) -> Command {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    let mut command = match sdk {
        Sdk::JavaScript => node(&scripts.join("javascript/main.mjs")).unwrap(),
        Sdk::Python => python(&scripts.join("python")).unwrap(),
    };
    let format = match format {
        Format::Json => "json",
        Format::Protobuf => "protobuf",
    };
    command
        .arg(name)
        .env("TIDEGATE_URL", near.websocket())
        .env("TIDEGATE_OTHER_URL", far.websocket())
        .env("TIDEGATE_FORMAT", format)
        .env("TIDEGATE_SECRET", SECRET);
    command
}

/// Adds namespaces whose publications are kept: many of them, five, and many of which clients that come back are given
/// the newest.
pub(crate) fn keep(config: &mut Value) {
    let namespaces = config["channel"]["namespaces"].as_array_mut().unwrap();
    for (name, size, mode) in [
        ("kept", 1_000, "stream"),
        ("short", 5, "stream"),
        ("newest", 1_000, "cache"),
    ] {
        namespaces.push(json!({
            "name": name,
            "allow_subscribe_for_client": true,
            "allow_publish_for_client": true,
            "history_size": size,
            "history_ttl": "10m",
            "allow_history_for_subscriber": true,
            "allow_positioning": true,
            "allow_recovery": true,
            "force_recovery_mode": mode,
            "allowed_delta_types": ["fossil"],
        }));
    }
}

/// What a scenario needs to be different from the usual configuration.
pub(crate) fn configure(name: &str, config: &mut Value) {
    if matches!(name, "heartbeat" | "no_pong") {
        config["client"]["ping_interval"] = json!("2s");
        config["client"]["pong_timeout"] = json!("1800ms");
    }
    if name.starts_with("server_api") {
        config["http_api"] = json!({ "key": SECRET, "request_size_limit": 65_536 });
        config["client"]["subscribe_to_user_personal_channel"]["enabled"] = json!(false);
        keep(config);
    }
    if name == "server_api_skips_history" {
        config["client"]["channel_position_check_delay"] = json!("100ms");
    }
    if name == "kept_out" {
        config["http_api"] = json!({ "key": SECRET });
        config["client"]["revocation"]["enabled"] = json!(true);
    }
    if name == "rate_limited" {
        config["client"]["rate_limit"]["user"] = json!({ "publish": 2, "subscribe": 2 });
    }
    // What is not kept any more would be at hand.
    if name == "recovery_of_too_much" {
        config["channel"]["recovery_linger"] = json!("0s");
    }
    if name.contains("recovery") || matches!(name, "deltas" | "history") {
        keep(config);
    }
}
