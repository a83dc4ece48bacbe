//! Any bytes as a Protobuf frame: no panic, and what is decoded can be published again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message;
use tidegate_codec::Format;
use tidegate_fuzz::{decode_twice, payloads, publication};
use tidegate_proto as proto;

fuzz_target!(|data: &[u8]| {
    for payload in decode_twice(Format::Protobuf, data)
        .iter()
        .flat_map(payloads)
    {
        let encoded = Format::Protobuf
            .encode_push(&publication(payload))
            .expect("all bytes are payloads");
        let reply = proto::Reply::decode_length_delimited(encoded).expect("a push is a reply");
        let published = reply
            .push
            .and_then(|push| push.r#pub)
            .expect("the push is a publication");
        assert_eq!(&published.data, payload);
        // A JSON client gets it exactly when it is JSON.
        let as_json = Format::Json.encode_push(&publication(payload));
        assert_eq!(
            as_json.is_ok(),
            payload.is_empty() || Format::Json.accepts(payload)
        );
    }
});
