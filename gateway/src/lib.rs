//! The edge: terminates client connections and joins them to channels.
//!
//! A publication's way through: `transport` (socket bytes to frames) -> `session` (what the client may do, pure) ->
//! `backbone` (to every node) -> `interest` (which workers care) -> `hub` (who on this worker listens) -> `outbox` ->
//! `transport`. Everything of one connection stays on the worker thread that accepted it; only publications cross.

mod admission;
pub mod auth;
pub mod cli;
pub mod config;
mod connection;
pub mod counters;
pub mod hub;
pub mod interest;
pub mod logging;
pub mod node;
pub mod outbox;
mod playground;
pub mod program;
pub mod rules;
mod run;
pub mod server;
pub mod session;
mod transport;

pub use run::run;
pub use tidegate_codec::codes;
