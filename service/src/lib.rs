//! What the programs of the services have in common: what their command lines say of NATS, the signals that end them, what
//! orchestrators and Prometheus ask over HTTP, and on the port of gRPC the caller's key and the caller's deadline. Nothing
//! here knows what is asked of them.

mod deadline;
mod exposition;
mod key;
mod nats;
mod probes;
mod signals;

pub use deadline::{Deadline, exceeded};
pub use exposition::{Exposition, Type};
pub use key::{ApiKey, Gate, KeyError};
pub use nats::{NatsArguments, PasswordError};
pub use probes::{ListenError, Vitals, listen_for_probes, serve_probes};
pub use signals::asked_to_end;
