//! Rows of a log as bytes: their keys, whose order is that of what they name, and their values.

use bytes::{BufMut, Bytes, BytesMut};

use crate::embedded::tables::Failure;
use crate::{Channel, ClientInfo, Publication, TraceContext, Version};

/// The flag of a row with the connection that published.
const INFO: u8 = 1;

/// The flag of a row with a version.
const VERSION: u8 = 2;

/// The flag of a row with the span that published.
const TRACE: u8 = 4;

/// The key of a channel's publication.
pub(super) fn publication_key(channel: &Channel, offset: u64) -> Vec<u8> {
    numbered(channel.as_str(), offset)
}

/// The key of what a namespace stored at an offset; channels without a namespace have the empty one.
pub(super) fn namespace_key(namespace: &str, offset: u64) -> Vec<u8> {
    numbered(namespace, offset)
}

/// A length goes first, so that no name's rows are among another's.
fn numbered(name: &str, offset: u64) -> Vec<u8> {
    let length = u8::try_from(name.len()).expect("a channel's name is at most 255 bytes");
    [&[length], name.as_bytes(), &offset.to_be_bytes()].concat()
}

/// The offset at the end of a key.
pub(super) fn offset_of(key: &[u8]) -> Result<u64, Failure> {
    let offset = key.last_chunk().map(|it| u64::from_be_bytes(*it));
    offset.ok_or_else(|| unreadable("a key"))
}

/// Numbers one after the other.
pub(super) fn numbers<const N: usize>(numbers: [u64; N]) -> Bytes {
    numbers.map(u64::to_be_bytes).concat().into()
}

/// What [`numbers`] made.
pub(super) fn parse_numbers<const N: usize>(value: &[u8]) -> Result<[u64; N], Failure> {
    let (chunks, rest) = value.as_chunks::<8>();
    let numbers: Result<[[u8; 8]; N], _> = chunks.try_into();
    match numbers {
        Ok(numbers) if rest.is_empty() => Ok(numbers.map(u64::from_be_bytes)),
        _ => Err(unreadable("a row of numbers")),
    }
}

/// A time, and a text that belongs to it.
pub(super) fn timed(time: u64, text: &str) -> Bytes {
    [&time.to_be_bytes(), text.as_bytes()].concat().into()
}

/// What [`timed`] made.
pub(super) fn parse_timed(value: &[u8]) -> Result<(u64, String), Failure> {
    let (time, text) = value
        .split_first_chunk()
        .ok_or_else(|| unreadable("a time"))?;
    let text = std::str::from_utf8(text).map_err(|_| unreadable("a text"))?;
    Ok((u64::from_be_bytes(*time), text.to_owned()))
}

/// A publication and when it was stored.
pub(super) fn encode(time: u64, publication: &Publication) -> Bytes {
    let mut row = BytesMut::with_capacity(publication.data.len() + 16);
    row.put_u64(time);
    let has = |part: bool, flag: u8| if part { flag } else { 0 };
    row.put_u8(
        has(publication.info.is_some(), INFO)
            | has(publication.version.is_some(), VERSION)
            | has(publication.trace.is_some(), TRACE),
    );
    if let Some(info) = &publication.info {
        for text in [&info.user, &info.client] {
            put(&mut row, text.as_bytes());
        }
        put(&mut row, &info.conn_info);
        put(&mut row, &info.chan_info);
    }
    if let Some(version) = &publication.version {
        row.put_u64(version.number);
        put(&mut row, version.epoch.as_bytes());
    }
    if let Some(trace) = &publication.trace {
        row.put_slice(&trace.trace_id);
        row.put_slice(&trace.span_id);
        row.put_u8(trace.is_sampled.into());
    }
    let tags = u32::try_from(publication.tags.len()).expect("a publication has few tags");
    row.put_u32(tags);
    for (name, value) in &publication.tags {
        put(&mut row, name.as_bytes());
        put(&mut row, value.as_bytes());
    }
    row.put_slice(&publication.data);
    row.freeze()
}

fn put(row: &mut BytesMut, part: &[u8]) {
    row.put_u32(u32::try_from(part.len()).expect("a part of a publication is no 4 GiB"));
    row.put_slice(part);
}

/// What [`encode`] made, but for its place and id.
pub(super) fn decode(row: Bytes) -> Result<(u64, Publication), Failure> {
    parse(row).ok_or_else(|| unreadable("a publication"))
}

fn parse(mut row: Bytes) -> Option<(u64, Publication)> {
    let time = u64::from_be_bytes(*split(&mut row, 8)?.first_chunk()?);
    let parts = split(&mut row, 1)?[0];
    if parts & !(INFO | VERSION | TRACE) != 0 {
        return None;
    }
    let info = match parts & INFO {
        0 => None,
        _ => Some(ClientInfo {
            user: text(&mut row)?,
            client: text(&mut row)?,
            conn_info: part(&mut row)?,
            chan_info: part(&mut row)?,
        }),
    };
    let version = match parts & VERSION {
        0 => None,
        _ => Some(Version {
            number: u64::from_be_bytes(*split(&mut row, 8)?.first_chunk()?),
            epoch: text(&mut row)?,
        }),
    };
    let trace = match parts & TRACE {
        0 => None,
        _ => Some(TraceContext {
            trace_id: *split(&mut row, 16)?.first_chunk()?,
            span_id: *split(&mut row, 8)?.first_chunk()?,
            is_sampled: split(&mut row, 1)?[0] != 0,
        }),
    };
    let mut tags = std::collections::BTreeMap::new();
    for _ in 0..length(&mut row)? {
        tags.insert(text(&mut row)?, text(&mut row)?);
    }
    let publication = Publication {
        data: row,
        info,
        version,
        trace,
        tags,
        ..Publication::default()
    };
    Some((time, publication))
}

fn split(row: &mut Bytes, length: usize) -> Option<Bytes> {
    (row.len() >= length).then(|| row.split_to(length))
}

fn length(row: &mut Bytes) -> Option<usize> {
    let length = u32::from_be_bytes(*split(row, 4)?.first_chunk()?);
    usize::try_from(length).ok()
}

fn part(row: &mut Bytes) -> Option<Bytes> {
    let length = length(row)?;
    split(row, length)
}

fn text(row: &mut Bytes) -> Option<String> {
    String::from_utf8(part(row)?.to_vec()).ok()
}

fn unreadable(what: &str) -> Failure {
    Failure(format!("{what} is damaged"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn publications() -> impl Strategy<Value = Publication> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
        let info = (any::<String>(), any::<String>(), bytes(), bytes()).prop_map(
            |(user, client, conn_info, chan_info)| ClientInfo {
                user,
                client,
                conn_info,
                chan_info,
            },
        );
        let tags = prop::collection::btree_map(any::<String>(), any::<String>(), 0..4);
        let version =
            (any::<u64>(), any::<String>()).prop_map(|(number, epoch)| Version { number, epoch });
        let trace = (any::<[u8; 16]>(), any::<[u8; 8]>(), any::<bool>()).prop_map(
            |(trace_id, span_id, is_sampled)| TraceContext {
                trace_id,
                span_id,
                is_sampled,
            },
        );
        let options = (
            prop::option::of(info),
            prop::option::of(version),
            prop::option::of(trace),
        );
        (bytes(), options, tags).prop_map(|(data, (info, version, trace), tags)| Publication {
            data,
            info,
            version,
            trace,
            tags,
            ..Publication::default()
        })
    }

    proptest! {
        #[test]
        fn publications_come_back(time: u64, publication in publications()) {
            prop_assert_eq!(decode(encode(time, &publication)), Ok((time, publication)));
        }

        #[test]
        fn no_bytes_panic(row: Vec<u8>) {
            let _ = decode(row.clone().into());
            let _ = parse_timed(&row);
            let _ = parse_numbers::<3>(&row);
            let _ = offset_of(&row);
        }

        #[test]
        fn keys_are_in_the_order_of_offsets_and_of_one_name_only(one: u64, other: u64, a in "[a-z:]{1,9}", b in "[a-z:]{1,9}") {
            let key = |name: &str, offset| namespace_key(name, offset);
            prop_assert_eq!(one.cmp(&other), key(&a, one).cmp(&key(&a, other)));
            prop_assert_eq!(offset_of(&key(&a, one)), Ok(one));
            let between = key(&a, 0) <= key(&b, one) && key(&b, one) <= key(&a, u64::MAX);
            prop_assert_eq!(between, a == b);
        }
    }

    #[test]
    fn rows_of_before_there_were_versions_are_read() {
        let plain = Publication {
            data: b"data".as_slice().into(),
            ..Publication::default()
        };
        let by_client = Publication {
            info: Some(ClientInfo {
                user: "u".to_owned(),
                client: "c".to_owned(),
                conn_info: b"{}".as_slice().into(),
                chan_info: Bytes::new(),
            }),
            tags: [("t".to_owned(), "v".to_owned())].into(),
            ..plain.clone()
        };
        // What said whether there is a connection that published is the flag of it now.
        let rows: [(&[u8], Publication); 2] = [
            (b"\0\0\0\0\0\0\0\x07\0\0\0\0\0data", plain),
            (
                b"\0\0\0\0\0\0\0\x07\x01\0\0\0\x01u\0\0\0\x01c\0\0\0\x02{}\0\0\0\0\
                \0\0\0\x01\0\0\0\x01t\0\0\0\x01vdata",
                by_client,
            ),
        ];
        for (row, publication) in rows {
            assert_eq!(decode(row.into()), Ok((7, publication)));
        }
    }

    #[test]
    fn numbers_come_back() {
        assert_eq!(
            parse_numbers(&numbers([1, u64::MAX, 0])),
            Ok([1, u64::MAX, 0])
        );
        assert!(parse_numbers::<2>(&numbers([1, 2, 3])).is_err());
    }
}
