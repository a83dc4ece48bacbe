//! Publications one by one or in atomic batches, straight to a stream, by a client library: what the server makes of each.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use async_nats::{Client, HeaderMap};
use serde_json::{Value, json};

/// Messages of one batch; one is no batch.
pub(crate) const SIZES: [usize; 4] = [1, 16, 64, 256];

/// Publications under way at the same time.
const UNDER_WAY: usize = 1_024;

/// Publications a second, with batches of this size.
pub(crate) async fn measure(client: &Client, size: usize, length: Duration) -> Result<f64> {
    let end = Instant::now() + length;
    let begin = Instant::now();
    // What was sent before has other ids.
    let run: u32 = rand::random();
    let publishers = (0..UNDER_WAY / size).map(|number| {
        let publisher = Publisher {
            client: client.clone(),
            number,
            size,
            run,
        };
        tokio::spawn(publisher.publish(end))
    });
    let publishers: Vec<_> = publishers.collect();
    let mut count = 0;
    for publisher in publishers {
        count += publisher.await??;
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}

struct Publisher {
    client: Client,
    number: usize,
    size: usize,
    run: u32,
}

impl Publisher {
    /// One batch after the other, each message of it in a channel of its own.
    async fn publish(self, end: Instant) -> Result<usize> {
        let mut count = 0;
        let mut id = String::new();
        while Instant::now() < end || count == 0 {
            for at in 1..=self.size {
                id.clear();
                write!(id, "{}-{}-{count}-{at}", self.run, self.number)?;
                let subject = format!("tide.pub.kept.{}.{at}", self.number);
                let headers = self.headers(&id, count, at);
                let data = vec![b'x'; 128];
                if at < self.size {
                    let sent = self
                        .client
                        .publish_with_headers(subject, headers, data.into());
                    sent.await?;
                    continue;
                }
                let asked = self
                    .client
                    .request_with_headers(subject, headers, data.into());
                let answer: Value = serde_json::from_slice(&asked.await?.payload)?;
                ensure!(answer["error"].is_null(), "{answer}");
            }
            count += self.size;
        }
        Ok(count)
    }

    fn headers(&self, id: &str, batch: usize, at: usize) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        if self.size > 1 {
            headers.insert(
                "Nats-Batch-Id",
                format!("{}-{}-{batch}", self.run, self.number),
            );
            headers.insert("Nats-Batch-Sequence", at.to_string());
        }
        if self.size > 1 && at == self.size {
            headers.insert("Nats-Batch-Commit", "1");
        }
        headers
    }
}

/// Lets the stream take batches.
pub(crate) async fn allow(client: &Client) -> Result<()> {
    let ask = async |verb: &str, body: Vec<u8>| -> Result<Value> {
        let subject = format!("$JS.API.STREAM.{verb}.tide_kept");
        let answer = client.request(subject, body.into()).await?;
        Ok(serde_json::from_slice(&answer.payload)?)
    };
    let mut config = ask("INFO", Vec::new()).await?["config"].take();
    config["allow_atomic"] = json!(true);
    let updated = ask("UPDATE", config.to_string().into()).await?;
    ensure!(updated["error"].is_null(), "{updated}");
    Ok(())
}
