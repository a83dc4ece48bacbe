//! Load for servers of Tidegate's client protocol, and of others to compare them with: many clients, each cheap.
//!
//! [`cli`] says what is asked for, [`plan`] what that means and whether it is within bounds. A conductor
//! ([`conductor`]) starts workers ([`worker`]), processes that hold the connections, tells them what to do, watches the
//! server's processes, and merges what they measured into an [`outcome`], which [`report`] shows; [`compare`]
//! makes many such runs on several servers, of which [`floor`] is the least that one can be.

pub mod cli;
pub mod clock;
pub mod compare;
pub mod conductor;
pub mod dialect;
pub mod floor;
pub mod handshake;
pub mod latency;
pub mod machine;
pub mod order;
pub mod outcome;
pub mod plan;
pub mod procfs;
pub mod program;
pub mod report;
pub mod roster;
pub mod schedule;
pub mod sequence;
pub mod stamp;
pub mod summary;
pub mod target;
pub mod token;
pub mod wire;
pub mod worker;
