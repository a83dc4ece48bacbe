//! The history service against real parts.

mod carrier;
mod cassandra;
mod grpc;
mod history;
mod ingest;
mod program;
mod store;
