//! The edge: terminates client connections and joins them to channels.
//!
//! A publication's way through: `transport` (socket bytes, or requests, to frames) -> `session` (what the client may do, pure) ->
//! `backbone` (to every node) -> `interest` (which workers care) -> `hub` (each channel's log of ready-made frames) ->
//! `outbox` (how far one client has been written) -> `transport`. Everything of one connection stays on the worker
//! thread that accepted it; only publications cross.

mod accept;
mod admission;
mod api;
mod archive;
pub mod auth;
mod backends;
pub mod broadcast;
mod by_channel;
pub mod cli;
mod cluster;
pub mod config;
mod connection;
mod control;
pub mod counters;
mod health;
pub mod hooks;
mod http2;
pub mod hub;
pub mod interest;
mod jwks;
mod listener;
pub mod node;
mod occupancy;
pub mod outbox;
mod playground;
mod ports;
pub mod presence;
mod probe;
pub mod program;
mod publishing;
pub mod quota;
mod revocation;
pub mod rules;
mod run;
pub mod server;
pub mod session;
mod signal;
mod site;
mod telemetry;
mod tls;
mod transport;
mod users;
mod wheel;
pub mod wire;
mod worker;

pub use run::run;
pub use tidegate_codec::codes;
