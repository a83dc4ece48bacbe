//! The edge: terminates client connections and joins them to channels.

pub mod auth;
pub mod config;
