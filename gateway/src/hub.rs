//! Who on this worker listens to what: publications in, one queue push per subscriber out.
//!
//! A worker's hub belongs to one thread. It takes what waits in the worker's queue, adds the publications of each
//! channel to that channel's [`log`] as ready-made frames, and wakes the subscribers' tasks, which then write from where
//! they stand to the head at once. While they write the next publications gather, so that a busy channel costs each
//! subscriber one write for many. Nothing is encoded, copied, allocated or locked per subscriber.

pub(crate) mod log;
mod segments;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use smallvec::SmallVec;
use tidegate_backbone::{Channel, Error, Publication};
use tidegate_codec::{ClientInfo, Encoded, Event, Format, Push};
use tokio::sync::mpsc::Receiver;

use crate::counters::Counters;
use crate::interest::{Interest, Topic};
use crate::outbox::Outbox;
use crate::wire::Wire;
use log::{Cursor, Log};
use segments::Spares;

/// Publications taken from the worker's queue before other tasks of the worker get a turn.
const BATCH: usize = 64;

/// Bytes of publications after which they get a turn, however few these are: a burst must not fill the outbox of a client
/// that reads.
const BATCH_BYTES: usize = 64 * 1024;

/// Publications of a channel that make up one frame, if so many come at once.
const FRAME_MESSAGES: usize = 16;

/// One publication on its way to the node's workers, encoded once per format for all of them.
#[derive(Debug, Clone)]
pub struct Broadcast(Arc<Encodings>);

#[derive(Debug)]
struct Encodings {
    channel: Channel,
    publication: Publication,
    json: OnceLock<Option<Encoded>>,
    protobuf: OnceLock<Option<Encoded>>,
    counters: Arc<Counters>,
}

impl Broadcast {
    /// A publication that nobody has needed encoded yet.
    #[must_use]
    pub fn new(channel: Channel, publication: Publication, counters: Arc<Counters>) -> Self {
        Self(Arc::new(Encodings {
            channel,
            publication,
            json: OnceLock::new(),
            protobuf: OnceLock::new(),
            counters,
        }))
    }

    /// Bytes of its payload.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.publication.data.len()
    }

    /// The push for clients of `format`; `None` when the publication has no form there.
    #[must_use]
    pub fn encoded(&self, format: Format) -> Option<&Encoded> {
        let cell = match format {
            Format::Json => &self.0.json,
            Format::Protobuf => &self.0.protobuf,
        };
        cell.get_or_init(|| self.encode(format)).as_ref()
    }

    fn encode(&self, format: Format) -> Option<Encoded> {
        let event = Event::Publication(to_client(&self.0.publication, format));
        let push = Push {
            channel: self.0.channel.as_str().to_owned(),
            event,
        };
        let encoded = format.encode_push(&push);
        if encoded.is_err() {
            self.0.counters.not_json.add(1);
            tracing::debug!(
                channel = self.0.channel.as_str(),
                "publication is not valid JSON, JSON clients do not get it"
            );
        }
        encoded.ok()
    }
}

/// A publication as clients of `format` see it. Payloads about the publisher that the format cannot carry, from a token's
/// `b64info`, are left out.
fn to_client(publication: &Publication, format: Format) -> tidegate_codec::Publication {
    let payload = |bytes: &Bytes| match format.accepts(bytes) {
        true => bytes.clone(),
        false => Bytes::new(),
    };
    tidegate_codec::Publication {
        data: publication.data.clone(),
        info: publication.info.as_ref().map(|info| ClientInfo {
            user: info.user.clone(),
            client: info.client.clone(),
            conn_info: payload(&info.conn_info),
            chan_info: payload(&info.chan_info),
        }),
        tags: publication.tags.clone(),
        ..Default::default()
    }
}

/// The subscribers of one worker.
pub struct Hub {
    worker: usize,
    interest: Arc<Interest>,
    counters: Arc<Counters>,
    /// Publications taken from the worker's queue so far.
    taken: Cell<u64>,
    channels: RefCell<HashMap<Channel, Rc<Members>>>,
    /// Channels with publications that stand in no log yet.
    touched: RefCell<Vec<Rc<Members>>>,
    spares: Rc<Spares>,
}

/// The subscribers of one channel.
struct Members {
    topic: Arc<Topic>,
    /// The first of the worker's publications that is for them. Those before it were queued for members who have left,
    /// and a gap may follow them.
    since: u64,
    /// One for each form of frames that somebody needs.
    logs: RefCell<Vec<Rc<Log>>>,
    /// Publications that stand in no log yet.
    batch: RefCell<Vec<Broadcast>>,
}

/// A place among a channel's subscribers; dropping it gives it up.
pub struct Membership {
    hub: Rc<Hub>,
    members: Rc<Members>,
    cursor: Rc<Cursor>,
}

impl Hub {
    /// The hub of worker number `worker`.
    #[must_use]
    pub fn new(worker: usize, interest: Arc<Interest>, counters: Arc<Counters>) -> Rc<Self> {
        Rc::new(Self {
            worker,
            interest,
            counters,
            taken: Cell::new(0),
            channels: RefCell::default(),
            touched: RefCell::default(),
            spares: Rc::default(),
        })
    }

    /// Delivers what comes in for this worker until the node is gone.
    pub async fn run(self: Rc<Self>, mut queue: Receiver<Broadcast>) {
        while let Some(first) = queue.recv().await {
            let (mut next, mut count, mut bytes) = (Some(first), 0, 0);
            while let Some(broadcast) = next {
                let size = broadcast.size();
                self.collect(broadcast);
                self.taken.set(self.taken.get() + 1);
                count += 1;
                self.interest.taken(self.worker, size);
                bytes += size;
                let has_room = count < BATCH && bytes < BATCH_BYTES;
                next = has_room.then(|| queue.try_recv().ok()).flatten();
            }
            self.deliver();
            // Connections' tasks run on this thread too: let them write.
            tokio::task::yield_now().await;
        }
    }

    /// Takes one publication, for [`Hub::deliver`] to put before the subscribers of its channel on this worker.
    pub fn collect(&self, broadcast: Broadcast) {
        let channels = self.channels.borrow();
        let Some(members) = channels.get(&broadcast.0.channel) else {
            return;
        };
        if self.taken.get() < members.since {
            return;
        }
        let mut batch = members.batch.borrow_mut();
        if batch.is_empty() {
            self.touched.borrow_mut().push(Rc::clone(members));
        }
        batch.push(broadcast);
    }

    /// Puts what was collected into the logs, and wakes whoever has to write it.
    pub fn deliver(&self) {
        for members in self.touched.take() {
            let batch = members.batch.take();
            for log in members.logs.borrow().iter() {
                let format = log.wire().format;
                let encoded = batch.iter().filter_map(|it| it.encoded(format).cloned());
                let messages: SmallVec<[Encoded; 4]> = encoded.collect();
                if messages.is_empty() {
                    continue;
                }
                log.append(&messages, FRAME_MESSAGES);
                let delivered = messages.len() * log.len();
                self.counters.publications_out.add(delivered as u64);
            }
        }
    }

    /// Makes sure that this node receives a channel. Joins nobody yet: see [`Hub::attach`].
    ///
    /// # Errors
    /// The backbone's [`Error`].
    pub async fn join(&self, channel: &Channel) -> Result<Arc<Topic>, Error> {
        let topic = self.interest.topic(channel);
        topic.ready().await?;
        Ok(topic)
    }

    /// Starts delivery of a joined channel to a connection's outbox.
    #[must_use]
    pub fn attach(self: &Rc<Self>, topic: Arc<Topic>, outbox: &Rc<Outbox>) -> Membership {
        let mut channels = self.channels.borrow_mut();
        let channel = topic.channel().clone();
        let members = channels.entry(channel).or_insert_with(|| {
            topic.add_worker(self.worker);
            Rc::new(Members {
                topic,
                since: self.taken.get() + self.interest.waiting(self.worker),
                logs: RefCell::default(),
                batch: RefCell::default(),
            })
        });
        let log = members.log(outbox.wire(), &self.spares);
        let cursor = log.join(outbox);
        self.counters.subscriptions.add(1);
        Membership {
            hub: Rc::clone(self),
            members: Rc::clone(members),
            cursor,
        }
    }

    fn detach(&self, membership: &Membership) {
        membership.cursor.leave();
        self.counters.subscriptions.sub(1);
        let log = membership.cursor.log();
        if log.len() > 0 {
            return;
        }
        let members = &membership.members;
        let mut logs = members.logs.borrow_mut();
        logs.retain(|other| !Rc::ptr_eq(other, log));
        if logs.is_empty() {
            members.topic.remove_worker(self.worker);
            self.channels.borrow_mut().remove(members.topic.channel());
        }
    }
}

impl Members {
    /// The log for clients of this form.
    fn log(&self, wire: Wire, spares: &Rc<Spares>) -> Rc<Log> {
        let mut logs = self.logs.borrow_mut();
        if let Some(log) = logs.iter().find(|log| log.wire() == wire) {
            return Rc::clone(log);
        }
        let log = Log::new(wire, Rc::clone(spares));
        logs.push(Rc::clone(&log));
        log
    }
}

impl Membership {
    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        self.members.topic.channel()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.detach(self);
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels = self.channels.borrow().len();
        f.debug_struct("Hub")
            .field("worker", &self.worker)
            .field("channels", &channels)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("channel", self.channel())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::FutureExt;
    use tidegate_backbone::Backbone;
    use tidegate_backbone::embedded::Embedded;

    use super::*;

    const JSON: Wire = Wire {
        format: Format::Json,
    };

    /// Numbers of the publications that wait in an outbox.
    fn received(outbox: &Outbox) -> Vec<u32> {
        let mut text = String::new();
        let flushed = outbox.poll_flush(&mut |bytes| {
            text.push_str(&String::from_utf8_lossy(bytes));
            Poll::Ready(Ok(bytes.len()))
        });
        assert!(flushed.is_ready());
        let numbers = text.split("\"data\":").skip(1);
        numbers
            .filter_map(|part| part.split('}').next()?.parse().ok())
            .collect()
    }

    #[test]
    fn info_that_is_not_json_is_left_out_for_json_clients_alone() {
        let info = tidegate_backbone::ClientInfo {
            user: "42".to_owned(),
            conn_info: Bytes::from_static(b"\xffhello"),
            chan_info: Bytes::from_static(b"{}"),
            ..Default::default()
        };
        let publication = Publication {
            data: Bytes::from_static(b"1"),
            info: Some(info),
            ..Publication::default()
        };
        let json = to_client(&publication, Format::Json).info.unwrap();
        assert_eq!(
            (json.conn_info.as_ref(), json.chan_info.as_ref()),
            (&b""[..], &b"{}"[..])
        );
        assert_eq!(json.user, "42");
        let protobuf = to_client(&publication, Format::Protobuf).info.unwrap();
        assert_eq!(protobuf.conn_info.as_ref(), b"\xffhello");
    }

    #[tokio::test]
    async fn what_was_queued_for_members_who_left_is_not_for_those_who_came() {
        let backbone = Arc::new(Embedded::new());
        let counters = Arc::new(Counters::default());
        let (interest, mut queues) =
            Interest::new(Arc::clone(&backbone) as _, 1, Arc::clone(&counters));
        let hub = Hub::new(0, interest, counters);
        let channel = Channel::parse("news").unwrap();
        let publish = async |number: u32| {
            let publication = Publication {
                data: number.to_string().into(),
                ..Publication::default()
            };
            backbone.publish(&channel, publication).await.unwrap();
        };
        let outbox = Rc::new(Outbox::new(JSON, 10_000));
        let topic = hub.join(&channel).await.unwrap();

        let first = hub.attach(Arc::clone(&topic), &outbox);
        publish(1).await;
        drop(first);
        publish(2).await;
        let _second = hub.attach(topic, &outbox);
        publish(3).await;
        publish(4).await;
        let run = Rc::clone(&hub).run(queues.remove(0));
        assert!(run.now_or_never().is_none(), "it ended");
        assert_eq!(received(&outbox), [3, 4]);
    }
}
