//! The gateways that a test talks to, as an operator would run them.

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::NatsServer;

/// Secret of the tokens.
pub(crate) const SECRET: &str = "the secret of the tests";

/// The configuration of a NATS server that keeps what it is told to.
const JETSTREAM: &str = "jetstream: enabled\n";

/// What carries publications between gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backbone {
    /// One gateway, by itself.
    Embedded,
    /// Two gateways on one NATS server.
    Nats,
}

/// Running gateways.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) nats: Option<NatsServer>,
    /// What a gateway without NATS keeps.
    _data: TempDir,
}

impl Site {
    /// Starts gateways with the usual configuration, changed by `change`.
    pub(crate) async fn start(backbone: Backbone, change: impl FnOnce(&mut Value)) -> Self {
        let mut config = config();
        let data = tempfile::tempdir().unwrap();
        if backbone == Backbone::Embedded {
            config["embedded"]["data_dir"] = json!(data.path());
        }
        change(&mut config);
        let nats = match backbone {
            Backbone::Embedded => None,
            Backbone::Nats => Some(NatsServer::start_with(JETSTREAM).await.unwrap()),
        };
        let url = nats.as_ref().map(NatsServer::url);
        let count = if url.is_some() { 2 } else { 1 };
        let mut gateways = Vec::new();
        for _ in 0..count {
            let gateway = Gateway::start(env!("CARGO_BIN_EXE_tidegate"), &config, url.as_deref());
            gateways.push(gateway.await.unwrap());
        }
        Self {
            gateways,
            nats,
            _data: data,
        }
    }

    /// The gateway that most clients of a scenario connect to.
    pub(crate) fn near(&self) -> &Gateway {
        &self.gateways[0]
    }

    /// Another gateway, where there is one.
    pub(crate) fn far(&self) -> &Gateway {
        self.gateways.last().unwrap()
    }

    /// Everything the gateways wrote, for failures.
    pub(crate) fn output(&self) -> String {
        let outputs = self.gateways.iter().map(Gateway::output);
        outputs.collect::<Vec<_>>().join("\n")
    }
}

/// Channels `chat:…` are open, `news:…` can only be read, `closed:…` not even that; every user has `personal:#user`.
fn config() -> Value {
    json!({
        "http_server": { "workers": 2 },
        "client": {
            "token": { "hmac_secret_key": SECRET },
            "expired_close_delay": "3s",
            "expired_sub_close_delay": "3s",
            "subscribe_to_user_personal_channel": { "enabled": true, "personal_channel_namespace": "personal" },
        },
        "channel": {
            "namespaces": [
                { "name": "chat", "allow_subscribe_for_client": true, "allow_publish_for_client": true },
                { "name": "news", "allow_subscribe_for_client": true },
                { "name": "closed" },
                { "name": "personal", "allow_publish_for_client": true },
            ],
        },
        "shutdown": { "drain": "500ms", "timeout": "10s" },
        "prometheus": { "enabled": true },
    })
}
