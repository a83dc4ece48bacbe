//! Vectors of the specifications, and keys that the configuration must refuse.

use super::*;
use crate::auth::token::jws::Compact;
use crate::auth::token::key::KeyRing;

const RSA_KEY: &str = "-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd/wWJcyQoTbji9k0l8W2
6mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMs
D1W/YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5
z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxv
b3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxXFvUK+DWNmoudF8NAco9/h9iaGNj8q2et
hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQIDAQAB
-----END RSA PUBLIC KEY-----";

const P256_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7
6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==
-----END PUBLIC KEY-----";

const P521_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQB6SkFDxJPxrxVx9U5M2Xfne9KsMIs
sleY+TTrBOPGuuNwGlenkQ6dgb82MVno68sVXWNJ9L22zPipTFxZx6rBAaQANKZE
DjdnUNI3H9G9wsjztx0vTuXqNDLIFcyjFWD+XZOH7HdLVYOGMOXLv1qMvgqR3QBk
xpmaH25uZ/rd7eTIyPY=
-----END PUBLIC KEY-----";

const ED25519_KEY: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----";

const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn payload_of(config: &TokenConfig, token: &str) -> Result<String, TokenError> {
    let token = Compact::parse(token)?;
    let keys = KeyRing::new(config, "client.token").unwrap();
    match keys.signed(&token, NOW) {
        true => token.payload(),
        false => Err(TokenError::invalid("no key signed it")),
    }
}

#[test]
fn the_vectors_of_rfc_7515_and_rfc_8037_hold() {
    let rsa = TokenConfig {
        rsa_public_key: RSA_KEY.to_owned(),
        ..TokenConfig::default()
    };
    let p256 = TokenConfig {
        ecdsa_public_key: P256_KEY.to_owned(),
        ..TokenConfig::default()
    };
    let p521 = TokenConfig {
        ecdsa_public_key: P521_KEY.to_owned(),
        ..TokenConfig::default()
    };
    let ed25519 = TokenConfig {
        ed25519_public_key: ED25519_KEY.to_owned(),
        ..TokenConfig::default()
    };
    let joe = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
    let cases = [
        // RFC 7515 appendix A.2
        (&rsa, format!("eyJhbGciOiJSUzI1NiJ9.{JOE}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"), joe),
        // RFC 7515 appendix A.3
        (&p256, format!("eyJhbGciOiJFUzI1NiJ9.{JOE}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"), joe),
        // RFC 7515 appendix A.4
        (&p521, "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn".to_owned(), "Payload"),
        // RFC 8037 appendix A.4
        (&ed25519, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg".to_owned(), "Example of Ed25519 signing"),
    ];
    for (config, token, payload) in cases {
        assert_eq!(payload_of(config, &token).as_deref(), Ok(payload));
        invalid(
            payload_of(
                config,
                &token
                    .replace(".R", ".S")
                    .replace(".e", ".f")
                    .replace(".U", ".V"),
            ),
            "changed",
        );
    }
}

#[test]
fn the_unsecured_token_of_rfc_7519_is_refused() {
    // RFC 7519 section 6.1
    invalid(
        verifier(&with_secret()).connection(&format!("eyJhbGciOiJub25lIn0.{JOE}."), at(NOW)),
        "unsecured",
    );
}

#[test]
fn a_key_that_cannot_serve_is_a_fault() {
    let two = format!("{P256_KEY}\n{P521_KEY}");
    let one_line = P256_KEY.replace('\n', "\\n");
    let label = |label: &str| P256_KEY.replace("PUBLIC KEY", label);
    let private = label("EC PRIVATE KEY");
    let both = format!("{P256_KEY}\n{private}");
    let cases = [
        (private.as_str(), "holds a private key"),
        (&both, "holds a private key"),
        (&label("CERTIFICATE"), "is a certificate"),
        (&label("X"), "is not a PEM block of type"),
        (RSA_KEY, "is not a PEM block of type"),
        (&two, "holds more than one"),
        (&one_line, "is not PEM: its line breaks"),
        ("secret", "is not PEM"),
        (" ", "is not PEM"),
        (ED25519_KEY, "is not an ECDSA"),
    ];
    for (key, fault) in cases {
        fault_of(
            |it| &mut it.ecdsa_public_key,
            key,
            &format!("ecdsa_public_key: {fault}"),
        );
    }
}

#[test]
fn a_key_in_the_wrong_option_is_a_fault_that_names_it() {
    let small = small_rsa_key();
    let secret = "PEM is not a secret";
    fault_of(
        |it| &mut it.hmac_secret_key,
        RSA_KEY,
        &format!("hmac_secret_key: {secret}"),
    );
    fault_of(
        |it| &mut it.hmac_previous_secret_key,
        RSA_KEY,
        &format!("hmac_previous_secret_key: {secret}"),
    );
    fault_of(
        |it| &mut it.rsa_public_key,
        P521_KEY,
        "rsa_public_key: is not an RSA",
    );
    fault_of(
        |it| &mut it.rsa_previous_public_key,
        &small,
        "rsa_previous_public_key: is an RSA key of 1024 bits",
    );
    fault_of(
        |it| &mut it.ecdsa_previous_public_key,
        RSA_KEY,
        "ecdsa_previous_public_key: is not a PEM block",
    );
    fault_of(
        |it| &mut it.ed25519_public_key,
        P256_KEY,
        "ed25519_public_key: is not an Ed25519",
    );
    fault_of(
        |it| &mut it.ed25519_previous_public_key,
        "x",
        "ed25519_previous_public_key: is not PEM",
    );
}

/// Checks that `key` in that option is the one fault, and that the fault does not show it.
fn fault_of<Text: From<String>>(
    option: fn(&mut TokenConfig) -> &mut Text,
    key: &str,
    expected: &str,
) {
    let mut config = TokenConfig::default();
    *option(&mut config) = key.to_owned().into();
    let faults = Verifier::new(&config, &SubscriptionTokenConfig::default()).unwrap_err();
    let expected = format!("client.token.{expected}");
    assert!(
        faults.len() == 1 && faults[0].starts_with(&expected),
        "{faults:?}"
    );
    assert!(!faults[0].contains("MFkwEw"), "{faults:?}");
}

#[test]
fn all_faults_are_told_together() {
    let bad = TokenConfig {
        rsa_public_key: "x".to_owned(),
        issuer_regex: "(".to_owned(),
        audience_regex: "a)|(b".to_owned(),
        ..TokenConfig::default()
    };
    let subscription = SubscriptionTokenConfig {
        enabled: true,
        token: bad.clone(),
    };
    let faults = Verifier::new(&bad, &subscription).unwrap_err();
    assert_eq!(faults.len(), 6, "{faults:?}");
    let disabled = SubscriptionTokenConfig {
        enabled: false,
        ..subscription
    };
    assert!(Verifier::new(&TokenConfig::default(), &disabled).is_ok());
}

/// PKCS#1 of a number of 1024 bits: nobody checks whether it has two prime factors before its size.
fn small_rsa_key() -> String {
    let mut der = vec![0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00];
    der.extend([0xff; 128]);
    der.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
    pem::encode(&pem::Pem::new("RSA PUBLIC KEY", der))
}
