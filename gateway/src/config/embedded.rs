//! `embedded.*`: what is kept without NATS.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_backbone::embedded::{EmbeddedOptions, Sync};
use tidegate_backbone::{Storage, StreamOptions};

use super::duration;
use super::schema::options;
use super::secret::Secret;
use super::server::ServerTlsConfig;

options! {
    /// What a node without NATS keeps, and how safely.
    pub struct EmbeddedConfig {
        /// Folder for the streams of namespaces whose `history_storage` is `file`; made if it does not exist. Every node needs
        /// its own. Without it they are kept in memory, and a restart empties them.
        pub data_dir: Option<PathBuf>,
        /// `always`: a publication is confirmed once a power cut cannot take it; those under way are synced together. `interval`:
        /// it is confirmed before, so a power cut may take those of the last `sync_interval`, and clients that recover are
        /// told. A crash of the process takes nothing either way.
        pub sync: String = "always".to_owned(),
        /// Time between two syncs; with `sync: interval`.
        #[serde(with = "duration")]
        pub sync_interval: Duration = Duration::from_secs(1),
    }
}

options! {
    /// The history service in the same process, without NATS. Over NATS it is a program of its own, `tidegate-history`.
    pub struct HistoryServiceConfig {
        /// Where gRPC is answered, such as `127.0.0.1:8400`; empty for no service. Needs `embedded.data_dir`.
        pub address: String,
        /// What callers must show, at least 16 visible ASCII characters; mandatory where other machines reach the address
        /// and clients show no certificates.
        pub api_key: Secret,
        /// TLS of this port.
        pub tls: ServerTlsConfig,
    }
}

options! {
    /// The presence service in the same process, without NATS. Over NATS it is a program of its own, `tidegate-presence`.
    pub struct PresenceServiceConfig {
        /// Where backends are answered over gRPC, such as `127.0.0.1:8500`; empty for nowhere.
        pub address: String,
        /// What callers must show, at least 16 visible ASCII characters; mandatory where other machines reach the address
        /// and clients show no certificates.
        pub api_key: Secret,
        /// TLS of this port.
        pub tls: ServerTlsConfig,
    }
}

impl EmbeddedConfig {
    /// How the embedded backbone is to keep these namespaces.
    #[must_use]
    pub fn options(&self, mut streams: Vec<StreamOptions>) -> EmbeddedOptions {
        if self.data_dir.is_none() {
            for stream in &mut streams {
                stream.storage = Storage::Memory;
            }
        }
        EmbeddedOptions {
            data_dir: self.data_dir.clone(),
            sync: match self.sync.as_str() {
                "interval" => Sync::Interval(self.sync_interval),
                _ => Sync::Always,
            },
            streams,
        }
    }
}
