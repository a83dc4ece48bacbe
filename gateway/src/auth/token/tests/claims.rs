//! What claims grant, and claims of the wrong kind.

use super::*;

fn connection(claims: &str) -> Result<ConnectionClaims, TokenError> {
    verifier(&with_secret()).connection(&Signer::hs256().token(claims), at(NOW))
}

fn subscription(claims: &str) -> Result<SubscriptionClaims, TokenError> {
    verifier(&with_secret()).subscription(&Signer::hs256().token(claims), at(NOW))
}

#[test]
fn a_connection_token_grants_all_that_it_says() {
    let claims = connection(
        r#"{
            "sub": "42", "exp": 1700000060, "iat": 1, "jti": "x", "meta": {"a": [1]},
            "info": {"name":
                "Ann"},
            "channels": ["news", "chat"],
            "subs": {
                "chat": {"info": {"a": 1}, "data": [1,
                    2], "override": {"presence": {"value": true}, "join_leave": {}, "new": 1}},
                "empty": {}, "null": null,
                "binary": {"b64info": "/wA=", "b64data": "AQID"}
            }
        }"#,
    )
    .unwrap();
    assert_eq!(claims.user, "42");
    assert_eq!(claims.expiry, Expiry::At(NOW + 60));
    assert!(!claims.info.contains(&b'\n') && claims.info.starts_with(b"{\"name\":"));
    let names: Vec<_> = claims.subs.keys().map(String::as_str).collect();
    assert_eq!(names, ["binary", "chat", "empty", "news", "null"]);
    assert_eq!(claims.subs["news"], SubscriptionOptions::default());
    assert_eq!(claims.subs["null"], SubscriptionOptions::default());
    assert_eq!(claims.subs["binary"].info, &[0xff, 0][..]);
    assert_eq!(claims.subs["binary"].data, &[1, 2, 3][..]);
    let chat = &claims.subs["chat"];
    assert_eq!(chat.info, r#"{"a": 1}"#);
    assert!(!chat.data.contains(&b'\n'));
    let overrides = Override {
        presence: Some(true),
        join_leave: Some(false),
        ..Override::default()
    };
    assert_eq!(chat.overrides, overrides);
}

#[test]
fn a_subscription_token_grants_all_that_it_says() {
    let claims = subscription(
        r#"{"sub": "42", "channel": "news", "client": "c1", "info": null, "b64info": "aGk=", "data": "d",
            "override": {"force_recovery": {"value": true}, "force_positioning": {"value": true},
                "force_push_join_leave": {"value": false}}}"#,
    )
    .unwrap();
    let overrides = Override {
        force_recovery: Some(true),
        force_positioning: Some(true),
        force_push_join_leave: Some(false),
        ..Override::default()
    };
    let expected = SubscriptionClaims {
        user: "42".to_owned(),
        channel: "news".to_owned(),
        client: "c1".to_owned(),
        expiry: Expiry::Never,
        options: SubscriptionOptions {
            info: "hi".into(),
            data: "\"d\"".into(),
            overrides,
            expiry: Expiry::Never,
        },
        token: TokenId::default(),
    };
    assert_eq!(claims, expected);
}

#[test]
fn absent_and_null_claims_grant_nothing() {
    for claims in [
        "{}",
        r#"{"sub":""}"#,
        r#"{"info":null,"b64info":null,"channels":null,"subs":null,"aud":null,"iss":null}"#,
    ] {
        let claims = connection(claims).unwrap();
        assert_eq!((claims.user.as_str(), claims.info.len()), ("", 0));
        assert_eq!((claims.expiry, claims.subs.len()), (Expiry::Never, 0));
    }
}

#[test]
fn base64_wins_over_json() {
    let both = connection(r#"{"info":{"a":1},"b64info":"aGk="}"#).unwrap();
    assert_eq!(both.info, "hi");
    let empty = connection(r#"{"info":{"a":1},"b64info":""}"#).unwrap();
    assert_eq!(empty.info, r#"{"a":1}"#);
}

#[test]
fn one_kind_of_token_is_never_the_other() {
    let connections = [
        r#"{"sub":"42"}"#,
        r#"{"sub":"42","channels":["news"]}"#,
        "{}",
    ];
    for claims in connections {
        assert!(connection(claims).is_ok(), "{claims}");
        invalid(subscription(claims), claims);
    }
    assert!(subscription(r#"{"sub":"42","channel":"news"}"#).is_ok());
    for channel in [r#""news""#, r#""""#, "null", "7", "{}", "[]"] {
        let claims = format!(r#"{{"sub":"42","channel":{channel}}}"#);
        invalid(connection(&claims), &claims);
        assert_eq!(
            subscription(&claims).is_ok(),
            channel == r#""news""#,
            "{claims}"
        );
    }
}

#[test]
fn the_configured_claim_names_the_user() {
    let config = TokenConfig {
        user_id_claim: "uid".to_owned(),
        ..with_secret()
    };
    let verifier = verifier(&config);
    let user = |claims| {
        verifier
            .connection(&Signer::hs256().token(claims), at(NOW))
            .map(|it| it.user)
    };
    assert_eq!(user(r#"{"uid":"7","sub":"42"}"#).as_deref(), Ok("7"));
    assert_eq!(user(r#"{"uid":""}"#).as_deref(), Ok(""));
    for claims in [r#"{"sub":"42"}"#, r#"{"uid":null}"#, r#"{"uid":7}"#, "{}"] {
        invalid(user(claims), claims);
    }
}

const WRONG: &[&str] = &[
    // Not an object of unique names.
    "",
    "[]",
    "null",
    "\"x\"",
    "7",
    "{",
    "{}{}",
    "{} x",
    "{'sub':'42'}",
    "{\"sub\":}",
    r#"{"sub":"a","sub":"b"}"#,
    r#"{"sub":"a","s\u0075b":"b"}"#,
    r#"{"exp":1,"exp":99999999999}"#,
    r#"{"subs":{"a":{},"a":{}}}"#,
    r#"{"info":{"a":1,"a":2}}"#,
    r#"{"x":[{"a":1,"a":1}]}"#,
    // The user.
    r#"{"sub":42}"#,
    r#"{"sub":null}"#,
    r#"{"sub":["a"]}"#,
    r#"{"sub":true}"#,
    r#"{"sub":"\ud800"}"#,
    // Times.
    r#"{"exp":"1700000060"}"#,
    r#"{"exp":null}"#,
    r#"{"exp":true}"#,
    r#"{"exp":[]}"#,
    r#"{"exp":1e300}"#,
    r#"{"exp":1e999}"#,
    r#"{"exp":9223372036854775808}"#,
    r#"{"exp":NaN}"#,
    r#"{"nbf":"0"}"#,
    r#"{"nbf":null}"#,
    r#"{"nbf":-1e300}"#,
    r#"{"expire_at":"0"}"#,
    r#"{"expire_at":null}"#,
    r#"{"expire_at":0.5}"#,
    r#"{"expire_at":-0.5}"#,
    // Payloads.
    r#"{"b64info":7}"#,
    r#"{"b64info":"a"}"#,
    r#"{"b64info":"aGl"}"#,
    r#"{"b64info":"-_8="}"#,
    r#"{"b64info":"aGk"}"#,
    r#"{"b64info":"aGl="}"#,
    // Subscriptions.
    r#"{"channels":"news"}"#,
    r#"{"channels":[7]}"#,
    r#"{"channels":{}}"#,
    r#"{"subs":[]}"#,
    r#"{"subs":"x"}"#,
    r#"{"subs":{"a":7}}"#,
    r#"{"subs":{"a":[]}}"#,
    r#"{"subs":{"a":{"b64data":7}}}"#,
    r#"{"subs":{"a":{"override":[]}}}"#,
    r#"{"subs":{"a":{"override":{"presence":true}}}}"#,
    r#"{"subs":{"a":{"override":{"presence":{"value":1}}}}}"#,
    r#"{"subs":{"a":{"override":{"presence":[true]}}}}"#,
    // Elsewhere.
    r#"{"aud":7}"#,
    r#"{"iss":7}"#,
];

#[test]
fn claims_of_the_wrong_type_are_invalid() {
    for claims in WRONG {
        invalid(connection(claims), claims);
    }
    let deep = format!(r#"{{"info":{}{}}}"#, "[".repeat(4_000), "]".repeat(4_000));
    invalid(connection(&deep), "deep");
}

#[test]
fn subscription_claims_of_the_wrong_type_are_invalid() {
    for claim in [
        r#""client":7"#,
        r#""data":{"a":1,"a":2}"#,
        r#""b64data":"a""#,
        r#""b64info":7"#,
        r#""override":7"#,
        r#""override":{"presence":7}"#,
        r#""sub":7"#,
        r#""exp":"1""#,
    ] {
        invalid(
            subscription(&format!(r#"{{"channel":"news",{claim}}}"#)),
            claim,
        );
    }
}
