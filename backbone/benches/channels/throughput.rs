//! How many publications a second one node takes off NATS, and at what cost.
//!
//! They come from a plain socket with ready-made bytes, so that the CPU of this process is nearly that of receiving.

use std::fmt::Write;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_backbone::Subjects;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::hold::Held;
use crate::samples::millis;
use crate::stage::Stage;

/// Publications that are under way at most: fewer than may wait for one channel.
const WINDOW: usize = 2_048;

/// Publications that are written together.
const BATCH: usize = 256;

const PAYLOAD: usize = 128;

pub(crate) async fn measure(
    stage: &Stage,
    held: &Held,
    channels: usize,
    messages: usize,
) -> Result<Value> {
    let batches = batches(held, channels);
    let mut socket = TcpStream::connect(stage.server.address()).await?;
    socket
        .write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n")
        .await?;
    let mut greeting = Vec::new();
    while !greeting.ends_with(b"PONG\r\n") {
        socket.read_buf(&mut greeting).await?;
    }
    let (before, (ours, servers), start) = (held.heard.count(), stage.usage()?, Instant::now());
    let mut sent = 0;
    for batch in batches.iter().cycle() {
        if sent >= messages {
            break;
        }
        held.heard
            .wait_for((before + sent + BATCH).saturating_sub(WINDOW))
            .await;
        socket.write_all(batch.as_bytes()).await?;
        sent += BATCH;
    }
    held.heard.wait_for(before + sent).await;
    let time = start.elapsed();
    let (ours_after, servers_after) = stage.usage()?;
    Ok(json!({
        "messages": sent,
        "took_ms": millis(time),
        "messages_per_second": (sent as f64 / time.as_secs_f64()).round(),
        "cpu_us_per_message": ours_after.micros_each_since(&ours, sent),
        "server_cpu_us_per_message": servers_after.micros_each_since(&servers, sent),
    }))
}

/// Commands that publish to each of the channels in turn.
fn batches(held: &Held, channels: usize) -> Vec<String> {
    let subjects = Subjects::new(tidegate_backbone::DEFAULT_PREFIX).expect("the default prefix");
    let payload = "x".repeat(PAYLOAD);
    let mut names = held.channels[..channels].iter().cycle();
    let mut batch = |_| {
        let mut commands = String::new();
        for channel in names.by_ref().take(BATCH) {
            let subject = subjects.publication(channel);
            let _ = write!(commands, "PUB {subject} {PAYLOAD}\r\n{payload}\r\n");
        }
        commands
    };
    (0..channels.div_ceil(BATCH)).map(&mut batch).collect()
}
