//! What keeps the publications, and what it promises of them when the power is cut.

use serde_json::{Value, json};

/// Where publications are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// In the gateway's own files.
    Embedded(Sync),
    /// In a JetStream stream with so many copies, each server on a file system of its own.
    Nats(Servers, Sync),
}

/// When what is stored is made to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Before it is acknowledged.
    Always,
    /// Some time afterwards, as the defaults have it.
    Later,
}

/// How many, and so how many copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Servers {
    One,
    Three,
}

impl Setting {
    pub(crate) fn sync(self) -> Sync {
        match self {
            Self::Embedded(sync) | Self::Nats(_, sync) => sync,
        }
    }

    /// How many file systems are used.
    pub(crate) fn disks(self) -> usize {
        match self {
            Self::Embedded(_) | Self::Nats(Servers::One, _) => 1,
            Self::Nats(Servers::Three, _) => 3,
        }
    }

    /// The gateway's configuration; an embedded store is in this folder.
    pub(crate) fn gateway(self, folder: &str) -> Value {
        let mut namespace = json!({
            "name": "kept",
            "history_size": 10_000,
            "history_ttl": "10m",
            "allow_recovery": true,
        });
        let mut config = json!({
            "http_server": { "workers": 1 },
            "client": { "insecure": true },
        });
        match self {
            Self::Embedded(sync) => {
                let sync = match sync {
                    Sync::Always => "always",
                    Sync::Later => "interval",
                };
                config["embedded"] = json!({ "data_dir": folder, "sync": sync });
            }
            Self::Nats(_, sync) => {
                namespace["history_replicas"] = self.disks().into();
                if sync == Sync::Always {
                    namespace["require_durability"] = "synced".into();
                }
            }
        }
        config["channel"] = json!({ "namespaces": [namespace] });
        config
    }

    /// The configuration of each NATS server.
    pub(crate) fn server(self) -> &'static str {
        match self.sync() {
            Sync::Always => "jetstream { sync_interval: always }\nserver_tags: [\"sync:always\"]\n",
            Sync::Later => "jetstream: enabled\n",
        }
    }

    /// The stream as an operator makes it for servers that sync before they confirm. The gateway adds what is missing.
    pub(crate) fn stream(self) -> Option<Value> {
        let Self::Nats(_, Sync::Always) = self else {
            return None;
        };
        Some(json!({
            "name": "tide_kept",
            "subjects": ["tide.pub.kept.>"],
            "storage": "file",
            "retention": "limits",
            "num_replicas": self.disks(),
            "placement": { "tags": ["sync:always"] },
            "metadata": { "tidegate": "channels", "tidegate-least-size": "10000" },
        }))
    }
}
