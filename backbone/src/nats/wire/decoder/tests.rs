use proptest::prelude::*;

use super::*;

/// What comes out of `bytes` that arrive in pieces of `piece`.
fn decode(bytes: &[u8], piece: usize) -> Result<Vec<String>, WireError> {
    let (mut decoder, mut said) = (Decoder::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        decoder.room().extend_from_slice(piece);
        while let Some(operation) = decoder.next()? {
            said.push(match operation {
                Operation::Message {
                    sid,
                    headers,
                    payload,
                    ..
                } => format!(
                    "{sid} {:?} {:?}",
                    headers.escape_ascii().to_string(),
                    payload.escape_ascii().to_string()
                ),
                other => format!("{other:?}"),
            });
        }
    }
    Ok(said)
}

#[test]
fn operations_are_told_apart_in_pieces_of_any_size() {
    let bytes = b"+OK\r\nPING\r\nMSG a.b 7 3\r\nxyz\r\nMSG a 8 reply 2\r\n\r\n\r\nPONG\r\nMSG a 9 0\r\n\r\n\
        HMSG a 18446744073709551615 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG\ta  1 r 12 12\r\nNATS/1.0\r\n\r\n\r\n\
        -ERR 'Unknown Protocol Operation'\r\n";
    let said = [
        "Ping",
        r#"7 "" "xyz""#,
        r#"8 "" "\\r\\n""#,
        "Pong",
        r#"9 "" """#,
        r#"18446744073709551615 "NATS/1.0\\r\\n\\r\\n" "hi""#,
        r#"1 "NATS/1.0\\r\\n\\r\\n" """#,
        r#"Error("Unknown Protocol Operation")"#,
    ];
    for piece in [1, 2, 3, 7, bytes.len()] {
        assert_eq!(decode(bytes, piece).unwrap(), said, "pieces of {piece}");
    }
}

#[test]
fn a_server_tells_about_itself() {
    let mut decoder = Decoder::default();
    decoder.room().extend_from_slice(
        b"INFO {\"max_payload\":1000,\"nonce\":\"n\",\"connect_urls\":[\"a:1\"],\"else\":1}\r\n",
    );
    let info = ServerInfo {
        max_payload: 1000,
        nonce: "n".to_owned(),
        connect_urls: vec!["a:1".to_owned()],
        ..ServerInfo::default()
    };
    assert_eq!(decoder.next(), Ok(Some(Operation::Info(Box::new(info)))));
    assert_eq!(decoder.next(), Ok(None));
    assert!(decoder.is_empty());
}

#[test]
fn what_is_not_in_the_protocol_is_an_error() {
    let table: [(&[u8], WireError); 14] = [
        (b"HELLO\r\n", WireError::Unknown),
        (b"\r\n", WireError::Unknown),
        (b"INFO {\r\n", WireError::Unknown),
        (b"MSG a 1\r\n", WireError::Unknown),
        (b"MSG a x 1\r\n", WireError::Unknown),
        (b"MSG a 1 -1\r\n", WireError::Unknown),
        (b"MSG a 18446744073709551616 1\r\n", WireError::Unknown),
        (b"MSG a 1 b c 1\r\n", WireError::Unknown),
        (b"MSG a 1 1\r\nab\r\n", WireError::Unknown),
        (b"HMSG a 1 1\r\n", WireError::Unknown),
        (b"HMSG a 1 3 2\r\n", WireError::Unknown),
        (b"HMSG a 1 b c 3 2\r\n", WireError::Unknown),
        (b"MSG a 1 67108865\r\n", WireError::Size),
        (&[b'a'; MAX_LINE + 1], WireError::Line),
    ];
    for (bytes, error) in table {
        let shown = bytes[..bytes.len().min(40)].escape_ascii();
        assert_eq!(decode(bytes, bytes.len()), Err(error), "{shown}");
    }
}

#[test]
fn a_buffer_that_held_a_large_message_is_not_kept() {
    let (mut decoder, size) = (Decoder::default(), 4 * MAX_KEPT);
    let message = format!("MSG a 1 {size}\r\n{}\r\n", "x".repeat(size));
    for piece in message.as_bytes().chunks(READ_SIZE) {
        decoder.room().extend_from_slice(piece);
        let _wanting = decoder.next().unwrap();
    }
    assert!(decoder.is_empty());
    assert!(decoder.room().capacity() <= MAX_KEPT);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic_and_pieces_do_not_matter(
        parts in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![
                "MSG a 1 2\r\n", "HMSG a 1 1 2\r\n", "HMSG ", "MSG ", "\r\n", "xy", "9", " ", "PING\r\n",
            ]).prop_map(|text| text.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..4),
        ], 0..12),
        piece in 1_usize..9,
    ) {
        let bytes = parts.concat();
        let whole = decode(&bytes, bytes.len().max(1));
        prop_assert_eq!(decode(&bytes, piece), whole);
    }
}
