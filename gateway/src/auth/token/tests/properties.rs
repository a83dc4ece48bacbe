//! What holds of any text: nothing but a signed token is accepted, and nothing panics.

use proptest::prelude::*;

use super::*;
use crate::auth::token::jws::Algorithm;

/// One signer an algorithm, the verifier that trusts it, and a good token.
fn good_tokens() -> &'static [(Verifier, String)] {
    static TOKENS: std::sync::OnceLock<Vec<(Verifier, String)>> = std::sync::OnceLock::new();
    TOKENS.get_or_init(|| {
        let signers = Signer::one_of_each();
        let claims = r#"{"sub":"42","channel":"news","exp":1700000060}"#;
        signers
            .iter()
            .map(|signer| (verifier(&trusting(&[signer])), signer.token(claims)))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_flipped_bit_anywhere_is_never_accepted(
        which in 0..Algorithm::ALL.len(), position: prop::sample::Index, bit in 0..7_u8,
    ) {
        let (verifier, good) = &good_tokens()[which];
        prop_assert!(verifier.subscription(good, at(NOW)).is_ok());
        let mut bytes = good.clone().into_bytes();
        bytes[position.index(good.len())] ^= 1 << bit;
        let token = String::from_utf8(bytes).unwrap();
        prop_assert!(matches!(verifier.subscription(&token, at(NOW)), Err(TokenError::Invalid(_))));
    }

    #[test]
    fn any_text_is_refused_without_panic(token in "\\PC{0,200}|[A-Za-z0-9_-]{0,60}(\\.[A-Za-z0-9_-]{0,60}){0,4}") {
        let (verifier, _) = &good_tokens()[0];
        prop_assert!(verifier.connection(&token, at(NOW)).is_err());
    }

    #[test]
    fn any_well_signed_payload_is_read_without_panic(claims: Vec<u8>) {
        let token = Signer::hs256().token_with(r#"{"alg":"HS256"}"#, &claims);
        let (verifier, _) = &good_tokens()[0];
        let _ = verifier.connection(&token, at(NOW));
    }
}
