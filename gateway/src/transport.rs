//! How clients' bytes come in and go out: one file a transport.

mod alarm;
mod body;
mod chunks;
mod client;
mod conversation;
mod cors;
#[cfg(feature = "echo")]
mod echo;
mod emulation;
mod ending;
mod grpc;
mod http;
mod lent;
mod marks;
mod one_way;
mod pipe;
mod reference;
mod request;
mod stream;
mod upgrade;
mod websocket;

pub(crate) use emulation::{Sessions, emulate};
pub(crate) use grpc::configure as configure_grpc;
pub(crate) use http::{Kind, Statuses, serve, statuses};
pub(crate) use lent::Lent;
pub(crate) use reference::upgrade as upgrade_by_actix;
pub(crate) use upgrade::Upgrade;
