//! Answers of gRPC's methods, each with the fields that it knows.

use bytes::Bytes;
use tidegate_backbone::Version;
use tidegate_proto::proxy as wire;

use super::super::answer::{Answer, Grant, Unanswered};
use super::super::json::{ErrorFields, decoded, disconnect, expiry, failure};
use crate::auth::{Override, SubscriptionOptions};

type Answered = Result<Answer, Unanswered>;

/// Reads one response: its disconnect, else its error, else what `grant` makes of its result.
macro_rules! answer {
    ($response:ident, $grant:expr) => {
        match ($response.disconnect, $response.error, $response.result) {
            (Some(it), _, _) => Ok(Answer::Disconnect(disconnect(it.code, &it.reason))),
            (None, Some(it), _) => Ok(Answer::Refused(failure(ErrorFields {
                code: it.code,
                message: it.message,
                temporary: it.temporary,
            }))),
            (None, None, Some(result)) => Ok(Answer::Granted(Box::new($grant(result)?))),
            (None, None, None) => Ok(Answer::Nothing),
        }
    };
}

pub(super) fn connect(response: wire::ConnectResponse) -> Answered {
    answer!(response, |it: wire::ConnectResult| {
        let channels = it.channels.into_iter();
        let mut subs: std::collections::BTreeMap<_, _> = channels
            .map(|channel| (channel, SubscriptionOptions::default()))
            .collect();
        for (channel, options) in it.subs {
            subs.insert(channel, subscription(options)?);
        }
        Ok(Grant {
            user: it.user,
            expiry: expiry(it.expire_at),
            info: payload(it.info, &it.b64info)?,
            data: payload(it.data, &it.b64data)?,
            subs,
            meta: filled(it.meta),
            ..Grant::default()
        })
    })
}

pub(super) fn refresh(response: wire::RefreshResponse) -> Answered {
    answer!(response, |it: wire::RefreshResult| {
        Ok(Grant {
            is_expired: it.expired,
            expiry: expiry(it.expire_at),
            info: payload(it.info, &it.b64info)?,
            meta: filled(it.meta),
            ..Grant::default()
        })
    })
}

pub(super) fn subscribe(response: wire::SubscribeResponse) -> Answered {
    answer!(response, |it: wire::SubscribeResult| {
        Ok(Grant {
            expiry: expiry(it.expire_at),
            info: payload(it.info, &it.b64info)?,
            data: payload(it.data, &it.b64data)?,
            overrides: overrides(it.r#override),
            ..Grant::default()
        })
    })
}

pub(super) fn sub_refresh(response: wire::SubRefreshResponse) -> Answered {
    answer!(response, |it: wire::SubRefreshResult| {
        Ok(Grant {
            is_expired: it.expired,
            expiry: expiry(it.expire_at),
            info: payload(it.info, &it.b64info)?,
            ..Grant::default()
        })
    })
}

pub(super) fn publish(response: wire::PublishResponse) -> Answered {
    answer!(response, |it: wire::PublishResult| {
        Ok(Grant {
            data: payload(it.data, &it.b64data)?,
            tags: it.tags,
            id: it.idempotency_key,
            version: Version::given(it.version, it.version_epoch),
            skips_history: it.skip_history,
            ..Grant::default()
        })
    })
}

pub(super) fn rpc(response: wire::RpcResponse) -> Answered {
    answer!(response, |it: wire::RpcResult| {
        Ok(Grant {
            data: payload(it.data, &it.b64data)?,
            ..Grant::default()
        })
    })
}

fn subscription(options: wire::SubscribeOptions) -> Result<SubscriptionOptions, Unanswered> {
    Ok(SubscriptionOptions {
        info: payload(options.info, &options.b64info)?.unwrap_or_default(),
        data: payload(options.data, &options.b64data)?.unwrap_or_default(),
        overrides: overrides(options.r#override),
        expiry: expiry(options.expire_at),
    })
}

fn overrides(overrides: Option<wire::SubscribeOptionOverride>) -> Override {
    let overrides = overrides.unwrap_or_default();
    let value = |flag: Option<wire::BoolValue>| flag.map(|flag| flag.value);
    Override {
        presence: value(overrides.presence),
        join_leave: value(overrides.join_leave),
        force_push_join_leave: value(overrides.force_push_join_leave),
        force_positioning: value(overrides.force_positioning),
        force_recovery: value(overrides.force_recovery),
    }
}

fn payload(plain: Bytes, base64: &str) -> Result<Option<Bytes>, Unanswered> {
    match base64 {
        "" => Ok(filled(plain)),
        encoded => decoded(encoded).map(Some),
    }
}

fn filled(bytes: Bytes) -> Option<Bytes> {
    (!bytes.is_empty()).then_some(bytes)
}
