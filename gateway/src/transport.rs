//! How clients' bytes come in and go out: one file a transport.

mod message;
pub(crate) mod websocket;
