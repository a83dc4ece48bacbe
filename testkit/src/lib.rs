//! What tests need from outside the workspace: the programs they run and the servers they talk to.
//!
//! [`tools`] fetches programs once, [`nats`] and [`cassandra`] run servers that a test can stop, freeze and start again, a
//! [`pipe`](pipe::Pipe) before one can be stopped up, and [`deadline`] awaits what has no event to await. [`gateway`] runs
//! Tidegate's own binaries, [`address`] tells where they can listen, and [`port`] checks what each of them opens. Only tests may depend on this crate, and it depends on
//! none of Tidegate's.

pub mod address;
pub mod authority;
pub mod autobahn;
pub mod binaries;
pub mod cassandra;
pub mod chromium;
pub mod deadline;
pub mod front;
pub mod gateway;
pub mod go;
pub mod nats;
pub mod node;
pub mod pipe;
pub mod port;
pub mod program;
pub mod python;
pub mod secret;
pub mod tls;
pub mod tools;
