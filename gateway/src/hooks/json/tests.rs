//! Payloads as Centrifugo's documentation shows them.

use bytes::Bytes;
use serde_json::{Value, json};
use tidegate_backbone::Version;
use tidegate_codec::{Disconnect, DisconnectCode, ErrorCode, Failure, Format};

use super::super::answer::{Answer, Grant, Unanswered};
use super::super::notices::Stamp;
use super::super::question::{
    Caller, ChannelState, Event, Question, Subject, TargetId, Transition, Via,
};
use super::*;
use crate::auth::{Expiry, SubscriptionOptions};

const VIA: Via<'static> = Via {
    transport: "websocket",
    format: Format::Json,
};

const PLAIN: Style = Style {
    is_binary: false,
    has_meta: false,
};

fn question(subject: Subject) -> Question {
    Question {
        target: TargetId::Default(Event::Rpc),
        caller: Caller {
            client: "c".into(),
            user: "56".into(),
            meta: Bytes::from_static(b"{\"m\":1}"),
            headers: None,
        },
        subject,
    }
}

fn sent(subject: Subject, style: Style) -> Value {
    let bytes = encode(&question(subject), VIA, style, None).unwrap();
    let mut value: Value = serde_json::from_slice(&bytes).unwrap();
    let fields = value.as_object_mut().unwrap();
    let fixed = ["client", "transport", "protocol"].map(|name| fields.remove(name).unwrap());
    assert_eq!(fixed, [json!("c"), json!("websocket"), json!("json")]);
    value
}

#[test]
fn questions_have_the_fields_that_backends_know() {
    let data = Bytes::from_static(b"{ \"a\": 1 }");
    let channel = || "chat:index".to_owned();
    for (subject, expected) in [
        (
            Subject::Connect {
                data: data.clone(),
                name: "js".into(),
                version: String::new(),
                channels: vec!["news".into()],
            },
            json!({"encoding": "json", "data": {"a": 1}, "name": "js", "channels": ["news"]}),
        ),
        (Subject::Refresh, json!({"encoding": "json", "user": "56"})),
        (
            Subject::Subscribe {
                channel: channel(),
                data: Bytes::new(),
            },
            json!({"encoding": "json", "user": "56", "channel": "chat:index"}),
        ),
        (
            Subject::Publish {
                channel: channel(),
                data: data.clone(),
            },
            json!({"encoding": "json", "user": "56", "channel": "chat:index", "data": {"a": 1}}),
        ),
        (
            Subject::Rpc {
                method: "m".into(),
                data: data.clone(),
            },
            json!({"encoding": "json", "user": "56", "method": "m", "data": {"a": 1}}),
        ),
        (
            Subject::Unsubscribe {
                channel: channel(),
                code: 0,
                reason: "r".into(),
            },
            json!({"encoding": "json", "user": "56", "channel": "chat:index", "code": 0, "reason": "r"}),
        ),
    ] {
        assert_eq!(sent(subject, PLAIN), expected);
    }
}

#[test]
fn payloads_can_be_base64_and_meta_comes_along_where_wanted() {
    let rpc = |data| Subject::Rpc {
        method: String::new(),
        data,
    };
    let style = Style {
        is_binary: true,
        has_meta: true,
    };
    let expected = json!({"encoding": "binary", "user": "56", "b64data": "AP8=", "meta": {"m": 1}});
    assert_eq!(sent(rpc(Bytes::from_static(b"\x00\xff")), style), expected);
    let unfit = encode(
        &question(rpc(Bytes::from_static(b"\x00"))),
        VIA,
        PLAIN,
        None,
    );
    assert_eq!(unfit, Err(Unanswered::NotJson));
}

fn granted(result: Value) -> Grant {
    match decode(json!({ "result": result }).to_string().as_bytes()) {
        Ok(Answer::Granted(grant)) => *grant,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_result_grants_what_it_says() {
    assert_eq!(granted(json!({})), Grant::default());
    let grant = granted(json!({
        "user": "56", "expire_at": 9, "info": {"n": "x"}, "b64data": "AP8=", "meta": {"k": 1},
        "channels": ["a", "b"], "subs": {"b": {"data": 1, "expire_at": 7, "override": {"force_recovery": {"value": true}, "presence": {}}}},
        "tags": {"t": "1"}, "idempotency_key": "i", "skip_history": true,
        "version": 7, "version_epoch": "e", "unknown": []
    }));
    assert_eq!((&*grant.user, grant.expiry), ("56", Expiry::At(9)));
    assert_eq!(grant.info.as_deref(), Some(&b"{\"n\":\"x\"}"[..]));
    assert_eq!(grant.data.as_deref(), Some(&b"\x00\xff"[..]));
    assert_eq!(grant.meta.as_deref(), Some(&b"{\"k\":1}"[..]));
    assert_eq!((&*grant.id, grant.skips_history), ("i", true));
    assert_eq!(grant.version, Version::given(7, "e".to_owned()));
    assert_eq!(grant.tags["t"], "1");
    assert_eq!(grant.subs["a"], SubscriptionOptions::default());
    assert_eq!(grant.subs["b"].expiry, Expiry::At(7));
    let overrides = grant.subs["b"].overrides;
    assert_eq!(&grant.subs["b"].data[..], b"1");
    assert_eq!(
        (
            overrides.force_recovery,
            overrides.presence,
            overrides.join_leave
        ),
        (Some(true), Some(false), None)
    );
}

#[test]
fn errors_and_disconnects_come_before_results() {
    let answer = |value: Value| decode(value.to_string().as_bytes());
    let refused =
        answer(json!({"result": {}, "error": {"code": 1000, "message": "no", "temporary": true}}));
    let failure = Failure {
        code: 1000,
        message: "no".into(),
        temporary: true,
    };
    assert_eq!(refused, Ok(Answer::Refused(failure)));
    let ended = answer(json!({"error": {"code": 1}, "disconnect": {"code": 4500, "reason": "go"}}));
    let expected = Disconnect::shortened(4500, "go").unwrap();
    assert_eq!(ended, Ok(Answer::Disconnect(expected)));
    let odd = answer(json!({"disconnect": {"code": 7, "reason": "?"}}));
    let internal = Disconnect::from(DisconnectCode::InternalServerError);
    assert_eq!(odd, Ok(Answer::Disconnect(internal)));
    let nameless = answer(json!({"error": {"message": "no code"}}));
    assert_eq!(nameless, Ok(Answer::Refused(ErrorCode::Internal.into())));
}

#[test]
fn what_is_not_understood_is_told() {
    assert_eq!(decode(b"{}"), Ok(Answer::Nothing));
    assert_eq!(decode(b"{\"result\":null}"), Ok(Answer::Nothing));
    for garbage in [
        &b""[..],
        b"null",
        b"<html>",
        b"[]",
        b"{\"result\":1}",
        b"{\"result\":{\"user\":5}}",
        b"{\"result\":{\"b64info\":\"?\"}}",
        b"\xff",
    ] {
        let answer = decode(garbage);
        assert!(
            matches!(answer, Err(Unanswered::Malformed(_))),
            "{garbage:?}: {answer:?}"
        );
    }
    let Err(unanswered) = decode(b"{\"result\":{\"expire_at\":\"secret\"}}") else {
        panic!("it is no number");
    };
    let told = unanswered.to_string();
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn a_channel_is_told_of_as_backends_know_it() {
    let transition = Transition {
        channel: "chat:index".to_owned(),
        state: ChannelState::Vacated,
        number: 7,
    };
    let stamp = Stamp {
        id: "i".to_owned(),
        time_ms: 1_697_206_286_533,
    };
    let notice = question(Subject::State(transition));
    let bytes = encode(&notice, VIA, PLAIN, Some(&stamp)).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&bytes).unwrap(),
        json!({
            "events": [{"channel": "chat:index", "type": "vacated", "time_ms": 1_697_206_286_533_u64, "number": 7}],
            "id": "i",
        })
    );
}
