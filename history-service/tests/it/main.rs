//! The history service against real parts.

mod bus;
mod carrier;
mod cassandra;
mod grpc;
mod history;
mod ingest;
mod partitions;
mod port;
mod probes;
mod program;
mod sharing;
mod store;
