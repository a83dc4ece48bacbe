//! Publications as NATS messages: the payload as it is, what else there is in two headers of one line of JSON.
//!
//! `Tide-Info` is `{"user":"…","client":"…","conn_info":"<base64>","chan_info":"<base64>"}`, `Tide-Tags` an object of
//! texts; each is absent when there is nothing to say. Members that we do not know are ignored, absent ones are empty.

use std::collections::BTreeMap;

use async_nats::{HeaderMap, HeaderValue, Message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{ClientInfo, Error, Publication};

/// The longest `Tide-Info` header, in bytes.
pub const MAX_INFO_BYTES: usize = 64 * 1024;

/// The longest `Tide-Tags` header, in bytes.
pub const MAX_TAGS_BYTES: usize = 64 * 1024;

const INFO: &str = "Tide-Info";
const TAGS: &str = "Tide-Tags";

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
    #[error("a header stands twice")]
    Repeated,
    #[error("a header is too long")]
    TooLong,
    #[error("a header is not the JSON that it should be")]
    Json,
    #[error("a payload in a header is not base64")]
    Base64,
}

/// The headers of a publication, if it needs any.
///
/// # Errors
/// [`Error::TooLarge`] when no receiver would take them.
pub(super) fn encode(publication: &Publication) -> Result<Option<HeaderMap>, Error> {
    let mut headers = HeaderMap::new();
    if let Some(info) = &publication.info {
        let header = InfoHeader {
            user: info.user.clone(),
            client: info.client.clone(),
            conn_info: BASE64.encode(&info.conn_info),
            chan_info: BASE64.encode(&info.chan_info),
        };
        headers.insert(INFO, json_line(&header, MAX_INFO_BYTES)?);
    }
    if !publication.tags.is_empty() {
        headers.insert(TAGS, json_line(&publication.tags, MAX_TAGS_BYTES)?);
    }
    Ok(Some(headers).filter(|headers| !headers.is_empty()))
}

/// The bytes that a message takes of the server's `max_payload`.
pub(super) fn wire_size(headers: Option<&HeaderMap>, payload: &Bytes) -> usize {
    let line =
        |(name, value): (&str, &HeaderValue)| name.len() + value.as_str().len() + ": \r\n".len();
    let block = |headers: &HeaderMap| {
        let lines = headers
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (name.as_ref(), value)));
        "NATS/1.0\r\n\r\n".len() + lines.map(line).sum::<usize>()
    };
    headers.map_or(0, block) + payload.len()
}

/// The publication that a message carries.
pub(super) fn decode(message: Message) -> Result<Publication, Malformed> {
    let Some(headers) = message.headers else {
        return Ok(Publication {
            data: message.payload,
            ..Publication::default()
        });
    };
    let info = header(&headers, INFO, MAX_INFO_BYTES)?
        .map(decode_info)
        .transpose()?;
    let tags: BTreeMap<_, _> = match header(&headers, TAGS, MAX_TAGS_BYTES)? {
        Some(line) => serde_json::from_str(line).map_err(|_| Malformed::Json)?,
        None => BTreeMap::new(),
    };
    Ok(Publication {
        data: message.payload,
        info,
        tags,
    })
}

fn decode_info(line: &str) -> Result<ClientInfo, Malformed> {
    let header: InfoHeader = serde_json::from_str(line).map_err(|_| Malformed::Json)?;
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

fn header<'a>(
    headers: &'a HeaderMap,
    name: &str,
    limit: usize,
) -> Result<Option<&'a str>, Malformed> {
    let mut values = headers.get_all(name);
    let value = values.next().map(HeaderValue::as_str);
    match value {
        _ if values.next().is_some() => Err(Malformed::Repeated),
        Some(value) if value.len() > limit => Err(Malformed::TooLong),
        value => Ok(value),
    }
}

/// One line, because JSON escapes every line break inside a text.
fn json_line(value: &impl Serialize, limit: usize) -> Result<HeaderValue, Error> {
    let line = serde_json::to_string(value).expect("texts and maps of texts are JSON");
    if line.len() > limit {
        return Err(Error::TooLarge {
            size: line.len(),
            limit,
        });
    }
    Ok(line.parse().expect("JSON of one line has no line break"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: Option<HeaderMap>) -> Message {
        Message {
            subject: "tide.pub._.a".into(),
            reply: None,
            payload: Bytes::from_static(b"data"),
            headers,
            status: None,
            description: None,
            length: 0,
        }
    }

    fn with(name: &str, values: &[&str]) -> Message {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, *value);
        }
        message(Some(headers))
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
        };
        let headers = encode(&publication).unwrap();
        assert_eq!(decode(message(headers)), Ok(publication));
    }

    #[test]
    fn no_metadata_needs_no_headers() {
        let publication = Publication {
            data: Bytes::from_static(b"data"),
            ..Publication::default()
        };
        assert_eq!(encode(&publication), Ok(None));
        assert_eq!(decode(message(None)), Ok(publication.clone()));
        assert_eq!(decode(with("Other", &["x"])), Ok(publication));
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
            assert_eq!(decode(with(name, values)), Err(malformed), "{name}");
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
}
