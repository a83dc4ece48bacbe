//! One line to a [`Frame`]: the envelope of commands.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::error::Category;

use super::request::{
    Channel, Connect, Empty, History, Publish, Refresh, Rpc, Send, SubRefresh, Subscribe,
};
use super::shape::Object;
use crate::{Command, ConnectRequest, EmulationRequest, Frame, Request};

/// Decodes one line, a part of `frame`.
///
/// # Errors
/// What is wrong and where. Never quotes the line, since it may hold tokens and payloads; serde's own messages do.
pub(super) fn decode(line: &[u8], frame: &Bytes) -> Result<Frame, String> {
    let Object(command) = parse::<CommandLine<'_>>(line)?;
    Ok(command.into_frame(frame))
}

/// Decodes the body of a `connect`.
///
/// # Errors
/// As for [`decode`].
pub(super) fn decode_connect(body: &Bytes) -> Result<ConnectRequest, String> {
    let Object(connect) = parse::<Connect<'_>>(body)?;
    Ok(connect.into_request(body))
}

/// Decodes a request that carries a frame.
///
/// # Errors
/// As for [`decode`].
pub(super) fn decode_emulation(body: &[u8]) -> Result<EmulationRequest, String> {
    let Object(emulation) = parse::<Emulation>(body)?;
    Ok(EmulationRequest {
        node: emulation.node.unwrap_or_default(),
        session: emulation.session.unwrap_or_default(),
        data: emulation.data.unwrap_or_default().into(),
    })
}

#[derive(Deserialize)]
struct Emulation {
    node: Option<String>,
    session: Option<String>,
    data: Option<String>,
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<Object<T>, String> {
    let text = std::str::from_utf8(text)
        .map_err(|error| format!("not UTF-8 at column {}", error.valid_up_to() + 1))?;
    serde_json::from_str(text).map_err(reason)
}

fn reason(error: serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Data => "unexpected value",
        Category::Eof => "incomplete JSON",
        Category::Syntax | Category::Io => "not JSON",
    };
    format!("{what} at column {}", error.column())
}

#[derive(Deserialize)]
struct CommandLine<'a> {
    id: Option<u32>,
    #[serde(borrow)]
    connect: Option<Object<Connect<'a>>>,
    #[serde(borrow)]
    subscribe: Option<Object<Subscribe<'a>>>,
    unsubscribe: Option<Object<Channel>>,
    #[serde(borrow)]
    publish: Option<Object<Publish<'a>>>,
    presence: Option<Object<Channel>>,
    presence_stats: Option<Object<Channel>>,
    history: Option<Object<History>>,
    ping: Option<Object<Empty>>,
    #[serde(borrow)]
    send: Option<Object<Send<'a>>>,
    #[serde(borrow)]
    rpc: Option<Object<Rpc<'a>>>,
    refresh: Option<Object<Refresh>>,
    sub_refresh: Option<Object<SubRefresh>>,
}

impl CommandLine<'_> {
    fn into_frame(self, frame: &Bytes) -> Frame {
        let id = self.id.unwrap_or_default();
        match self.into_request(frame) {
            None if id == 0 => Frame::Pong,
            request => Frame::Command(Command {
                id,
                request: request.unwrap_or(Request::Unknown),
            }),
        }
    }

    /// The first body in the order of the schema; the protocol does not forbid several.
    fn into_request(self, frame: &Bytes) -> Option<Request> {
        (self
            .connect
            .map(|Object(body)| Request::Connect(Box::new(body.into_request(frame)))))
        .or_else(|| {
            let body = self.subscribe?.0.into_request(frame);
            Some(Request::Subscribe(Box::new(body)))
        })
        .or_else(|| {
            Some(Request::Unsubscribe {
                channel: self.unsubscribe?.0.into_name(),
            })
        })
        .or_else(|| Some(Request::Publish(self.publish?.0.into_request(frame))))
        .or_else(|| {
            Some(Request::Presence {
                channel: self.presence?.0.into_name(),
            })
        })
        .or_else(|| {
            Some(Request::PresenceStats {
                channel: self.presence_stats?.0.into_name(),
            })
        })
        .or_else(|| Some(Request::History(self.history?.0.into_request())))
        .or_else(|| self.ping.map(|_| Request::Unknown))
        .or_else(|| {
            Some(Request::Send {
                data: self.send?.0.into_data(frame),
            })
        })
        .or_else(|| Some(Request::Rpc(self.rpc?.0.into_request(frame))))
        .or_else(|| Some(Request::Refresh(self.refresh?.0.into_request())))
        .or_else(|| Some(Request::SubRefresh(self.sub_refresh?.0.into_request())))
    }
}
