//! How clients' bytes come in and go out: one file a transport.

mod ending;
mod request;
mod upgrade;
mod websocket;

pub(crate) use request::refuse;
pub(crate) use upgrade::Upgrade;
