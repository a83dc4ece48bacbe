//! The history service: an archive of what was published in channels that are kept, far beyond what their streams hold.

pub mod bus;
pub mod grpc;
pub mod history;
pub mod ingest;
pub mod lag;
pub mod retention;
pub mod service;
pub mod store;
pub mod turn;
mod vitals;
