//! What the programs have in common: the port of gRPC and who may call on it, TLS on any port, what orchestrators and
//! Prometheus ask over HTTP, and what command lines say of NATS and of telemetry; and the signals that end services. Nothing
//! here knows what is asked of them.

mod access;
mod deadline;
mod key;
mod nats;
mod port;
mod probe;
mod probes;
mod signals;
mod telemetry;
mod time;
mod tls;

pub use access::{Access, AccessArguments, AccessError};
pub use deadline::{Deadline, exceeded};
pub use key::{ApiKey, KeyError, KeyFileError};
pub use nats::{NatsArguments, PasswordError};
pub use port::{Port, ServeError, Stopper};
pub use probe::{Command, ProbeArguments, ProbeError, ProbeTls, ProbeTlsError};
pub use probes::{ListenError, Vitals, listen_for_probes, serve_probes};
pub use signals::asked_to_end;
pub use telemetry::{Sending, TelemetryArguments, TelemetryError};
pub use time::{TimeError, duration};
pub use tls::{Tls, TlsError, TlsFile, TlsFiles, TlsOptions, TlsVersion};
