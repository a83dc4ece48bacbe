//! `presence.*`: what the node and the presence service say to each other.

use std::time::Duration;

use tidegate_proto::node::DEFAULT_PARTITIONS;

use super::duration;
use super::schema::options;

options! {
    /// Presence of all namespaces.
    pub struct PresenceConfig {
        /// Whether the presence service is told which users are connected, even if no namespace has presence. If one has, it is.
        pub users: bool,
        /// Time in which the presence service must answer, or error 100.
        #[serde(with = "duration")]
        pub timeout: Duration = Duration::from_secs(1),
        /// When the presence service has not heard of a node for so long, its clients leave. From 500 ms to 2 minutes.
        #[serde(with = "duration")]
        pub lease: Duration = Duration::from_secs(10),
        /// Parts among which channels and users are divided, as everywhere in the deployment. From 1 to 1,024.
        pub partitions: u32 = DEFAULT_PARTITIONS,
    }
}
