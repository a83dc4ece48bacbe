//! The newest positions of many channels: asked for one by one, of the stream's leader, or all at once, of any copy.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use async_nats::{Client, Message};
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use serde_json::json;

/// Channels of the stream.
const CHANNELS: usize = 10_000;

/// Channels that are asked for.
const ASKED: usize = 256;

/// What was asked, and what it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) time: Duration,
    pub(crate) bytes: usize,
}

/// How they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    OneByOne,
    AllAtOnce,
}

/// Fills the stream with one message of this size in each channel.
pub(crate) async fn fill(client: &Client, size: usize) -> Result<()> {
    for first in (0..CHANNELS).step_by(500) {
        let published = (first..first + 500).map(|number| {
            let data = vec![b'x'; size];
            client.request(subject(number), data.into())
        });
        try_join_all(published).await?;
    }
    Ok(())
}

/// Asks for some channels that lie far apart.
pub(crate) async fn ask(client: &Client, way: Way, turn: usize) -> Result<Figures> {
    let step = CHANNELS / ASKED;
    let subjects: Vec<_> = (0..ASKED)
        .map(|it| subject(it * step + turn % step))
        .collect();
    let begin = Instant::now();
    let bytes = match way {
        Way::OneByOne => one_by_one(client, &subjects).await?,
        Way::AllAtOnce => all_at_once(client, &subjects).await?,
    };
    Ok(Figures {
        time: begin.elapsed(),
        bytes,
    })
}

async fn one_by_one(client: &Client, subjects: &[String]) -> Result<usize> {
    let asked = subjects.iter().map(|subject| {
        let request = json!({ "last_by_subj": subject }).to_string();
        client.request("$JS.API.STREAM.MSG.GET.tide_kept", request.into())
    });
    let answers = try_join_all(asked).await?;
    Ok(answers.iter().map(|answer| answer.length).sum())
}

async fn all_at_once(client: &Client, subjects: &[String]) -> Result<usize> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    let request = json!({ "multi_last": subjects, "batch": subjects.len() }).to_string();
    let api = "$JS.API.DIRECT.GET.tide_kept";
    client
        .publish_with_reply(api, inbox, request.into())
        .await?;
    let (mut count, mut bytes) = (0, 0);
    loop {
        let answer: Message = answers.next().await.context("no answer")?;
        bytes += answer.length;
        match answer.status {
            None => count += 1,
            Some(status) => {
                ensure!(count == subjects.len(), "{status} after {count}");
                return Ok(bytes);
            }
        }
    }
}

fn subject(number: usize) -> String {
    format!("tide.pub.kept.{number}")
}
