//! What the stream of the test's namespace holds: asked of its leader, so that nothing of ours is between.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::{Client, ConnectOptions};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tidegate_loadtest::stamp::Stamp;

/// Asks what is known of the stream of the namespace.
const STREAM: &str = "$JS.API.STREAM.INFO.tide_kept";

/// Asks for a message of it.
const MESSAGE: &str = "$JS.API.STREAM.MSG.GET.tide_kept";

/// Messages that are asked for at the same time.
const AT_ONCE: usize = 64;

/// How long an answer is awaited.
const ANSWER: Duration = Duration::from_secs(1);

/// What is known of the stream, from any of these servers.
pub(crate) async fn info(servers: &[String]) -> Result<Value> {
    let answer = client(servers).await?.request(STREAM, "".into()).await?;
    let info: Value = serde_json::from_slice(&answer.payload)?;
    ensure!(info["error"].is_null(), "{info}");
    Ok(info)
}

/// What it holds, by channel, in its order.
pub(crate) async fn stored(servers: &[String], channels: u32) -> Result<Vec<Vec<u32>>> {
    let last = info(servers).await?["state"]["last_seq"].as_u64();
    let client = client(servers).await?;
    let message = async |sequence: u64| {
        let request = json!({ "seq": sequence }).to_string();
        let answer = client.request(MESSAGE, request.into()).await?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        let data = answer["message"]["data"].as_str().context("no message")?;
        let (stamp, _) = Stamp::find(&BASE64.decode(data)?).context("a message of others")?;
        anyhow::Ok(stamp)
    };
    let sequences = 1..=last.context("a stream without a state")?;
    let mut messages = stream::iter(sequences).map(message).buffered(AT_ONCE);
    let mut stored = vec![Vec::new(); channels as usize];
    while let Some(stamp) = messages.try_next().await? {
        stored[stamp.channel as usize].push(stamp.sequence);
    }
    Ok(stored)
}

async fn client(servers: &[String]) -> Result<Client> {
    // Nobody answers while nobody leads.
    let options = ConnectOptions::new().request_timeout(Some(ANSWER));
    Ok(options.connect(servers).await?)
}
