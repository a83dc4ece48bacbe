//! A join or a leave, as nodes tell each other of it.

use bytes::Bytes;
use prost::Message;
use tidegate_backbone::{Channel, ClientInfo};
use tidegate_proto::node::{ChannelEvent, Membership, VERSION, channel_event};

use super::entry::ClientId;
use crate::broadcast::Happening;

/// What has happened in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) happening: Happening,
    pub(super) client: ClientId,
    pub(super) info: ClientInfo,
    /// Of a join that was told before.
    pub(super) back: Option<Back>,
}

/// A node that had been taken for gone, as of its last beat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Back {
    pub(super) node: String,
    pub(super) beat: u64,
}

/// An event as other nodes are told of it.
pub(super) fn write(happening: Happening, info: &ClientInfo, back: Option<Back>) -> Bytes {
    let client = ClientId::parse(&info.client).map(|it| Bytes::copy_from_slice(&it.0));
    let membership = Membership {
        client: client.unwrap_or_default(),
        user: info.user.clone(),
        conn_info: info.conn_info.clone(),
        chan_info: info.chan_info.clone(),
        ..Membership::default()
    };
    let what = match happening {
        Happening::Join => channel_event::What::Join(membership),
        Happening::Leave => channel_event::What::Leave(membership),
    };
    let back = back.map(|it| (it.node, it.beat));
    let (returned_node, returned_beat) = back.unwrap_or_default();
    let event = ChannelEvent {
        version: VERSION,
        what: Some(what),
        returned_node,
        returned_beat,
    };
    event.encode_to_vec().into()
}

/// Reads what [`write`] writes; `None` if that is not what it is.
pub(super) fn read(data: Bytes) -> Option<Event> {
    let event = ChannelEvent::decode(data).ok()?;
    if event.version != VERSION {
        return None;
    }
    let (happening, membership) = match event.what? {
        channel_event::What::Join(it) => (Happening::Join, it),
        channel_event::What::Leave(it) => (Happening::Leave, it),
    };
    let back = (!event.returned_node.is_empty()).then_some(Back {
        node: event.returned_node,
        beat: event.returned_beat,
    });
    Some(Event {
        happening,
        client: ClientId::read(&membership.client)?,
        info: info_of(membership)?.1,
        back,
    })
}

/// Reads a membership: where, and who; `None` if it cannot be one. The channel is empty where the context says it.
pub(super) fn info_of(membership: Membership) -> Option<(Option<Channel>, ClientInfo)> {
    let channel = Channel::parse(&membership.channel).ok();
    let info = ClientInfo {
        user: membership.user,
        client: ClientId::read(&membership.client)?.to_string(),
        conn_info: membership.conn_info,
        chan_info: membership.chan_info,
    };
    Some((channel, info))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_they_were_told() {
        let client = ClientId([7; 16]);
        let info = ClientInfo {
            user: "u".to_owned(),
            client: client.to_string(),
            conn_info: Bytes::from_static(b"1"),
            chan_info: Bytes::from_static(b"2"),
        };
        let back = Back {
            node: "gw-1".to_owned(),
            beat: 7,
        };
        for (happening, back) in [
            (Happening::Join, None),
            (Happening::Join, Some(back)),
            (Happening::Leave, None),
        ] {
            let expected = Event {
                happening,
                client,
                info: info.clone(),
                back: back.clone(),
            };
            assert_eq!(read(write(happening, &info, back)), Some(expected));
        }
        for hostile in [&b""[..], b"\x08\x01", b"\x08\x02\x12\x00", b"\xff\xff"] {
            assert_eq!(read(Bytes::from_static(hostile)), None);
        }
    }
}
