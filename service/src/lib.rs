//! What the programs of the services have in common: what their command lines say of NATS and of telemetry, the signals that end them, and
//! on the port of gRPC the caller's key and the caller's deadline. Nothing here knows what is asked of them.

mod deadline;
mod key;
mod nats;
mod signals;
mod telemetry;

pub use deadline::{Deadline, exceeded};
pub use key::{ApiKey, Gate, KeyError};
pub use nats::{NatsArguments, PasswordError};
pub use signals::asked_to_end;
pub use telemetry::{Sending, TelemetryArguments, TelemetryError};
