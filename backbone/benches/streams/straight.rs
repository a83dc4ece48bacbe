//! Measurements of servers without the backbone, to choose how it speaks to them.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::positions::Way;
use super::{Arguments, batches, carrier, positions};

/// Copies of the stream, and whether they are synced before a confirmation.
const SERVERS: [(u8, bool); 4] = [(1, false), (1, true), (3, false), (3, true)];

/// Bytes of the messages that positions are of.
const PAYLOADS: [usize; 3] = [128, 1_024, 16_384];

/// How often positions are asked for in each way.
const TURNS: usize = 30;

/// Publications one by one and in batches, in turn.
pub(crate) async fn batches(arguments: &Arguments) -> Result<()> {
    for (copies, is_synced) in SERVERS {
        let (urls, _servers) = carrier::servers(copies, is_synced).await?;
        let client = async_nats::connect(urls).await?;
        batches::allow(&client).await?;
        let mut rates = vec![Vec::new(); batches::SIZES.len()];
        for _ in 0..arguments.rounds {
            for (rates, size) in rates.iter_mut().zip(batches::SIZES) {
                let length = Duration::from_secs(arguments.seconds);
                rates.push(batches::measure(&client, size, length).await?);
            }
        }
        for (rates, size) in rates.iter_mut().zip(batches::SIZES) {
            rates.sort_unstable_by(f64::total_cmp);
            let line = json!({
                "copies": copies, "is_synced": is_synced, "batch": size, "per_second": rates[rates.len() / 2].round(),
                "least": rates[0].round(), "most": rates[rates.len() - 1].round(),
            });
            writeln!(std::io::stdout(), "{line}")?;
        }
    }
    Ok(())
}

/// Positions one by one and all at once, in turn.
pub(crate) async fn positions(arguments: &Arguments) -> Result<()> {
    for (copies, size) in [1, 3]
        .into_iter()
        .flat_map(|it| PAYLOADS.map(|size| (it, size)))
    {
        let (urls, _servers) = carrier::servers(copies, false).await?;
        let client = async_nats::connect(urls).await?;
        positions::fill(&client, size).await?;
        let mut found = [Vec::new(), Vec::new()];
        for turn in 0..TURNS * arguments.rounds {
            for (found, way) in found.iter_mut().zip([Way::OneByOne, Way::AllAtOnce]) {
                found.push(positions::ask(&client, way, turn).await?);
            }
        }
        for (found, way) in found.iter_mut().zip([Way::OneByOne, Way::AllAtOnce]) {
            found.sort_unstable_by_key(|it| it.time);
            let at = |percent: usize| found[(found.len() - 1) * percent / 100];
            let line = json!({
                "copies": copies, "payload": size, "way": format!("{way:?}"), "bytes": at(50).bytes,
                "p50_ms": at(50).time.as_secs_f64() * 1e3, "p90_ms": at(90).time.as_secs_f64() * 1e3,
            });
            writeln!(std::io::stdout(), "{line}")?;
        }
    }
    Ok(())
}
