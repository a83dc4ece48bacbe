//! Any bytes as a JSON frame: no panic, and what is decoded can be published again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use tidegate_codec::Format;
use tidegate_fuzz::{decode_twice, payloads, publication};

fuzz_target!(|data: &[u8]| {
    for payload in decode_twice(Format::Json, data).iter().flat_map(payloads) {
        // Payloads of a JSON frame are JSON, in which breaking no rule is all that a client can ask for.
        let line = Format::Json
            .encode_push(&publication(payload))
            .expect("decoded payloads are JSON");
        assert!(
            !line.iter().any(|byte| matches!(byte, b'\n' | b'\r')),
            "more than one line"
        );
        serde_json::from_slice::<&RawValue>(&line).expect("a push is JSON");
        let single = tidegate_codec::single_line_json(payload).expect("decoded payloads are JSON");
        assert_eq!(Bytes::from(embedded(&line)), single);
    }
});

/// The payload as it stands in a push.
fn embedded(line: &[u8]) -> Vec<u8> {
    let prefix = br#"{"push":{"channel":"c","pub":{"data":"#;
    let rest = line.strip_prefix(prefix).expect("data comes first");
    rest.strip_suffix(b"}}}").expect("data comes last").to_vec()
}
