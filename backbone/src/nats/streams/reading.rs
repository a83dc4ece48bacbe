//! Reads of a stream: the newest place from its leader, pages by batched direct gets from any server that has a copy.

use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::settings::{self, Info, milliseconds};
use super::{KeptStream, PATIENCE, PAUSE, Wants, ask, parse};
use crate::nats::inbox::Answer;
use crate::nats::metadata;
use crate::nats::node::Node;
use crate::{Channel, Epoch, Error, From, Page, Place, Position, Publication, Range, Top};

/// Positions that are asked for at the same time.
const AT_ONCE: usize = 256;

/// Messages of one get.
const BATCH: usize = 512;

/// JetStream's code for a subject without a message.
const NO_MESSAGE: u64 = 10037;

/// The newest place of each channel.
pub(in crate::nats) async fn tops(node: &Node, channels: &[Channel]) -> Result<Vec<Top>, Error> {
    let deadline = Instant::now() + PATIENCE;
    let mut tops = Vec::with_capacity(channels.len());
    for some in channels.chunks(AT_ONCE) {
        tops.extend(try_join_all(some.iter().map(|channel| top(node, channel, deadline))).await?);
    }
    Ok(tops)
}

async fn top(node: &Node, channel: &Channel, deadline: Instant) -> Result<Top, Error> {
    let stream = node
        .streams
        .of(channel)
        .ok_or_else(|| Error::NotKept(channel.clone()))?;
    if let Some(offset) = newest(node, stream, channel, deadline).await? {
        let epoch = stream.known_epoch()?;
        let position = Position { epoch, offset };
        return Ok(Top {
            position,
            is_empty: false,
        });
    }
    // What is stored after this is behind it, and what was before is found by the second look.
    let info = settings::info(node, stream, None, deadline).await?;
    stream.learn(&info);
    let found = newest(node, stream, channel, deadline).await?;
    Ok(Top {
        position: Position {
            epoch: info.epoch(),
            offset: found.unwrap_or(info.state.last_seq),
        },
        is_empty: found.is_none(),
    })
}

/// The sequence of a channel's newest message, by the stream's leader.
async fn newest(
    node: &Node,
    stream: &KeptStream,
    channel: &Channel,
    deadline: Instant,
) -> Result<Option<u64>, Error> {
    #[derive(Deserialize)]
    struct Found {
        message: Message,
    }
    #[derive(Deserialize)]
    struct Message {
        seq: u64,
    }
    let subject = format!("$JS.API.STREAM.MSG.GET.{}", stream.name);
    let request = json!({ "last_by_subj": node.subjects.publication(channel) });
    let answers = ask(node, &subject, &request, Wants::One, deadline).await?;
    match parse::<Found>(&answers[0]) {
        Ok(found) => Ok(Some(found.message.seq)),
        Err(error) if error.code == NO_MESSAGE => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads a channel.
pub(in crate::nats) async fn read(
    node: &Node,
    channel: &Channel,
    range: Range,
) -> Result<Page, Error> {
    let deadline = Instant::now() + PATIENCE;
    let stream = node
        .streams
        .of(channel)
        .ok_or_else(|| Error::NotKept(channel.clone()))?;
    let reading = Reading {
        node,
        stream,
        subject: node.subjects.publication(channel),
        top: top(node, channel, deadline).await?,
        deadline,
    };
    match range.from {
        From::After(offset) => reading.forward(offset, range).await,
        From::Before(offset) => reading.backward(offset, range).await,
    }
}

struct Reading<'a> {
    node: &'a Node,
    stream: &'a KeptStream,
    subject: String,
    top: Top,
    deadline: Instant,
}

/// Publications of one walk, and whether it was ended by a bound.
struct Walk {
    publications: Vec<Publication>,
    is_cut: bool,
}

impl Reading<'_> {
    async fn forward(self, after: u64, range: Range) -> Result<Page, Error> {
        if self.top.is_empty || after >= self.top.position.offset {
            let is_gapless = match self.top.is_empty {
                true => self.is_untouched(after).await?,
                false => after == self.top.position.offset,
            };
            return Ok(self.page(Vec::new(), is_gapless, false));
        }
        // From the offset itself: if that is still there, everything behind it is.
        let mut bounds = range;
        bounds.limit = range.limit.saturating_add(1);
        let walk = self.walk(after.max(1), bounds).await?;
        let (mut publications, mut has_more) = (walk.publications, walk.is_cut);
        let holds = publications.first().is_some_and(|it| offset(it) == after);
        if holds {
            publications.remove(0);
        }
        if publications.len() > range.limit {
            publications.truncate(range.limit);
            has_more = true;
        }
        let is_gapless = holds || self.is_untouched(after).await?;
        Ok(self.page(publications, is_gapless, has_more))
    }

    /// Whether nothing behind an offset that is not held has gone: neither by its age, which takes the stream's oldest
    /// first, nor to make room in its channel, which has some left.
    async fn is_untouched(&self, after: u64) -> Result<bool, Error> {
        let info = self.info().await?;
        let count = info
            .state
            .subjects
            .as_ref()
            .and_then(|it| it.get(&self.subject));
        let has_room = count.copied().unwrap_or(0) <= self.stream.options.size;
        if info.state.first_seq <= after + 1 && has_room && after <= info.state.last_seq {
            return Ok(true);
        }
        // An older one is held, so everything behind it is.
        let first = self.get(1, 1).await?;
        Ok(first.first().is_some_and(|it| offset(it) <= after))
    }

    async fn info(&self) -> Result<Info, Error> {
        settings::info(self.node, self.stream, Some(&self.subject), self.deadline).await
    }

    async fn backward(self, before: u64, range: Range) -> Result<Page, Error> {
        let end = before.min(self.top.position.offset.saturating_add(1));
        let mut span = (range.limit as u64).saturating_mul(4).max(64);
        loop {
            let start = end.saturating_sub(span).max(1);
            let everything = Range {
                from: From::After(0),
                limit: usize::MAX,
                max_bytes: usize::MAX,
            };
            let mut found = match self.top.is_empty {
                true => Vec::new(),
                false => self.walk(start, everything).await?.publications,
            };
            found.retain(|it| offset(it) < end);
            if found.len() <= range.limit && start > 1 && !self.top.is_empty {
                span = span.saturating_mul(8);
                continue;
            }
            found.reverse();
            let mut has_more = found.len() > range.limit;
            found.truncate(range.limit);
            has_more |= cut(&mut found, range.max_bytes);
            return Ok(self.page(found, false, has_more));
        }
    }

    /// Everything from a sequence up to the top, within bounds.
    async fn walk(&self, from: u64, bounds: Range) -> Result<Walk, Error> {
        let (mut next, mut publications, mut bytes) = (from, Vec::new(), 0);
        let top = self.top.position.offset;
        while next <= top {
            let wanted = BATCH.min(bounds.limit.saturating_sub(publications.len()));
            let got = self.get(next, wanted).await?;
            if got.is_empty() {
                // A copy that lags behind the leader; or the newest has gone meanwhile.
                if Instant::now() + PAUSE > self.deadline {
                    let reason = "copies of the stream lag behind its leader".to_owned();
                    return Err(Error::Unavailable(reason));
                }
                if newest(self.node, self.stream, &self.channel()?, self.deadline)
                    .await?
                    .is_none()
                {
                    break;
                }
                sleep(PAUSE).await;
            }
            for publication in got {
                next = offset(&publication) + 1;
                bytes += publication.data.len();
                if bytes > bounds.max_bytes && !publications.is_empty() {
                    return Ok(Walk {
                        publications,
                        is_cut: true,
                    });
                }
                publications.push(publication);
            }
            if publications.len() >= bounds.limit {
                let is_cut = next <= top;
                return Ok(Walk {
                    publications,
                    is_cut,
                });
            }
        }
        Ok(Walk {
            publications,
            is_cut: false,
        })
    }

    fn channel(&self) -> Result<Channel, Error> {
        let channel = self.node.subjects.channel(&self.subject);
        channel.ok_or_else(|| Error::Unavailable("a subject that names no channel".to_owned()))
    }

    /// Some messages of the channel from a sequence on. What is no publication is passed over.
    async fn get(&self, from: u64, count: usize) -> Result<Vec<Publication>, Error> {
        let api = format!("$JS.API.DIRECT.GET.{}", self.stream.name);
        let request = json!({
            "seq": from,
            "next_by_subj": self.subject,
            "batch": count,
        });
        let answers = ask(self.node, &api, &request, Wants::Row, self.deadline).await?;
        let epoch = self.stream.known_epoch()?;
        let messages = answers.iter().filter(|answer| answer.status().is_none());
        Ok(messages
            .filter_map(|answer| publication(answer, &epoch))
            .collect())
    }

    fn page(self, publications: Vec<Publication>, is_gapless: bool, has_more: bool) -> Page {
        Page {
            top: self.top,
            publications,
            is_gapless,
            has_more,
        }
    }
}

fn offset(publication: &Publication) -> u64 {
    publication.place.as_ref().map_or(0, |place| place.offset)
}

/// Cuts a page at its bound in bytes; tells whether something was cut.
fn cut(publications: &mut Vec<Publication>, max_bytes: usize) -> bool {
    let mut bytes = 0;
    let fitting = publications.iter().enumerate().take_while(|(index, it)| {
        bytes += it.data.len();
        *index == 0 || bytes <= max_bytes
    });
    let fitting = fitting.count();
    let is_cut = fitting < publications.len();
    publications.truncate(fitting);
    is_cut
}

/// A message that was read.
fn publication(answer: &Answer, epoch: &Epoch) -> Option<Publication> {
    let place = Place {
        epoch: Epoch::clone(epoch),
        offset: answer.header("Nats-Sequence")?.parse().ok()?,
        previous: None,
        time: milliseconds(answer.header("Nats-Time-Stamp")?)?,
    };
    let mut publication = metadata::decode(&answer.headers, &answer.payload).unwrap_or_else(|_| {
        // It stands in the stream and counts; what it says of itself does not.
        Publication {
            data: answer.payload.clone(),
            ..Publication::default()
        }
    });
    publication.place = Some(place);
    Some(publication)
}
