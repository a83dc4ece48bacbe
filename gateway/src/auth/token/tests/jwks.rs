//! Keys that issuers publish: which of them may verify which token.

use serde_json::{Value, json};

use super::*;
use crate::config::TokenProvider;

const CLAIMS: &str = r#"{"sub":"42","iss":"a"}"#;

fn publishing() -> TokenConfig {
    TokenConfig {
        jwks_public_endpoint: "https://issuer/keys".to_owned(),
        ..TokenConfig::default()
    }
}

/// A verifier that was told these keys.
fn told(keys: &[Value]) -> Verifier {
    let verifier = verifier(&publishing());
    tell(&verifier, 0, keys);
    verifier
}

fn tell(verifier: &Verifier, endpoint: usize, keys: &[Value]) {
    let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes());
    verifier.endpoints()[endpoint].replace(Some(set.unwrap()));
}

fn is_missing(verifier: &Verifier, token: &str) -> bool {
    let missing = verifier.missing(Purpose::Connection, token, at(NOW));
    missing.is_some()
}

#[test]
fn published_keys_of_all_kinds_verify_and_secrets_never_do() {
    for signer in Signer::one_of_each() {
        let verifier = told(&[signer.jwk(json!({"kid": "k"}))]);
        let token = signer.token_of("k", CLAIMS);
        let result = verifier.connection(&token, at(NOW));
        if signer.algorithm().is_public() {
            assert_eq!(result.unwrap().user, "42", "{:?}", signer.algorithm());
            assert!(!is_missing(&verifier, &token));
            let other = Signer::generate(signer.algorithm()).token_of("k", CLAIMS);
            invalid(verifier.connection(&other, at(NOW)), "another key");
        } else {
            invalid(result, "a published secret");
            assert!(!is_missing(&verifier, &token), "nothing is fetched for it");
        }
    }
}

#[test]
fn a_public_key_is_no_secret_whatever_the_token_says() {
    let signer = Signer::generate(jws::Algorithm::Rs256);
    let jwk = signer.jwk(json!({"kid": "k", "alg": "RS256"}));
    let verifier = told(std::slice::from_ref(&jwk));
    let secrets = [
        signer.public(),
        jwk["n"].as_str().unwrap().to_owned(),
        jwk.to_string(),
    ];
    for secret in secrets {
        let forged = Signer::secret(jws::Algorithm::Hs256, &secret).token_of("k", CLAIMS);
        invalid(
            verifier.connection(&forged, at(NOW)),
            "signed with a public key",
        );
    }
}

#[test]
fn a_key_serves_only_what_it_was_published_for() {
    let signer = Signer::generate(jws::Algorithm::Rs256);
    let ec = Signer::generate(jws::Algorithm::Es256);
    for (signer, members, passes) in [
        (&signer, json!({}), true),
        (
            &signer,
            json!({"use": "sig", "alg": "RS256", "key_ops": ["verify"]}),
            true,
        ),
        (&signer, json!({"alg": "RS512"}), false),
        (&signer, json!({"alg": "PS256"}), false),
        (&signer, json!({"alg": "HS256"}), false),
        (&signer, json!({"alg": "none"}), false),
        (&signer, json!({"use": "enc"}), false),
        (&signer, json!({"key_ops": ["encrypt"]}), false),
        (&signer, json!({"key_ops": []}), false),
        (&signer, json!({"kty": "oct", "k": "AAAA"}), false),
        (&signer, json!({"kty": "rsa"}), false),
        (&signer, json!({"d": "AQAB"}), false),
        (&signer, json!({"n": "AQAB"}), false),
        (&signer, json!({"n": 5}), false),
        (&signer, json!({"e": "AA"}), false),
        (&signer, json!({"kid": "other"}), false),
        (&ec, json!({}), true),
        (&ec, json!({"crv": "P-384"}), false),
        (&ec, json!({"crv": "secp256k1"}), false),
        (&ec, json!({"x": "AAAA"}), false),
        (&ec, json!({"alg": "ES384"}), false),
    ] {
        let mut jwk = signer.jwk(json!({"kid": "k"}));
        for (name, value) in members.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        let verifier = told(&[jwk]);
        let result = verifier.connection(&signer.token_of("k", CLAIMS), at(NOW));
        assert_eq!(result.is_ok(), passes, "{members} {result:?}");
    }
}

#[test]
fn a_token_chooses_its_key_by_id() {
    let signers: Vec<_> = (0..3)
        .map(|_| Signer::generate(jws::Algorithm::EdDsa))
        .collect();
    let [one, twin, nameless] = &signers[..] else {
        unreachable!()
    };
    let verifier = told(&[
        one.jwk(json!({"kid": "k"})),
        twin.jwk(json!({"kid": "k"})),
        nameless.jwk(json!({})),
    ]);
    for (token, passes, missing) in [
        (one.token_of("k", CLAIMS), true, false),
        (twin.token_of("k", CLAIMS), true, false),
        (nameless.token_of("k", CLAIMS), false, false),
        (one.token_of("new", CLAIMS), false, true),
        (nameless.token_of("", CLAIMS), false, true),
        (one.token(CLAIMS), true, false),
        (nameless.token(CLAIMS), true, false),
        (
            Signer::generate(jws::Algorithm::EdDsa).token(CLAIMS),
            false,
            false,
        ),
        (
            Signer::generate(jws::Algorithm::Es256).token(CLAIMS),
            false,
            true,
        ),
    ] {
        assert_eq!(verifier.connection(&token, at(NOW)).is_ok(), passes);
        assert_eq!(is_missing(&verifier, &token), missing);
    }
    let odd = one.token_with(r#"{"alg":"EdDSA","kid":7}"#, CLAIMS);
    invalid(verifier.connection(&odd, at(NOW)), "an id that is no text");
}

#[test]
fn rotation_takes_the_old_key_away() {
    let (old, new) = (
        Signer::generate(jws::Algorithm::Es384),
        Signer::generate(jws::Algorithm::Es384),
    );
    let verifier = verifier(&publishing());
    let (by_old, by_new) = (old.token_of("1", CLAIMS), new.token_of("2", CLAIMS));
    assert!(is_missing(&verifier, &by_old));
    for (keys, old_passes, new_passes) in [
        (vec![old.jwk(json!({"kid": "1"}))], true, false),
        (
            vec![old.jwk(json!({"kid": "1"})), new.jwk(json!({"kid": "2"}))],
            true,
            true,
        ),
        (vec![new.jwk(json!({"kid": "2"}))], false, true),
        (vec![], false, false),
    ] {
        tell(&verifier, 0, &keys);
        assert_eq!(verifier.connection(&by_old, at(NOW)).is_ok(), old_passes);
        assert_eq!(verifier.connection(&by_new, at(NOW)).is_ok(), new_passes);
    }
    verifier.endpoints()[0].replace(None);
    assert!(is_missing(&verifier, &by_new));
}

#[test]
fn configured_keys_serve_beside_published_ones() {
    let (own, published) = (
        Signer::generate(jws::Algorithm::Es256),
        Signer::generate(jws::Algorithm::Es256),
    );
    let config = TokenConfig {
        hmac_secret_key: SECRET.into(),
        ecdsa_public_key: own.public(),
        ..publishing()
    };
    let verifier = verifier(&config);
    tell(&verifier, 0, &[published.jwk(json!({"kid": "k"}))]);
    for token in [
        own.token(CLAIMS),
        own.token_of("mine", CLAIMS),
        published.token_of("k", CLAIMS),
        Signer::hs256().token(CLAIMS),
    ] {
        assert!(!is_missing(&verifier, &token));
        assert!(verifier.connection(&token, at(NOW)).is_ok());
    }
}

#[test]
fn algorithms_can_be_limited() {
    let signer = Signer::generate(jws::Algorithm::Rs256);
    for (allowed, passes) in [("RS256", true), ("RS512", false), ("ES256", false)] {
        let verifier = verifier(&TokenConfig {
            jwks_algorithms: vec![allowed.to_owned()],
            ..publishing()
        });
        tell(&verifier, 0, &[signer.jwk(json!({"kid": "k"}))]);
        let result = verifier.connection(&signer.token_of("k", CLAIMS), at(NOW));
        assert_eq!(result.is_ok(), passes, "{allowed}");
    }
}

/// Issuers `a` and `b`, who publish, and who else has the tests' secret.
fn providers() -> TokenConfig {
    let provider = |issuer: &str| TokenProvider {
        issuer: issuer.to_owned(),
        audience: "app".to_owned(),
        jwks_public_endpoint: format!("https://{issuer}/keys"),
        ..TokenProvider::default()
    };
    TokenConfig {
        providers: vec![provider("a"), provider("b")],
        ..with_secret()
    }
}

#[test]
fn keys_of_one_issuer_never_serve_another_ones_token() {
    let [a, b] = [(); 2].map(|()| Signer::generate(jws::Algorithm::EdDsa));
    let verifier = verifier(&providers());
    // Both call their key the same.
    tell(&verifier, 0, &[a.jwk(json!({"kid": "k"}))]);
    tell(&verifier, 1, &[b.jwk(json!({"kid": "k"}))]);
    let claims = |issuer: &str| format!(r#"{{"sub":"42","iss":"{issuer}","aud":"app"}}"#);
    for (signer, issuer, passes) in [
        (&a, "a", true),
        (&b, "b", true),
        (&a, "b", false),
        (&b, "a", false),
        (&a, "c", false),
        (&a, "", false),
    ] {
        let result = verifier.connection(&signer.token_of("k", &claims(issuer)), at(NOW));
        assert_eq!(result.is_ok(), passes, "{issuer} {result:?}");
    }
    let elsewhere = a.token_of("k", r#"{"sub":"42","iss":"a","aud":"other"}"#);
    invalid(verifier.connection(&elsewhere, at(NOW)), "audience");
    // The secret is for those who are no provider.
    let secret = Signer::hs256();
    assert!(
        verifier
            .connection(&secret.token(&claims("c")), at(NOW))
            .is_ok()
    );
    assert!(
        verifier
            .connection(&secret.token(r#"{"sub":"1"}"#), at(NOW))
            .is_ok()
    );
    invalid(
        verifier.connection(&secret.token(&claims("a")), at(NOW)),
        "secret",
    );
}

#[test]
fn only_the_issuers_own_keys_are_fetched_for_a_token() {
    let signer = Signer::generate(jws::Algorithm::EdDsa);
    let verifier = verifier(&providers());
    for (claims, expected) in [
        (r#"{"iss":"a"}"#, Some(0)),
        (r#"{"iss":"b"}"#, Some(1)),
        (r#"{"iss":"c"}"#, None),
        (r#"{"iss":"a","iss":"b"}"#, None),
        (r#"{"iss":["a"]}"#, None),
        ("{}", None),
    ] {
        let missing = verifier.missing(Purpose::Connection, &signer.token_of("k", claims), at(NOW));
        assert_eq!(missing.map(|it| it.0), expected, "{claims}");
    }
    let unknown = TokenConfig {
        hmac_secret_key: "".into(),
        ..providers()
    };
    let verifier = super::verifier(&unknown);
    let error = verifier.connection(&signer.token_of("k", r#"{"iss":"c"}"#), at(NOW));
    let expected = TokenError::Invalid("it is of an unknown issuer".to_owned());
    assert_eq!(error.unwrap_err(), expected);
}

#[test]
fn what_is_no_set_of_keys_is_told_and_odd_keys_are_passed_over() {
    for text in ["", "[]", "{}", r#"{"keys":5}"#, r#"{"keys":[}"#, "<html>"] {
        assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
    }
    let good = Signer::generate(jws::Algorithm::EdDsa).jwk(json!({}));
    let odd = [
        json!(5),
        json!({}),
        json!({"kty": "AKP"}),
        json!({"kty": 7}),
    ];
    let keys: Vec<_> = odd.into_iter().chain([good.clone()]).collect();
    let set = KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap();
    assert_eq!((set.len(), set.passed_over), (1, 4));
    let many = vec![good; 100];
    let set = KeySet::parse(json!({"keys": many}).to_string().as_bytes()).unwrap();
    assert_eq!((set.len(), set.passed_over), (64, 36));
    let long = "x".repeat(513);
    let long = Signer::generate(jws::Algorithm::EdDsa).jwk(json!({"kid": long}));
    let set = KeySet::parse(json!({"keys": [long]}).to_string().as_bytes()).unwrap();
    assert_eq!(set.len(), 0);
}
