use super::*;

const LIMIT: usize = 100_000;

fn inflate(data: &[u8], window: Option<&mut Window>, limit: usize) -> Result<Bytes, u16> {
    let inflated = Inflater::new().inflate(data, window, limit);
    inflated.map_err(|violation| violation.code)
}

/// Deflated as one stream that ends.
fn finished(message: &[u8]) -> Vec<u8> {
    let mut stream = flate2::Compress::new(flate2::Compression::new(9), false);
    let mut out = Vec::with_capacity(message.len() + 100);
    let status = stream.compress_vec(message, &mut out, flate2::FlushCompress::Finish);
    assert_eq!(status.unwrap(), Status::StreamEnd);
    out
}

#[test]
fn the_examples_of_the_rfc_inflate() {
    let cases: [(&[u8], &str); 6] = [
        // One block, a stored one, a last one, two, an empty message, and nothing at all.
        (b"\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"),
        (b"\x00\x05\x00\xfa\xffHello\x00", "Hello"),
        (b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"),
        (
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
            "Hello",
        ),
        (b"\x00", ""),
        (b"", ""),
    ];
    for (data, message) in cases {
        assert_eq!(inflate(data, None, 5), Ok(message.into()), "{data:x?}");
    }
}

#[test]
fn a_message_may_refer_to_the_one_before() {
    let (first, second) = (b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"\xf2\x00\x11\x00\x00");
    let mut window = Window::new(WindowBits::MIN);
    for data in [first.as_slice(), second, second] {
        assert_eq!(inflate(data, Some(&mut window), 5), Ok("Hello".into()));
    }
    assert_eq!(inflate(second, None, 5), Err(1007));
    let mut other = Window::new(WindowBits::MIN);
    assert_eq!(inflate(second, Some(&mut other), 5), Err(1007));
}

#[test]
fn what_is_cut_off_or_goes_on_is_refused() {
    let whole: [&[u8]; 3] = [
        b"\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\x00\x05\x00\xfa\xffHello\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
    ];
    for data in whole {
        // The first byte of a stored block alone is an empty message.
        for cut in 2..data.len() {
            assert_eq!(
                inflate(&data[..cut], None, 9),
                Err(1007),
                "{data:x?} to {cut}"
            );
        }
        let tail = [data, &TAIL].concat();
        assert_eq!(
            inflate(&tail, None, 9),
            Err(1007),
            "{data:x?} with its tail"
        );
    }
    assert_eq!(inflate(b"\x06", None, 9), Err(1007), "a block of no kind");
}

#[test]
fn no_more_comes_out_than_allowed() {
    for size in [0, 1, 1_000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
        let mut data = finished(&vec![b'a'; size]);
        data.push(0);
        let message = inflate(&data, None, size).unwrap();
        assert!(message.len() == size && message.iter().all(|byte| *byte == b'a'));
        if size > 0 {
            assert_eq!(inflate(&data, None, size - 1), Err(1009), "{size}");
        }
    }
}

#[test]
fn a_few_streams_may_end_inside_of_a_message() {
    let mut blocks = Vec::new();
    let mut expected = Vec::new();
    for count in 0..=LAST_BLOCK_LIMIT {
        let data = [blocks.as_slice(), b"\0"].concat();
        assert_eq!(inflate(&data, None, LIMIT), Ok(expected.clone().into()));
        blocks.extend_from_slice(&finished(b"Hello"));
        expected.extend_from_slice(b"Hello");
        assert_eq!(
            inflate(&blocks, None, LIMIT),
            Err(1007),
            "{count}: no byte to end with"
        );
    }
    blocks.push(0);
    assert_eq!(inflate(&blocks, None, LIMIT), Err(1007));
    // The second stream refers to what the first one said.
    let streams = b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00";
    assert_eq!(inflate(streams, None, LIMIT), Ok("HelloHello".into()));
}

#[test]
fn one_inflater_serves_many_connections() {
    let mut inflater = Inflater::new();
    let (first, second) = (b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"\xf2\x00\x11\x00\x00");
    let mut window = Window::new(WindowBits::MAX);
    for _ in 0..3 {
        let hello = inflater.inflate(first, Some(&mut window), 5).unwrap();
        assert!(inflater.inflate(second, None, 5).is_err());
        assert!(inflater.inflate(b"\xff\xff", None, 5).is_err());
        let again = inflater.inflate(second, Some(&mut window), 5).unwrap();
        assert_eq!((hello, again), ("Hello".into(), "Hello".into()));
    }
}
