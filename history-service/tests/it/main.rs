//! The history service against real parts.

mod carrier;
mod grpc;
mod history;
mod ingest;
mod store;
