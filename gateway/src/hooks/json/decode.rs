//! Answers as they came.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;
use tidegate_backbone::Version;
use tidegate_codec::{Disconnect, DisconnectCode, ErrorCode, Failure, single_line_json};

use crate::auth::{Expiry, Override, SubscriptionOptions};
use crate::hooks::answer::{Answer, Grant, Unanswered};

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    result: Option<Fields<'a>>,
    error: Option<ErrorFields>,
    disconnect: Option<DisconnectFields>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::hooks) struct ErrorFields {
    pub(in crate::hooks) code: u32,
    pub(in crate::hooks) message: String,
    pub(in crate::hooks) temporary: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::hooks) struct DisconnectFields {
    pub(in crate::hooks) code: u32,
    pub(in crate::hooks) reason: String,
}

/// Results of all events, each of which knows some of these fields.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields<'a> {
    user: Option<String>,
    expired: Option<bool>,
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
    channels: Option<Vec<String>>,
    #[serde(borrow)]
    subs: Option<BTreeMap<String, Option<Options<'a>>>>,
    expire_at: Option<i64>,
    #[serde(borrow)]
    info: Option<&'a RawValue>,
    b64info: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    b64data: Option<String>,
    r#override: Option<Overrides>,
    skip_history: Option<bool>,
    tags: Option<BTreeMap<String, String>>,
    idempotency_key: Option<String>,
    version: Option<u64>,
    version_epoch: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Options<'a> {
    expire_at: Option<i64>,
    #[serde(borrow)]
    info: Option<&'a RawValue>,
    b64info: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    b64data: Option<String>,
    r#override: Option<Overrides>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Overrides {
    presence: Option<Flag>,
    join_leave: Option<Flag>,
    force_push_join_leave: Option<Flag>,
    force_positioning: Option<Flag>,
    force_recovery: Option<Flag>,
}

/// `{}` is false: encoders of Protobuf messages leave out a value that is false.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Flag {
    value: bool,
}

/// An answer as it came.
///
/// # Errors
/// [`Unanswered::Malformed`].
pub(in crate::hooks) fn decode(body: &[u8]) -> Result<Answer, Unanswered> {
    let reply: Reply<'_> = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    if let Some(DisconnectFields { code, reason }) = reply.disconnect {
        return Ok(Answer::Disconnect(disconnect(code, &reason)));
    }
    if let Some(error) = reply.error {
        return Ok(Answer::Refused(failure(error)));
    }
    match reply.result {
        Some(fields) => Ok(Answer::Granted(Box::new(grant(fields)?))),
        None => Ok(Answer::Nothing),
    }
}

/// Tells where an answer goes wrong, and nothing of what stands there: that is not for the log.
fn malformed(error: &serde_json::Error) -> Unanswered {
    let kind = match error.classify() {
        Category::Data => "another form is expected",
        Category::Syntax | Category::Eof | Category::Io => "it is not JSON",
    };
    let (line, column) = (error.line(), error.column());
    Unanswered::Malformed(format!("{kind}, at line {line} column {column}"))
}

/// A code that a close frame cannot carry ends the connection all the same.
pub(in crate::hooks) fn disconnect(code: u32, reason: &str) -> Disconnect {
    Disconnect::shortened(code, reason)
        .unwrap_or_else(|| DisconnectCode::InternalServerError.into())
}

/// An error without a code would be none.
pub(in crate::hooks) fn failure(error: ErrorFields) -> Failure {
    let ErrorFields {
        code,
        message,
        temporary,
    } = error;
    if code == 0 {
        return ErrorCode::Internal.into();
    }
    Failure {
        code,
        message,
        temporary,
    }
}

fn grant(fields: Fields<'_>) -> Result<Grant, Unanswered> {
    let channels = fields.channels.unwrap_or_default().into_iter();
    let mut subs: BTreeMap<_, _> = channels
        .map(|channel| (channel, SubscriptionOptions::default()))
        .collect();
    for (channel, options) in fields.subs.unwrap_or_default() {
        subs.insert(channel, subscription(&options.unwrap_or_default())?);
    }
    Ok(Grant {
        user: fields.user.unwrap_or_default(),
        expiry: expiry(fields.expire_at.unwrap_or_default()),
        is_expired: fields.expired.unwrap_or_default(),
        info: payload(fields.info, fields.b64info.as_deref())?,
        data: payload(fields.data, fields.b64data.as_deref())?,
        subs,
        overrides: overrides(fields.r#override.as_ref()),
        meta: fields.meta.map(one_line),
        tags: fields.tags.unwrap_or_default(),
        id: fields.idempotency_key.unwrap_or_default(),
        version: Version::given(
            fields.version.unwrap_or_default(),
            fields.version_epoch.unwrap_or_default(),
        ),
        skips_history: fields.skip_history.unwrap_or_default(),
    })
}

/// Zero is never.
pub(in crate::hooks) const fn expiry(at: i64) -> Expiry {
    match at {
        0 => Expiry::Never,
        at => Expiry::At(at),
    }
}

fn subscription(options: &Options<'_>) -> Result<SubscriptionOptions, Unanswered> {
    let info = payload(options.info, options.b64info.as_deref())?;
    let data = payload(options.data, options.b64data.as_deref())?;
    Ok(SubscriptionOptions {
        info: info.unwrap_or_default(),
        data: data.unwrap_or_default(),
        overrides: overrides(options.r#override.as_ref()),
        expiry: expiry(options.expire_at.unwrap_or_default()),
    })
}

fn overrides(overrides: Option<&Overrides>) -> Override {
    let Some(overrides) = overrides else {
        return Override::default();
    };
    let value = |flag: &Option<Flag>| flag.as_ref().map(|flag| flag.value);
    Override {
        presence: value(&overrides.presence),
        join_leave: value(&overrides.join_leave),
        force_push_join_leave: value(&overrides.force_push_join_leave),
        force_positioning: value(&overrides.force_positioning),
        force_recovery: value(&overrides.force_recovery),
    }
}

/// The base64 form wins over the JSON form, as it does in tokens.
fn payload(json: Option<&RawValue>, base64: Option<&str>) -> Result<Option<Bytes>, Unanswered> {
    match base64.filter(|it| !it.is_empty()) {
        Some(encoded) => decoded(encoded).map(Some),
        None => Ok(json.map(one_line)),
    }
}

pub(in crate::hooks) fn decoded(encoded: &str) -> Result<Bytes, Unanswered> {
    let decoded = STANDARD.decode(encoded);
    decoded
        .map(Bytes::from)
        .map_err(|_| Unanswered::Malformed("base64 expected".to_owned()))
}

fn one_line(value: &RawValue) -> Bytes {
    let bytes = Bytes::copy_from_slice(value.get().as_bytes());
    single_line_json(&bytes).expect("a raw value is JSON")
}
