//! Verified JSON claims to what they grant. Knows neither keys nor the time.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;
use tidegate_codec::single_line_json;

use super::fields::{Fields, wrong};
use super::{
    ConnectionClaims, Expiry, Override, SubscriptionClaims, SubscriptionOptions, TokenError,
    TokenId,
};

/// Reads a connection token's claims; `user_claim` is empty for `sub`.
pub(super) fn connection(
    claims: &Fields<'_>,
    user_claim: &str,
) -> Result<ConnectionClaims, TokenError> {
    if claims.has("channel") {
        return Err(TokenError::invalid("it is a subscription token"));
    }
    Ok(ConnectionClaims {
        user: user(claims, user_claim)?,
        expiry: expiry(claims)?,
        info: payload(claims, "info", "b64info")?,
        subs: subscriptions(claims)?,
        token: Some(token_id(claims)),
    })
}

/// Reads a subscription token's claims; `user_claim` is empty for `sub`.
pub(super) fn subscription(
    claims: &Fields<'_>,
    user_claim: &str,
) -> Result<SubscriptionClaims, TokenError> {
    let channel = claims.text("channel")?.unwrap_or_default();
    if channel.is_empty() {
        return Err(TokenError::invalid("it names no channel"));
    }
    Ok(SubscriptionClaims {
        user: user(claims, user_claim)?,
        channel,
        client: claims.text("client")?.unwrap_or_default(),
        expiry: expiry(claims)?,
        options: options(claims)?,
        token: token_id(claims),
    })
}

/// Claims that are of no use here are no fault of a token's.
fn token_id(claims: &Fields<'_>) -> TokenId {
    let id = claims.text("jti").ok().flatten();
    TokenId {
        id: id.map(String::into_boxed_str),
        issued_at: claims.seconds("iat", f64::floor).ok().flatten(),
    }
}

/// An absent `sub` is an anonymous user, as an empty one is. A claim that was configured must be there: were its name
/// misspelled, every user would become the same anonymous one.
fn user(claims: &Fields<'_>, user_claim: &str) -> Result<String, TokenError> {
    let name = if user_claim.is_empty() {
        "sub"
    } else {
        user_claim
    };
    match claims.text(name)? {
        Some(user) => Ok(user),
        None if user_claim.is_empty() && !claims.has(name) => Ok(String::new()),
        None => Err(wrong(name, "text")),
    }
}

/// `expire_at` before `exp`; it may lie in the past, which is for the caller to judge.
fn expiry(claims: &Fields<'_>) -> Result<Expiry, TokenError> {
    let exp = claims.seconds("exp", f64::floor)?;
    Ok(match claims.seconds("expire_at", only_whole)? {
        Some(0) => Expiry::Never,
        Some(at) => Expiry::At(at),
        None => exp.map_or(Expiry::Never, Expiry::At),
    })
}

/// Zero means "never", so nothing may be rounded to it.
fn only_whole(seconds: f64) -> f64 {
    if seconds.fract() == 0.0 {
        seconds
    } else {
        f64::NAN
    }
}

/// `subs` over `channels`: naming a channel in both keeps what `subs` says of it.
fn subscriptions(claims: &Fields<'_>) -> Result<BTreeMap<String, SubscriptionOptions>, TokenError> {
    let channels: Option<Vec<String>> = claims.get("channels", "a list of texts")?;
    let mut merged: BTreeMap<_, _> = channels
        .into_iter()
        .flatten()
        .map(|channel| (channel, SubscriptionOptions::default()))
        .collect();
    if let Some(subs) = claims.object("subs")? {
        for channel in subs.names() {
            let entry = subs
                .object(channel)
                .map_err(|_| wrong("subs", "an object of objects"))?;
            let options =
                entry.map_or_else(|| Ok(SubscriptionOptions::default()), |it| options(&it))?;
            merged.insert(channel.to_owned(), options);
        }
    }
    Ok(merged)
}

/// Of one entry of `subs`, or of a subscription token.
fn options(fields: &Fields<'_>) -> Result<SubscriptionOptions, TokenError> {
    Ok(SubscriptionOptions {
        info: payload(fields, "info", "b64info")?,
        data: payload(fields, "data", "b64data")?,
        overrides: match fields.object("override")? {
            Some(changes) => overrides(&changes)?,
            None => Override::default(),
        },
        expiry: Expiry::Never,
    })
}

fn overrides(changes: &Fields<'_>) -> Result<Override, TokenError> {
    // `{}` is false: encoders of Protobuf messages leave out a value that is false.
    let value = |name| match changes.object(name)? {
        Some(change) => Ok(Some(change.get("value", "a bool")?.unwrap_or(false))),
        None => Ok(None),
    };
    Ok(Override {
        presence: value("presence")?,
        join_leave: value("join_leave")?,
        force_push_join_leave: value("force_push_join_leave")?,
        force_positioning: value("force_positioning")?,
        force_recovery: value("force_recovery")?,
    })
}

/// The base64 form wins over the JSON form, as it does in Centrifugo.
fn payload(fields: &Fields<'_>, json: &str, base64: &str) -> Result<Bytes, TokenError> {
    let encoded = fields.text(base64)?.unwrap_or_default();
    if !encoded.is_empty() {
        let decoded = STANDARD
            .decode(encoded)
            .map_err(|_| wrong(base64, "base64"))?;
        return Ok(decoded.into());
    }
    let Some(value) = fields.get::<&RawValue>(json, "JSON")? else {
        return Ok(Bytes::new());
    };
    let value = Bytes::copy_from_slice(value.get().as_bytes());
    single_line_json(&value).ok_or_else(|| wrong(json, "JSON"))
}
