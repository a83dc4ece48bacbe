//! Messages and frames that are larger than they may be, or claim to be.

use std::iter::repeat_with;

use super::connected;
use crate::bystander::Bystander;
use crate::command::Format;
use crate::raw::{CONTINUATION, End, FINAL, PING, TEXT, frame, header, text};
use crate::site::Site;

const CHUNK: usize = 16 * 1024;

#[tokio::test]
async fn a_message_over_the_limit_is_closed_with_1009_and_the_client_sees_it() {
    let site = Site::start();
    let mut bystander = Bystander::arrive(site.address()).await;
    for size in [65_537, 70_000, 1_000_000, 30_000_000] {
        let mut raw = connected(site.address(), Format::Json).await;
        let whole = text(" ".repeat(size));
        let chunks = whole.chunks(CHUNK).map(<[u8]>::to_vec);
        let end = raw.end_while_writing(chunks).await;
        assert_eq!(end, End::Close(1009), "{size} bytes");
        drop(raw);
        bystander.check("a message over the limit").await;
    }
    bystander.leave().await;
    site.stop().await;
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_is_taken() {
    let site = Site::start();
    let mut raw = connected(site.address(), Format::Json).await;
    let mut command = "{\"id\":2,\"unsubscribe\":{\"channel\":\"chat:a\"}}".to_owned();
    command += &" ".repeat(65_536 - command.len());
    raw.write(&text(command)).await;
    raw.write(&text("{}")).await;
    // The pong that nobody asked for is what ends the connection.
    assert_eq!(raw.end().await, End::Close(3501));
    assert_eq!(site.metric("tidegate_protocol_errors").await, 0);
    drop(raw);
    site.stop().await;
}

#[tokio::test]
async fn fragments_are_bounded_in_bytes_and_in_number() {
    let site = Site::start();
    let mut bystander = Bystander::arrive(site.address()).await;
    for (what, size) in [("large", 4_096), ("tiny", 1), ("empty", 0)] {
        let mut raw = connected(site.address(), Format::Json).await;
        raw.write(&frame(TEXT, b"")).await;
        let endless = repeat_with(|| frame(CONTINUATION, &vec![b' '; size]).repeat(16));
        let end = raw.end_while_writing(endless).await;
        assert_eq!(end, End::Close(1009), "{what} fragments");
        drop(raw);
        bystander.check(what).await;
    }
    bystander.leave().await;
    site.stop().await;
}

#[tokio::test]
async fn a_length_that_is_only_declared_is_enough_to_be_closed() {
    let site = Site::start();
    let mut bystander = Bystander::arrive(site.address()).await;
    // The most significant bit must be zero: RFC 6455 section 5.2.
    let lengths = [
        (65_537, 1009),
        (1 << 31, 1009),
        (1 << 32, 1009),
        ((1 << 63) - 1, 1009),
        (1 << 63, 1002),
        (u64::MAX, 1002),
    ];
    for (length, code) in lengths {
        for first in [FINAL | TEXT, TEXT] {
            let mut raw = connected(site.address(), Format::Json).await;
            raw.write(&header(first, length)).await;
            assert_eq!(raw.end().await, End::Close(code), "{length} bytes declared");
        }
        let mut raw = connected(site.address(), Format::Json).await;
        raw.write(&header(FINAL | PING, length)).await;
        assert_eq!(
            raw.end().await,
            End::Close(1002),
            "{length} bytes of a ping"
        );
        bystander.check("a declared length").await;
    }
    bystander.leave().await;
    site.stop().await;
}
