//! How clients' bytes come in and go out: one file a transport.

mod client;
mod conversation;
#[cfg(feature = "echo")]
mod echo;
mod ending;
mod pipe;
mod reference;
mod request;
mod upgrade;
mod websocket;

pub(crate) use reference::upgrade as upgrade_by_actix;
pub(crate) use upgrade::Upgrade;
