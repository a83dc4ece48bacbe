//! Client wire formats: bytes to [`Command`] and [`Reply`] or [`Push`] to bytes.
//!
//! One module a format ([`json`], [`protobuf`]), both sans I/O: frames come in as [`bytes::Bytes`] and payloads
//! leave as slices of them, so decoding copies no payload. Clients that only listen also bring a message of [`grpc`], or a
//! [`Bookmark`]. Nothing here knows sockets, time, permissions or NATS.
//! The protocol is Centrifugo's bidirectional client protocol, version 2.

#![warn(missing_docs)]

mod bookmark;
pub mod codes;
mod command;
pub mod delta;
mod format;
pub mod grpc;
pub mod json;
mod payload;
pub mod protobuf;
mod push;
mod reply;
mod shared;

pub use bookmark::Bookmark;
pub use codes::{Disconnect, DisconnectCode, ErrorCode, UnsubscribeCode};
pub use command::{
    Command, ConnectRequest, EmulationRequest, Frame, HistoryRequest, PublishRequest,
    RecoverRequest, RefreshRequest, Request, RpcRequest, StreamPosition, SubRefreshRequest,
    SubscribeRequest,
};
pub use format::{DecodeError, EncodeError, Encoded, Format};
pub use payload::single_line_json;
pub use push::{ClientInfo, Event, Publication, Push, ServerSubscription, Unsubscribed};
pub use reply::{
    ConnectResult, Failure, RefreshResult, Reply, SubRefreshResult, SubscribeResult, Success,
};
pub use shared::SharedPublication;
