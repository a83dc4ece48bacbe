//! Previous keys, and the claims that time, audience and issuer judge.

use serde_json::Value;

use super::*;
use crate::auth::token::jws::Algorithm;

#[test]
fn the_previous_secret_is_accepted_until_its_time() {
    let previous = Signer::secret(Algorithm::Hs384, "old").token("{}");
    let current = Signer::hs256().token("{}");
    for (until, now, accepted) in [
        (0, NOW, true),
        (NOW + 1, NOW, true),
        (NOW, NOW, false),
        (NOW - 1, NOW, false),
        (NOW + 1, NOW + 1, false),
        (-1, NOW, false),
    ] {
        let verifier = verifier(&TokenConfig {
            hmac_previous_secret_key: "old".into(),
            hmac_previous_secret_key_valid_until: until,
            ..with_secret()
        });
        let result = verifier.connection(&previous, at(now));
        assert_eq!(result.is_ok(), accepted, "until {until} at {now}");
        assert!(verifier.connection(&current, at(now)).is_ok());
    }
}

#[test]
fn previous_public_keys_are_accepted_beside_current_ones() {
    // A rotation may change the curve.
    let cases = [
        (Algorithm::Rs256, Algorithm::Rs256),
        (Algorithm::Es256, Algorithm::Es256),
        (Algorithm::Es256, Algorithm::Es512),
        (Algorithm::EdDsa, Algorithm::EdDsa),
    ];
    for (old, new) in cases {
        let (old, new) = (Signer::generate(old), Signer::generate(new));
        let mut config = trusting(&[&new]);
        match old.algorithm() {
            Algorithm::Rs256 => config.rsa_previous_public_key = old.public(),
            Algorithm::EdDsa => config.ed25519_previous_public_key = old.public(),
            _ => config.ecdsa_previous_public_key = old.public(),
        }
        let verifier = verifier(&config);
        for signer in [&old, &new, &old] {
            let result = verifier.connection(&signer.token("{}"), at(NOW));
            assert!(result.is_ok(), "{:?}: {result:?}", signer.algorithm());
        }
        let stranger = Signer::generate(old.algorithm());
        invalid(
            verifier.connection(&stranger.token("{}"), at(NOW)),
            "stranger",
        );
    }
}

#[test]
fn time_is_judged_in_whole_seconds_against_the_token() {
    let verifier = verifier(&with_secret());
    let cases: [(Value, Option<Expiry>); 16] = [
        (json!({}), Some(Expiry::Never)),
        (json!({"exp": NOW + 1}), Some(Expiry::At(NOW + 1))),
        (
            json!({"exp": NOW + 1, "nbf": NOW}),
            Some(Expiry::At(NOW + 1)),
        ),
        (json!({"exp": 1_700_000_001.9}), Some(Expiry::At(NOW + 1))),
        (json!({"exp": 1.7e10}), Some(Expiry::At(17_000_000_000))),
        (json!({"exp": i64::MAX}), Some(Expiry::At(i64::MAX))),
        (json!({"exp": NOW}), None),
        (json!({"exp": 1_700_000_000.9}), None),
        (json!({"exp": NOW - 1}), None),
        (json!({"exp": 0}), None),
        (json!({"exp": i64::MIN}), None),
        (json!({"nbf": NOW + 1}), None),
        (json!({"nbf": 1_700_000_000.1}), None),
        // `expire_at` says when the connection ends, `exp` still whether the token is good.
        (json!({"exp": NOW + 1, "expire_at": 0}), Some(Expiry::Never)),
        (json!({"exp": NOW + 1, "expire_at": 5}), Some(Expiry::At(5))),
        (json!({"exp": NOW, "expire_at": 0}), None),
    ];
    for (claims, expected) in cases {
        let connection = Signer::hs256().token(&claims.to_string());
        let connection = verifier
            .connection(&connection, at(NOW))
            .map(|it| it.expiry);
        assert_eq!(connection, expected.ok_or(TokenError::Expired), "{claims}");

        let mut claims = claims;
        claims["channel"] = "news".into();
        let subscription = Signer::hs256().token(&claims.to_string());
        let subscription = verifier
            .subscription(&subscription, at(NOW))
            .map(|it| it.expiry);
        assert_eq!(
            subscription,
            expected.ok_or(TokenError::Expired),
            "{claims}"
        );
    }
}

/// Checks a claim against `[exact, pattern]`.
fn judge(claim: &str, rules: [&str; 2], value: &Value) -> bool {
    let [exact, pattern] = rules.map(str::to_owned);
    let config = match claim {
        "aud" => TokenConfig {
            audience: exact,
            audience_regex: pattern,
            ..with_secret()
        },
        _ => TokenConfig {
            issuer: exact,
            issuer_regex: pattern,
            ..with_secret()
        },
    };
    let claims = match value {
        Value::Null => json!({}),
        value => json!({ claim: value }),
    };
    let result = verifier(&config).connection(&Signer::hs256().token(&claims.to_string()), at(NOW));
    assert!(!matches!(result, Err(TokenError::Expired)));
    result.is_ok()
}

#[test]
fn audience_and_issuer_must_match_whole() {
    let cases = [
        (["", ""], json!(null), true),
        (["", ""], json!("any"), true),
        (["app", ""], json!("app"), true),
        (["app", ""], json!("App"), false),
        (["app", ""], json!("app "), false),
        (["app", ""], json!("apps"), false),
        (["app", ""], json!(""), false),
        (["app", ""], json!(null), false),
        (["", "app-[0-9]+"], json!("app-12"), true),
        (["", "app-[0-9]+"], json!("app-12x"), false),
        (["", "app-[0-9]+"], json!("my-app-12"), false),
        (["", "app-[0-9]+"], json!("app-12\n"), false),
        (["", "app-[0-9]+"], json!("app-12\nevil"), false),
        (["", "a|b"], json!("b"), true),
        (["", "a|b"], json!("ax"), false),
        (["", "a|b"], json!("xb"), false),
        (["", ".*"], json!(null), false),
        (["", "(?i)app"], json!("APP"), true),
        (["", "(?m)^app$"], json!("app\nevil"), false),
        (["app", "app|other"], json!("app"), true),
        (["app", "app|other"], json!("other"), false),
        (["app", ""], json!(7), false),
        (["", ""], json!(7), false),
        (["", ""], json!({"app": 1}), false),
    ];
    for (rules, value, expected) in cases {
        for claim in ["aud", "iss"] {
            assert_eq!(
                judge(claim, rules, &value),
                expected,
                "{claim} {rules:?} {value}"
            );
        }
    }
}

#[test]
fn one_of_several_audiences_is_enough_and_an_issuer_is_one() {
    let cases = [
        (["app", ""], json!(["other", "app"]), true),
        (["app", ""], json!(["other"]), false),
        (["app", ""], json!([]), false),
        (["", "app.*"], json!(["x", "app1"]), true),
        (["app", ""], json!(["app", 7]), false),
        (["app", ""], json!([["app"]]), false),
    ];
    for (rules, value, expected) in cases {
        assert_eq!(judge("aud", rules, &value), expected, "{rules:?} {value}");
        assert!(!judge("iss", rules, &value), "{rules:?} {value}");
    }
}

#[test]
fn a_token_that_is_wrong_in_itself_is_invalid_rather_than_expired() {
    let config = TokenConfig {
        audience: "app".to_owned(),
        ..with_secret()
    };
    let token = Signer::hs256().token(r#"{"exp":1,"aud":"other"}"#);
    invalid(verifier(&config).connection(&token, at(NOW)), "audience");
    let token = Signer::hs256().token(r#"{"exp":1,"channel":"news"}"#);
    invalid(verifier(&with_secret()).connection(&token, at(NOW)), "kind");
    let token = Signer::secret(Algorithm::Hs256, "other").token(r#"{"exp":1}"#);
    invalid(
        verifier(&with_secret()).connection(&token, at(NOW)),
        "signature",
    );
}
