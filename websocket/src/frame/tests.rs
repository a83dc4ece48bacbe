use super::*;

fn head(opcode: Opcode, length: u64) -> Head {
    Head {
        last: true,
        compressed: false,
        opcode,
        mask: None,
        length,
    }
}

#[test]
fn heads_are_read_from_exactly_their_bytes() {
    let key = Some([1, 2, 3, 4]);
    let text = head(Opcode::Text, 5);
    let cases: [(&[u8], Head); 12] = [
        (&[0x81, 5], text),
        (
            &[0x01, 5],
            Head {
                last: false,
                ..text
            },
        ),
        (
            &[0xc1, 5],
            Head {
                compressed: true,
                ..text
            },
        ),
        (&[0x81, 0x85, 1, 2, 3, 4], Head { mask: key, ..text }),
        (&[0x80, 0], head(Opcode::Continuation, 0)),
        (&[0x82, 125], head(Opcode::Binary, 125)),
        (&[0x88, 2], head(Opcode::Close, 2)),
        (&[0x89, 125], head(Opcode::Ping, 125)),
        (
            &[0x8a, 0x80, 1, 2, 3, 4],
            Head {
                mask: key,
                ..head(Opcode::Pong, 0)
            },
        ),
        (&[0x82, 126, 0, 126], head(Opcode::Binary, 126)),
        (&[0x82, 126, 0xff, 0xff], head(Opcode::Binary, 0xffff)),
        (
            &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0],
            head(Opcode::Binary, 0x1_0000),
        ),
    ];
    for (bytes, head) in cases {
        let mut more = bytes.to_vec();
        more.push(0xff);
        assert_eq!(
            Head::read(&more),
            Ok(Some((head, bytes.len()))),
            "{bytes:x?}"
        );
        for cut in 0..bytes.len() {
            assert_eq!(
                Head::read(&bytes[..cut]),
                Ok(None),
                "{bytes:x?} up to {cut}"
            );
        }
        let mut written = Vec::new();
        head.write(&mut written);
        assert_eq!(written, bytes);
    }
}

#[test]
fn the_longest_head_is_read() {
    let bytes = [
        0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4,
    ];
    let (head, size) = Head::read(&bytes).unwrap().unwrap();
    assert_eq!((head.length, size), (i64::MAX.unsigned_abs(), HEAD_LIMIT));
}

#[test]
fn malformed_heads_are_refused_as_soon_as_they_show() {
    let cases: [&[u8]; 19] = [
        &[0xa1],
        &[0x91],
        &[0x83],
        &[0x87],
        &[0x8b],
        &[0x8f],
        &[0x08],
        &[0x09],
        &[0x0a],
        &[0xc0],
        &[0xc8],
        &[0xc9],
        &[0xca],
        &[0x88, 126],
        &[0x89, 0xfe],
        &[0x8a, 127],
        &[0x82, 126, 0, 125],
        &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
    ];
    for bytes in cases {
        let refused = Head::read(bytes).map_err(|violation| violation.code);
        assert_eq!(refused, Err(1002), "{bytes:x?}");
        let before = &bytes[..bytes.len() - 1];
        assert_eq!(Head::read(before), Ok(None), "{before:x?}");
    }
}
