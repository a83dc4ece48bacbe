//! How clients' bytes come in and go out: one file a transport.

mod incoming;
mod message;
mod outgoing;
mod upgrade;
mod websocket;

pub(crate) use upgrade::upgrade;
