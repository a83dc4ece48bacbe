use proptest::prelude::*;

use super::*;

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

/// What a server answers.
fn answer(options: &DeflateOptions, offer: &str) -> Option<String> {
    Some(options.accept([offer])?.to_string())
}

fn check(options: &DeflateOptions, cases: &[(&str, Option<&str>)]) {
    for (offer, expected) in cases {
        let expected = expected.map(|parameters| format!("{NAME}{parameters}"));
        assert_eq!(answer(options, offer), expected, "{offer:?}");
    }
}

#[test]
fn a_server_takes_the_first_offer_that_it_can() {
    let cases = [
        ("", None),
        ("foo", None),
        ("permessage-deflate", Some("")),
        ("foo, permessage-deflate", Some("")),
        ("permessage-deflate; client_max_window_bits", Some("")),
        ("permessage-deflate; client_max_window_bits=15", Some("")),
        (
            "permessage-deflate; client_max_window_bits=\"10\"",
            Some("; client_max_window_bits=10"),
        ),
        (
            "permessage-deflate; server_max_window_bits=8",
            Some("; server_max_window_bits=8"),
        ),
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            Some("; server_no_context_takeover; client_no_context_takeover"),
        ),
        // Declined, and what comes after it taken.
        (
            "permessage-deflate; foo, permessage-deflate; server_max_window_bits=12",
            Some("; server_max_window_bits=12"),
        ),
        (
            "permessage-deflate; server_max_window_bits=12, permessage-deflate; foo",
            Some("; server_max_window_bits=12"),
        ),
    ];
    check(&DeflateOptions::FULL, &cases);
    let lines = ["foo", "permessage-deflate; x", "permessage-deflate"];
    assert!(DeflateOptions::FULL.accept(lines).is_some());
}

#[test]
fn offers_that_cannot_be_are_declined() {
    for parameters in [
        "foo",
        "server_no_context_takeover=1",
        "client_no_context_takeover=10",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=+9",
        "server_max_window_bits=x",
        "server_max_window_bits=264",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits; client_max_window_bits=10",
        "Server_no_context_takeover",
    ] {
        let offer = format!("{NAME}; {parameters}");
        assert_eq!(answer(&DeflateOptions::FULL, &offer), None, "{offer:?}");
    }
}

#[test]
fn a_server_bounds_what_it_has_to_keep() {
    let small = DeflateOptions {
        server_max_window: bits(10),
        client_max_window: bits(9),
        ..DeflateOptions::FULL
    };
    let cases = [
        // A client that did not say that it can be bounded may not refer to anything.
        (
            "permessage-deflate",
            Some("; client_no_context_takeover; server_max_window_bits=10"),
        ),
        (
            "permessage-deflate; client_max_window_bits",
            Some("; server_max_window_bits=10; client_max_window_bits=9"),
        ),
        (
            "permessage-deflate; client_max_window_bits=8; server_max_window_bits=9",
            Some("; server_max_window_bits=9; client_max_window_bits=8"),
        ),
    ];
    check(&small, &cases);
    let none = DeflateOptions {
        server_context_takeover: false,
        client_context_takeover: false,
        ..DeflateOptions::FULL
    };
    let cases = [(
        "permessage-deflate",
        Some("; server_no_context_takeover; client_no_context_takeover"),
    )];
    check(&none, &cases);
    let agreement = none.accept([NAME]).unwrap();
    assert!(agreement.outgoing(Role::Server).is_none());
    assert!(agreement.incoming(Role::Server).is_none());
}

#[test]
fn both_ends_understand_the_same() {
    let mut all = Vec::new();
    for window in [8, 9, 12, 15] {
        for takeover in 0..4 {
            all.push(DeflateOptions {
                server_context_takeover: takeover & 1 == 0,
                client_context_takeover: takeover & 2 == 0,
                server_max_window: bits(window),
                client_max_window: bits(23 - window.max(9)),
            });
        }
    }
    for client in &all {
        for server in &all {
            let accepted = server.accept([client.offer().as_str()]).unwrap();
            let response = accepted.to_string();
            let read = client.read_response([response.as_str()]);
            let read = read.unwrap().unwrap();
            for role in [Role::Server, Role::Client] {
                let context = accepted.context(role);
                assert_eq!(read.context(role), context, "{client:?} {response}");
                let option = match role {
                    Role::Server => server.server_max_window.min(client.server_max_window),
                    Role::Client => server.client_max_window.min(client.client_max_window),
                };
                assert!(context.is_none_or(|bits| bits == option), "{response}");
            }
        }
    }
}

#[test]
fn a_client_refuses_what_it_did_not_offer() {
    let options = DeflateOptions {
        server_context_takeover: false,
        server_max_window: bits(10),
        ..DeflateOptions::FULL
    };
    let good = "permessage-deflate; server_no_context_takeover; server_max_window_bits=9";
    let agreement = options.read_response([good]).unwrap().unwrap();
    assert_eq!(agreement.server_window, bits(9));
    assert_eq!(options.read_response([]), Ok(None));
    for response in [
        "foo",
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; foo",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9, foo",
        "permessage-deflate;",
    ] {
        let refused = options.read_response([response]);
        assert_eq!(refused, Err(NegotiationError), "{response}");
    }
}

proptest! {
    #[test]
    fn any_header_is_read_without_a_panic(text in ".{0,60}", rest in "[a-z_=;, \"\\\\0-9-]{0,60}") {
        let header = format!("{NAME}; {rest}");
        for header in [text.as_str(), header.as_str()] {
            let agreement = DeflateOptions::FULL.accept([header]);
            let response = agreement.map(|agreement| agreement.to_string());
            let read = response.map(|response| DeflateOptions::FULL.read_response([response.as_str()]));
            prop_assert!(read.is_none_or(|read| matches!(read, Ok(Some(_)))));
            DeflateOptions::FULL.read_response([header]).ok();
        }
    }
}
