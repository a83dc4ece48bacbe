//! Keeps the streams in step with their options, and notices when one is not what it was.
//!
//! A look at the streams begins with a call to all nodes, so that what any of them has seen counts. A stream that has less than
//! that has lost its end, and gets another epoch, before this node uses it again.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::mark::{Found, Mark, Run, Verdict};
use super::roll::Called;
use super::settings::{self, Fault, Info};
use super::{Keeping, KeptStream, PATIENCE, Wants, ask, milliseconds, parse};
use crate::nats::metadata;
use crate::nats::node::Node;
use crate::{Durability, Error};

/// Time after which a stream that is not as it should be is looked at again.
const AGAIN: Duration = Duration::from_secs(2);

/// Time after which one that is, is.
const LOOK: Duration = Duration::from_secs(30);

/// Looks at a stream with several copies, and the time between them, after which what its leader says is believed: one that was
/// just elected may not have read all that it has.
const CONFIRMATIONS: u32 = 4;
const BETWEEN: Duration = Duration::from_millis(500);

/// Keeps the streams in step with their options for as long as the node lives.
pub(in crate::nats) async fn keep(node: Arc<Node>) {
    loop {
        let mut pause = match node.monitoring.look().await {
            true => LOOK,
            false => AGAIN,
        };
        let (begin, run) = (Instant::now(), node.run());
        let in_doubt = node.streams.iter().any(KeptStream::is_unknown);
        let called = node.roll.call(&node, in_doubt).await;
        let mut is_complete = true;
        for stream in node.streams.iter() {
            match examine(&node, stream, run.as_deref(), called).await {
                Ok(()) => {}
                Err(Fault::Unavailable(error)) => {
                    tracing::debug!(stream = stream.name, %error, "stream is not reached, trying again");
                    (is_complete, pause) = (false, AGAIN);
                }
                Err(Fault::Settings(reason)) => {
                    stream.refuse(reason);
                    (is_complete, pause) = (false, AGAIN * 5);
                }
                Err(Fault::Spread(partitions)) => {
                    let namespace = stream.options.namespace.as_deref();
                    node.streams.spread(namespace, partitions);
                    node.look.notify_one();
                    is_complete = false;
                }
            }
        }
        if is_complete {
            node.roll.forget(begin);
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = node.look.notified() => {}
        }
    }
}

/// Looks whether a stream is as it should be, and what it was.
async fn examine(
    node: &Node,
    stream: &KeptStream,
    server: Option<&str>,
    called: Called,
) -> Result<(), Fault> {
    for attempt in 1.. {
        let mark = stream.mark().clone();
        let mut info = settings::ensure(node, stream).await?;
        let run = server.filter(|_| info.replicas() == 1);
        let is_noted = run.is_none() || run == info.run();
        let is_ours = stream.keeping == Keeping::Keep;
        match judge(node, stream, &mark, &info, run, called).await? {
            Verdict::Whole if is_noted || !is_ours => {}
            Verdict::Whole => info = settings::note(node, stream, &info, run, false).await?,
            Verdict::Lost(_) if !is_ours => {}
            Verdict::Lost(_) if info.replicas() > 1 && attempt < CONFIRMATIONS => {
                stream.doubt();
                sleep(BETWEEN).await;
                continue;
            }
            Verdict::Lost(reason) => {
                info = settings::note(node, stream, &info, run, true).await?;
                let stream = &stream.name;
                tracing::warn!(
                    stream,
                    reason,
                    "the stream may have lost its end and has a new epoch: clients are told"
                );
            }
        }
        let mut is_another = false;
        let adopt = || is_another = stream.adopt(&info, &node.monitoring);
        if !node.while_in(server, adopt) {
            return Err(Error::Unavailable("the server was started again".to_owned()).into());
        }
        if is_another {
            node.interrupt(stream);
        }
        return Ok(());
    }
    Ok(())
}

async fn judge(
    node: &Node,
    stream: &KeptStream,
    mark: &Mark,
    info: &Info,
    run: Option<&str>,
    called: Called,
) -> Result<Verdict, Error> {
    let epoch = info.epoch();
    let (dated, named) = match mark.epoch == *epoch {
        true => (mark.dated.0, mark.named.0),
        false => (0, 0),
    };
    let time = stored(node, stream, dated).await?.map(|(time, _)| time);
    let id = stored(node, stream, named).await?.map(|(_, id)| id);
    let (level, _) = info.durability(&node.monitoring);
    Ok(mark.judge(&Found {
        created: &info.created,
        epoch: &epoch,
        last: info.state.last_seq,
        time,
        id,
        run: match (run, info.run(), called) {
            (Some(now), Some(then), _) if now == then => Run::Same,
            (Some(_), Some(_), Called::Everybody) => Run::New,
            (Some(_), Some(_), Called::NotEverybody) => Run::NewUnheard,
            (None, ..) | (_, None, _) => Run::Unknown,
        },
        can_lose: level < Durability::Synced,
    }))
}

/// The time of the message with a sequence, in milliseconds, and its id, if it is there.
async fn stored(
    node: &Node,
    stream: &KeptStream,
    sequence: u64,
) -> Result<Option<(u64, String)>, Error> {
    #[derive(Deserialize)]
    struct Message {
        time: String,
        #[serde(default)]
        hdrs: String,
    }
    #[derive(Deserialize)]
    struct Stored {
        message: Message,
    }
    if sequence == 0 {
        return Ok(None);
    }
    let subject = format!("$JS.API.STREAM.MSG.GET.{}", stream.name);
    let request = json!({ "seq": sequence });
    let deadline = Instant::now() + PATIENCE;
    let answers = ask(node, &subject, &request, Wants::One, deadline).await?;
    let Ok(Stored { message }) = parse(&answers[0]) else {
        return Ok(None);
    };
    let time = milliseconds(&message.time).unwrap_or(0);
    Ok(Some((time, metadata::message_id(&message.hdrs))))
}
