//! Publications as NATS messages: the payload as it is, what else there is in two headers of one line of JSON.
//!
//! `Tide-Info` is `{"user":"…","client":"…","conn_info":"<base64>","chan_info":"<base64>"}`, `Tide-Tags` an object of
//! texts; each is absent when there is nothing to say. Members that we do not know are ignored, absent ones are empty.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::streams::milliseconds;
use crate::{ClientInfo, Epoch, Error, Place, Publication, TRACE_HEADER, TraceContext};

/// The longest `Tide-Info` header, in bytes.
pub const MAX_INFO_BYTES: usize = 64 * 1024;

/// The longest `Tide-Tags` header, in bytes.
pub const MAX_TAGS_BYTES: usize = 64 * 1024;

/// The longest `Tide-Version` header, in bytes.
const MAX_VERSION_BYTES: usize = 1024;

/// The longest id that is told apart.
const MAX_ID_BYTES: usize = 256;

/// What a stream calls the number of a message.
pub(super) const SEQUENCE: &str = "Nats-Sequence";

const MESSAGE_ID: &str = "Nats-Msg-Id";
const INFO: &str = "Tide-Info";
const TAGS: &str = "Tide-Tags";
const PUBLICATION_VERSION: &str = "Tide-Version";

/// Of what its stream does not have, in place of where it stands there.
const UNSTORED: &str = "Tide-Unstored";

/// Stores a message only if this is the number of the newest of its subject.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";

/// Every block of headers begins so; a status may follow.
pub(super) const VERSION: &[u8] = b"NATS/1.0";

#[derive(Serialize, Deserialize)]
struct InfoHeader {
    #[serde(default)]
    user: String,
    #[serde(default)]
    client: String,
    #[serde(default)]
    conn_info: String,
    #[serde(default)]
    chan_info: String,
}

/// Why a message is no publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("its headers are none")]
    Version,
    #[error("a header stands twice")]
    Repeated,
    #[error("a header is too long")]
    TooLong,
    #[error("a header is not the JSON that it should be")]
    Json,
    #[error("a payload in a header is not base64")]
    Base64,
    #[error("its stream does not say where it stands")]
    Place,
}

/// The block of headers of a publication; empty if it needs none.
///
/// # Errors
/// [`Error::TooLarge`] when no receiver would take them.
pub(super) fn encode(publication: &Publication) -> Result<Vec<u8>, Error> {
    let mut block = Vec::new();
    if let Some(info) = &publication.info {
        let header = InfoHeader {
            user: info.user.clone(),
            client: info.client.clone(),
            conn_info: BASE64.encode(&info.conn_info),
            chan_info: BASE64.encode(&info.chan_info),
        };
        push_line(&mut block, INFO, &header, MAX_INFO_BYTES)?;
    }
    if !publication.tags.is_empty() {
        push_line(&mut block, TAGS, &publication.tags, MAX_TAGS_BYTES)?;
    }
    if let Some(trace) = &publication.trace {
        begin_line(&mut block, TRACE_HEADER);
        block.extend_from_slice(trace.to_string().as_bytes());
        block.extend_from_slice(b"\r\n");
    }
    if publication.skips_history {
        begin_line(&mut block, UNSTORED);
        block.extend_from_slice(b"1\r\n");
    }
    if !block.is_empty() {
        block.extend_from_slice(b"\r\n");
    }
    Ok(block)
}

/// The block of headers of a publication to a stream, which remembers its id, and stores it only behind the offset that is
/// `expected` to be the channel's newest, if one is.
///
/// # Errors
/// [`Error::TooLarge`] when no receiver would take them, or the id is no text for a header.
pub(super) fn encode_kept(
    publication: &Publication,
    id: &str,
    expected: Option<u64>,
) -> Result<Vec<u8>, Error> {
    let mut block = encode(publication)?;
    block.truncate(block.len().saturating_sub(b"\r\n".len()));
    if let Some(version) = &publication.version {
        push_line(&mut block, PUBLICATION_VERSION, version, MAX_VERSION_BYTES)?;
    }
    if let Some(expected) = expected {
        begin_line(&mut block, EXPECTED);
        block.extend_from_slice(expected.to_string().as_bytes());
        block.extend_from_slice(b"\r\n");
    }
    begin_line(&mut block, MESSAGE_ID);
    // A line break in it would begin another header.
    let plain = id
        .bytes()
        .map(|byte| if byte.is_ascii_graphic() { byte } else { b'_' });
    block.extend(plain.take(MAX_ID_BYTES));
    block.extend_from_slice(b"\r\n\r\n");
    Ok(block)
}

/// The value of a header, as text; of several by that name the last, for a server puts its own behind a publisher's.
pub(super) fn header<'a>(block: &'a [u8], name: &str) -> Option<&'a str> {
    let mut lines = block.rsplit(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
        std::str::from_utf8(value.trim_ascii()).ok()
    })
}

/// The id in a block of headers that is given as base64; empty if there is none.
pub(super) fn message_id(block: &str) -> String {
    let block = BASE64.decode(block).unwrap_or_default();
    header(&block, MESSAGE_ID).unwrap_or_default().to_owned()
}

/// The publication that a message carries, by its block of headers and its payload.
///
/// The payload is copied, because a few bytes of it would otherwise keep a whole read buffer.
pub(super) fn decode(block: &[u8], payload: &[u8]) -> Result<Publication, Malformed> {
    let mut publication = Publication {
        data: Bytes::copy_from_slice(payload),
        ..Publication::default()
    };
    if block.is_empty() {
        return Ok(publication);
    }
    let mut lines = block.split(|byte| *byte == b'\n');
    if !lines.next().is_some_and(|line| line.starts_with(VERSION)) {
        return Err(Malformed::Version);
    }
    let mut tags = None;
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name == INFO.as_bytes() {
            let info = decode_info(bounded(value, MAX_INFO_BYTES)?)?;
            once(&mut publication.info, info)?;
        } else if name == TAGS.as_bytes() {
            let value = bounded(value, MAX_TAGS_BYTES)?;
            once(
                &mut tags,
                serde_json::from_slice(value).map_err(|_| Malformed::Json)?,
            )?;
        } else if name.eq_ignore_ascii_case(TRACE_HEADER.as_bytes()) {
            // Libraries of others write it in their own case. One that is wrong is none.
            publication.trace = TraceContext::parse(value);
        } else if name == PUBLICATION_VERSION.as_bytes() {
            let value = bounded(value, MAX_VERSION_BYTES)?;
            let version = serde_json::from_slice(value).map_err(|_| Malformed::Json)?;
            once(&mut publication.version, version)?;
        }
    }
    publication.tags = tags.unwrap_or_default();
    Ok(publication)
}

/// Whether these are the headers of a publication that no stream has.
pub(super) fn is_unstored(block: &[u8]) -> bool {
    header(block, UNSTORED).is_some() && header(block, SEQUENCE).is_none()
}

/// A publication of a kept channel, as its stream delivers it, with the one before it.
///
/// # Errors
/// [`Malformed::Place`] when it does not say where it stands.
pub(super) fn decode_delivered(
    block: &[u8],
    payload: &[u8],
    epoch: &Epoch,
) -> Result<Publication, Malformed> {
    let mut publication = decode_stored(block, payload, epoch)?;
    let previous = header(block, "Nats-Last-Sequence").and_then(|it| it.parse().ok());
    if let Some(place) = &mut publication.place {
        place.previous = Some(previous.ok_or(Malformed::Place)?);
    }
    Ok(publication)
}

/// A publication of a kept channel, as it is read. What is wrong with its metadata is no reason to leave it out, for it
/// stands in the stream: then it is its payload alone.
///
/// # Errors
/// [`Malformed::Place`] when it does not say where it stands.
pub(super) fn decode_stored(
    block: &[u8],
    payload: &[u8],
    epoch: &Epoch,
) -> Result<Publication, Malformed> {
    let place = Place {
        epoch: Epoch::clone(epoch),
        offset: header(block, SEQUENCE)
            .and_then(|it| it.parse().ok())
            .ok_or(Malformed::Place)?,
        previous: None,
        time: header(block, "Nats-Time-Stamp")
            .and_then(milliseconds)
            .ok_or(Malformed::Place)?,
    };
    let mut publication = decode(block, payload).unwrap_or_else(|_| Publication {
        data: Bytes::copy_from_slice(payload),
        ..Publication::default()
    });
    publication.place = Some(place);
    Ok(publication)
}

fn decode_info(line: &[u8]) -> Result<ClientInfo, Malformed> {
    let header: InfoHeader = serde_json::from_slice(line).map_err(|_| Malformed::Json)?;
    let payload = |text: &str| {
        BASE64
            .decode(text)
            .map(Bytes::from)
            .map_err(|_| Malformed::Base64)
    };
    Ok(ClientInfo {
        conn_info: payload(&header.conn_info)?,
        chan_info: payload(&header.chan_info)?,
        user: header.user,
        client: header.client,
    })
}

fn bounded(value: &[u8], limit: usize) -> Result<&[u8], Malformed> {
    match value.len() <= limit {
        true => Ok(value),
        false => Err(Malformed::TooLong),
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::Repeated),
    }
}

/// Begins a header, and the block if there is none yet.
fn begin_line(block: &mut Vec<u8>, name: &str) {
    if block.is_empty() {
        block.extend_from_slice(VERSION);
        block.extend_from_slice(b"\r\n");
    }
    block.extend_from_slice(name.as_bytes());
    block.extend_from_slice(b": ");
}

/// Adds one header. Its value is one line, because JSON escapes every line break inside a text.
fn push_line(
    block: &mut Vec<u8>,
    name: &str,
    value: &impl Serialize,
    limit: usize,
) -> Result<(), Error> {
    begin_line(block, name);
    let start = block.len();
    serde_json::to_writer(&mut *block, value).expect("texts and maps of texts are JSON");
    let size = block.len() - start;
    if size > limit {
        return Err(Error::TooLarge { size, limit });
    }
    block.extend_from_slice(b"\r\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn with(name: &str, values: &[&str]) -> Result<Publication, Malformed> {
        let lines = values.iter().map(|value| format!("{name}: {value}\r\n"));
        let block = format!("NATS/1.0\r\n{}\r\n", lines.collect::<String>());
        decode(block.as_bytes(), b"data")
    }

    #[test]
    fn metadata_comes_back() {
        let publication = Publication {
            data: Bytes::from_static(b"data"),
            info: Some(ClientInfo {
                user: "ann \"é\"\r\n\0".to_owned(),
                client: "c-1".to_owned(),
                conn_info: Bytes::from_static(b"\0\xff\r\n"),
                chan_info: Bytes::new(),
            }),
            tags: [("k\n".to_owned(), " v: \u{2028}".to_owned())].into(),
            trace: TraceContext::parse(TRACE),
            ..Publication::default()
        };
        let block = encode(&publication).unwrap();
        assert_eq!(decode(&block, b"data"), Ok(publication));
    }

    #[test]
    fn no_metadata_needs_no_headers() {
        let publication = Publication {
            data: Bytes::from_static(b"data"),
            ..Publication::default()
        };
        assert_eq!(encode(&publication), Ok(Vec::new()));
        assert_eq!(decode(b"", b"data"), Ok(publication.clone()));
        assert_eq!(with("Other", &["x", "y"]), Ok(publication));
    }

    #[test]
    fn a_trace_is_read_however_its_name_is_written_and_a_wrong_one_is_none() {
        let trace = TraceContext::parse(TRACE);
        let value = str::from_utf8(TRACE).unwrap();
        for (name, value, expected) in [
            (TRACE_HEADER, value, trace),
            ("Traceparent", value, trace),
            (TRACE_HEADER, "00-1-2-3", None),
        ] {
            assert_eq!(with(name, &[value]).unwrap().trace, expected, "{name}");
        }
    }

    #[test]
    fn malformed_headers_are_told_apart() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_TAGS_BYTES));
        let table: [(&str, &[&str], Malformed); 8] = [
            (INFO, &["{}", "{}"], Malformed::Repeated),
            (TAGS, &[&long], Malformed::TooLong),
            (INFO, &[""], Malformed::Json),
            (INFO, &["[1"], Malformed::Json),
            (INFO, &["{\"user\":7}"], Malformed::Json),
            (TAGS, &["{\"a\":1}"], Malformed::Json),
            (TAGS, &["null"], Malformed::Json),
            (INFO, &["{\"conn_info\":\"!\"}"], Malformed::Base64),
        ];
        for (name, values, malformed) in table {
            assert_eq!(with(name, values), Err(malformed), "{name}");
        }
    }

    #[test]
    fn blocks_that_are_no_headers_harm_nobody() {
        let nothing_in = Ok(Publication {
            data: Bytes::from_static(b"data"),
            ..Publication::default()
        });
        let table: [(&[u8], Result<Publication, Malformed>); 8] = [
            (b"HTTP/1.1\r\n\r\n", Err(Malformed::Version)),
            (b"x", Err(Malformed::Version)),
            (b"NATS/1.0\r\nTide-Info: a\rb\r\n\r\n", Err(Malformed::Json)),
            (b"NATS/1.0\r\nTide-Tags:\xff\r\n\r\n", Err(Malformed::Json)),
            (b"NATS/1.0\r\nTide-Tags", nothing_in.clone()),
            (b"NATS/1.0 503\r\n\r\n", nothing_in.clone()),
            (b"NATS/1.0\r\nBad Name: x\r\n: \r\n\r\n", nothing_in.clone()),
            (b"NATS/1.0\r\n\xff\xfe: x\r\n\r\n", nothing_in),
        ];
        for (block, outcome) in table {
            assert_eq!(decode(block, b"data"), outcome, "{}", block.escape_ascii());
        }
    }

    #[test]
    fn what_no_receiver_takes_is_not_sent() {
        let tags = [("a".to_owned(), "x".repeat(MAX_TAGS_BYTES))].into();
        let publication = Publication {
            tags,
            ..Publication::default()
        };
        assert!(matches!(
            encode(&publication),
            Err(Error::TooLarge {
                limit: MAX_TAGS_BYTES,
                ..
            })
        ));
    }
    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_block_panics(parts in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![
                "NATS/1.0", "\r\n", "Tide-Info", "Tide-Tags", ":", "{", "}", "\"a\"", "\"conn_info\"", ",", "\\u",
            ]).prop_map(|text| text.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..3),
        ], 0..16)) {
            let _outcome = decode(&parts.concat(), b"data");
        }
    }
}
