//! Tokens made to be accepted when they must not be.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

use super::*;
use crate::auth::token::jws::Algorithm;

const CLAIMS: &str = r#"{"sub":"42"}"#;

/// A stranger's text, in both roles.
fn refused(verifier: &Verifier, token: &str, case: &str) {
    invalid(verifier.connection(token, at(NOW)), case);
    invalid(verifier.subscription(token, at(NOW)), case);
}

#[test]
fn headers_that_ask_for_less_are_refused() {
    let signer = Signer::hs256();
    let verifier = verifier(&with_secret());
    assert!(
        verifier
            .connection(&signer.token_with(r#"{"alg":"HS256"}"#, CLAIMS), at(NOW))
            .is_ok()
    );
    let headers = [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"nOnE"}"#,
        r#"{"alg":"NONE"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS256 "}"#,
        r#"{"alg":"HS1"}"#,
        r#"{"alg":"PS256"}"#,
        r#"{"alg":"ES256K"}"#,
        r#"{"alg":"Ed25519"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":256}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"ALG":"HS256"}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":1,"kid":2}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","crit":null}"#,
        r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
        "",
        "{}",
        "[]",
        "null",
        "\"HS256\"",
        "{",
        "\u{0}",
    ];
    for header in headers {
        refused(&verifier, &signer.token_with(header, CLAIMS), header);
        let unsigned = signer.token_with(header, CLAIMS);
        let unsigned = unsigned.rsplit_once('.').unwrap().0;
        refused(&verifier, &format!("{unsigned}."), header);
    }
}

#[test]
fn keys_and_addresses_in_a_header_are_ignored() {
    let header = r#"{"alg":"HS256","kid":"../../dev/null","jku":"http://169.254.169.254/","x5u":"http://x/","jwk":{"kty":"oct","k":"ZXZpbA"}}"#;
    let verifier = verifier(&with_secret());
    assert!(
        verifier
            .connection(&Signer::hs256().token_with(header, CLAIMS), at(NOW))
            .is_ok()
    );
    let evil = Signer::secret(Algorithm::Hs256, "evil");
    refused(&verifier, &evil.token_with(header, CLAIMS), "own key");
}

#[test]
fn a_public_key_is_no_secret() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let public = Signer::generate(algorithm).public();
        let config = trusting(&[&Signer::generate(algorithm)]);
        let der = pem::parse(&public).unwrap().into_contents();
        let der = String::from_utf8_lossy(&der);
        for secret in [public.as_str(), public.trim_end(), &der, ""] {
            for hash in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
                let token = Signer::secret(hash, secret).token(CLAIMS);
                refused(&verifier(&config), &token, "public key as secret");
                let with_hmac = TokenConfig {
                    hmac_secret_key: SECRET.into(),
                    ..config.clone()
                };
                refused(&verifier(&with_hmac), &token, "public key as secret");
            }
        }
    }
}

#[test]
fn other_spellings_of_a_good_token_are_refused() {
    let verifier = verifier(&with_secret());
    let good = Signer::hs256().token(CLAIMS);
    let [header, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    assert!(verifier.connection(&good, at(NOW)).is_ok());
    let padded = URL_SAFE.encode(URL_SAFE_NO_PAD.decode(signature).unwrap());
    let cases = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "a.b.c".to_owned(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!(".{claims}.{signature}"),
        format!("{header}..{signature}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{good}"),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.{claims}..{signature}"),
        format!("{header}.{claims}.{padded}"),
        format!("{good}="),
        format!("{good}A"),
        format!("{good}AAAA"),
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\n"),
        format!("{good}\0"),
        format!("Bearer {good}"),
        format!("{header} .{claims}.{signature}"),
        good.replace('.', "\u{2024}"),
        good.replace('.', ","),
        format!("{header}.{claims}\u{1f600}.{signature}"),
        "\u{feff}".to_owned() + &good,
        signature[..signature.len() - 4].to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{header}.{claims}.{}", "A".repeat(signature.len())),
        "A".repeat(MAX_TOKEN_BYTES + 1),
        ".".repeat(MAX_TOKEN_BYTES),
        "\u{1f600}".repeat(5_000),
    ];
    for token in cases {
        refused(&verifier, &token, &token);
    }
}

#[test]
fn the_last_character_of_a_part_has_one_spelling() {
    // 32 bytes leave two bits of the 43rd character unused.
    let verifier = verifier(&with_secret());
    let good = Signer::hs256().token(CLAIMS);
    let (body, last) = good.split_at(good.len() - 1);
    let accepted = (b'-'..=b'z').map(char::from).filter(|&other| {
        verifier
            .connection(&format!("{body}{other}"), at(NOW))
            .is_ok()
    });
    assert_eq!(accepted.collect::<String>(), last);
}

#[test]
fn the_longest_token_is_accepted_and_one_byte_more_is_not() {
    let verifier = verifier(&with_secret());
    let token =
        |bytes: usize| Signer::hs256().token(&format!(r#"{{"info":"{}"}}"#, "x".repeat(bytes)));
    let fits = (12_000..12_300)
        .rev()
        .map(token)
        .find(|it| it.len() <= MAX_TOKEN_BYTES)
        .unwrap();
    assert!(fits.len() > MAX_TOKEN_BYTES - 2);
    assert!(verifier.connection(&fits, at(NOW)).is_ok());
    refused(&verifier, &token(12_300), "too long");
}

#[test]
fn claims_that_are_not_utf8_are_refused() {
    let token = Signer::hs256().token_with(r#"{"alg":"HS256"}"#, b"{\"sub\":\"\xff\"}");
    refused(&verifier(&with_secret()), &token, "not UTF-8");
}

#[test]
fn ecdsa_signatures_in_another_form_are_refused() {
    let signer = Signer::generate(Algorithm::Es256);
    let verifier = verifier(&trusting(&[&signer]));
    let good = signer.token(CLAIMS);
    let (signed, _) = good.rsplit_once('.').unwrap();
    let fixed = signer.sign(signed.as_bytes());
    // Zeros (CVE-2022-21449), DER, with a leading zero, cut.
    let der = [&[0x30, 68, 2, 32][..], &fixed[..32], &[2, 32], &fixed[32..]].concat();
    let cases = [
        vec![0; 64],
        der,
        [&[0][..], &fixed].concat(),
        fixed[..63].to_vec(),
        vec![0xff; 64],
    ];
    for signature in cases {
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature));
        refused(&verifier, &token, "another form");
    }
}

#[test]
fn errors_repeat_nothing_of_the_token() {
    let verifier = verifier(&TokenConfig {
        audience: "app".to_owned(),
        ..with_secret()
    });
    let marker = "marker9";
    let claims = [
        format!(r#"{{"aud":"{marker}"}}"#),
        format!(r#"{{"aud":"app","sub":["{marker}"]}}"#),
        format!(r#"{{"aud":"app","exp":"{marker}"}}"#),
        format!(r#"{{"aud":"app","{marker}":1,"{marker}":2}}"#),
        format!(r#"{{"aud":"app","channel":"{marker}"}}"#),
        format!(r#"{{"aud":"app","b64info":"{marker}!"}}"#),
        format!(r#"{{"aud":"app","subs":{{"{marker}":7}}}}"#),
        marker.to_owned(),
        format!(
            r#"{{"aud":"app","subs":{{"{marker}":{{"override":{{"presence":"{marker}"}}}}}}}}"#
        ),
    ];
    for claims in claims {
        for header in [
            r#"{"alg":"HS256"}"#.to_owned(),
            format!(r#"{{"alg":"{marker}"}}"#),
            marker.to_owned(),
        ] {
            let token = Signer::hs256().token_with(&header, &claims);
            let error = verifier.connection(&token, at(NOW)).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(!text.contains(marker), "{text}");
            assert!(token.split('.').all(|part| !text.contains(part)), "{text}");
        }
    }
}
