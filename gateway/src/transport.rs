//! How clients' bytes come in and go out: one file a transport.

mod client;
mod conversation;
#[cfg(feature = "echo")]
mod echo;
mod ending;
mod request;
mod upgrade;
mod websocket;

pub(crate) use request::refuse;
pub(crate) use upgrade::Upgrade;
