//! What the tests of all dialects share: events that outlive their bytes, and frames taken apart again.

use tidegate_websocket::{Head, mask};

use super::{Dialect, Event, Input, Opening, Position, Recovery, SUBSCRIBE, Subscription};
use crate::wire::{Frames, Framing, Outgoing};

/// An [`Event`] of its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Message(String),
    Invited,
    Done(u32),
    Subscribed(u32, Position, bool),
    Refused(u32, String),
}

impl From<Event<'_>> for Said {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(bytes) => Self::Message(String::from_utf8_lossy(bytes).into()),
            Event::Invited => Self::Invited,
            Event::Done(id) => Self::Done(id),
            Event::Subscribed {
                id,
                position,
                recovered,
            } => Self::Subscribed(id, position, recovered),
            Event::Refused(id, reason) => Self::Refused(id, reason),
        }
    }
}

pub(crate) fn opening(channels: &[&str]) -> Opening {
    let ids = SUBSCRIBE..;
    let subscriptions = ids.zip(channels).map(|(id, channel)| Subscription {
        id,
        channel: (*channel).to_owned(),
        recovery: Recovery::Off,
    });
    Opening {
        token: None,
        subscriptions: subscriptions.collect(),
    }
}

/// The payloads of the frames that `write` makes.
pub(crate) fn sent(write: impl FnOnce(&mut Frames<'_>)) -> Vec<Vec<u8>> {
    let mut outgoing = Outgoing::default();
    write(&mut outgoing.frames(Framing::WebSocket));
    let mut bytes = &mut outgoing.bytes[..];
    let mut payloads = Vec::new();
    while let Some((head, size)) = Head::read(bytes).unwrap() {
        let (frame, rest) = bytes.split_at_mut(size + usize::try_from(head.length).unwrap());
        let payload = &mut frame[size..];
        mask(payload, head.mask.unwrap(), 0);
        payloads.push(payload.to_vec());
        bytes = rest;
    }
    payloads
}

/// What a server's message makes: events, and answers. All of it must be taken.
pub(crate) fn receive(dialect: &dyn Dialect, message: &[u8]) -> (Vec<Said>, Vec<Vec<u8>>) {
    let mut said = Vec::new();
    let answers = sent(|frames| {
        let taken = dialect
            .receive(Input(message), frames, &mut |event| said.push(event.into()))
            .unwrap();
        assert_eq!(taken, message.len());
    });
    (said, answers)
}
