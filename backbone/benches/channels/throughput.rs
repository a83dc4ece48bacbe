//! How many publications a second one node takes off NATS, and at what cost.
//!
//! They come from a plain socket with ready-made bytes, so that the CPU of this process is nearly that of receiving.

use std::fmt::Write;
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use serde_json::{Value, json};
use tidegate_backbone::{Backbone, Publication, Subjects};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::hold::Held;
use crate::process::Usage;
use crate::samples::millis;
use crate::stage::Stage;

/// Publications that are under way at most, of one channel and in all.
const WINDOW: usize = 2_048;
const WIDE_WINDOW: usize = 65_536;

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
    let window = WIDE_WINDOW.min(channels * WINDOW);
    let mut socket = TcpStream::connect(stage.server.address()).await?;
    socket
        .write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n")
        .await?;
    let mut greeting = Vec::new();
    while !greeting.ends_with(b"PONG\r\n") {
        socket.read_buf(&mut greeting).await?;
    }
    let (before, meter) = (held.heard.count(), Meter::start(stage)?);
    let mut sent = 0;
    for batch in batches.iter().cycle() {
        if sent >= messages {
            break;
        }
        held.heard
            .wait_for((before + sent + BATCH).saturating_sub(window))
            .await;
        socket.write_all(batch.as_bytes()).await?;
        sent += BATCH;
    }
    held.heard.wait_for(before + sent).await;
    meter.read(stage, sent)
}

/// What a phase has used since its start.
struct Meter {
    start: Instant,
    ours: Usage,
    servers: Usage,
}

impl Meter {
    fn start(stage: &Stage) -> Result<Self> {
        let (ours, servers) = stage.usage()?;
        let start = Instant::now();
        Ok(Self {
            start,
            ours,
            servers,
        })
    }

    fn read(&self, stage: &Stage, messages: usize) -> Result<Value> {
        let time = self.start.elapsed();
        let (ours, servers) = stage.usage()?;
        Ok(json!({
            "messages": messages,
            "took_ms": millis(time),
            "messages_per_second": (messages as f64 / time.as_secs_f64()).round(),
            "cpu_us_per_message": ours.micros_each_since(&self.ours, messages),
            "server_cpu_us_per_message": servers.micros_each_since(&self.servers, messages),
        }))
    }
}

/// The same through the other node, so that the CPU of this process is that of publishing and of receiving.
pub(crate) async fn measure_sending(stage: &Stage, held: &Held, messages: usize) -> Result<Value> {
    let publication = Publication {
        data: Bytes::from(vec![b'x'; PAYLOAD]),
        ..Publication::default()
    };
    let (before, meter) = (held.heard.count(), Meter::start(stage)?);
    for sent in 0..messages {
        if sent % BATCH == 0 {
            held.heard
                .wait_for((before + sent + BATCH).saturating_sub(WIDE_WINDOW))
                .await;
        }
        let channel = &held.channels[sent % held.channels.len()];
        let _unconfirmed = stage.near.send(channel, publication.clone()).await?;
    }
    held.heard.wait_for(before + messages).await;
    meter.read(stage, messages)
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
