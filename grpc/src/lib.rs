//! What the gRPC faces of the services have in common: the caller's key, and the caller's deadline. Nothing here knows what is
//! called.

mod deadline;
mod key;

pub use deadline::{Deadline, exceeded};
pub use key::{ApiKey, Gate, KeyError};
