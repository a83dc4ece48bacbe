//! Publishing on schedule, from publishers' connections to the channels in turn.
//!
//! The loop is open: what is late is sent at once, with the time that it was meant for.

use anyhow::Result;

use super::Worker;
use super::acknowledgement::Outstanding;
use super::events::Happened;
use crate::clock::{self, SECOND};
use crate::dialect::PUBLISH;
use crate::latency::Metric;
use crate::order::{Assignment, Notice, Role};
use crate::roster::Group;
use crate::schedule::{Progress, Schedule};
use crate::stamp::Stamp;
use crate::wire::Outgoing;

/// Messages sent between two looks at what has come.
pub(super) const BATCH: usize = 512;

/// How long replies are awaited after the last publish.
const PATIENCE: u64 = 10 * SECOND;

/// Messages of one group.
#[derive(Debug)]
struct Stream {
    progress: Progress,
    first_channel: u32,
    channels: u32,
    size: usize,
}

#[derive(Debug)]
pub(super) struct Publishing {
    streams: Vec<Stream>,
    /// The number of the last message, by channel.
    counts: Vec<u32>,
    /// Names, by channel.
    subjects: Vec<String>,
    /// What is to be sent, by connection.
    outgoing: Vec<Outgoing>,
    pub(super) outstanding: Outstanding,
    pub(super) inputs: Option<Progress>,
    pub(super) input_size: usize,
    pub(super) payload: Vec<u8>,
    began: u64,
    /// When publishing ends; none while there is none.
    end: Option<u64>,
}

impl Publishing {
    pub(super) fn new(assignment: &Assignment) -> Self {
        let roster = &assignment.roster;
        let connections = match assignment.role {
            Role::Publishers { connections } => connections,
            Role::Subscribers { .. } => 0,
        };
        let channels = match connections {
            0 => 0,
            _ => roster.channels(),
        };
        let names = (0..channels).filter_map(|channel| roster.name(channel));
        Self {
            streams: Vec::new(),
            counts: vec![0; channels as usize],
            subjects: names
                .map(|name| subject(&assignment.subject, &name))
                .collect(),
            outgoing: (0..connections).map(|_| Outgoing::default()).collect(),
            outstanding: Outstanding::from(PUBLISH),
            inputs: None,
            input_size: roster.groups().first().map_or(0, |group| group.size),
            payload: Vec::new(),
            began: 0,
            end: None,
        }
    }

    /// Publishes at each group's rate from `start` to `end`.
    pub(super) fn start(&mut self, groups: &[Group], start: u64, end: u64) {
        let mut first_channel = 0;
        for group in groups {
            let rate = group.rate * f64::from(group.channels);
            self.streams.push(Stream {
                progress: Progress::new(Schedule { start, end, rate }),
                first_channel,
                channels: group.channels,
                size: group.size,
            });
            first_channel += group.channels;
        }
        (self.began, self.end) = (start, Some(end));
    }

    /// Sends inputs at this rate, from all clients together.
    pub(super) fn start_inputs(&mut self, rate: f64, start: u64, end: u64) {
        self.inputs = Some(Progress::new(Schedule { start, end, rate }));
    }

    pub(super) fn next_moment(&self) -> Option<u64> {
        let streams = self.streams.iter().map(|stream| stream.progress.next());
        let moments = streams.chain([self.inputs.as_ref().and_then(Progress::next), self.end]);
        moments.flatten().min()
    }

    /// The next message that is due: its channel, size and intended time.
    fn due(&mut self, now: u64) -> Option<(u32, usize, u64)> {
        self.streams.iter_mut().find_map(|stream| {
            let (index, intended) = stream.progress.due(now)?;
            let channel = (index % u64::from(stream.channels)) as u32;
            Some((stream.first_channel + channel, stream.size, intended))
        })
    }
}

impl Worker {
    pub(super) fn publish_due(&mut self, now: u64) -> Result<()> {
        for _ in 0..BATCH {
            let Some((channel, size, intended)) = self.publishing.due(now) else {
                break;
            };
            if intended >= self.traffic.measure {
                self.tally.record(Metric::Lag, now.saturating_sub(intended));
            }
            self.publish(channel, size, intended);
        }
        self.flush_publishers();
        let over = self
            .publishing
            .streams
            .iter()
            .all(|stream| stream.progress.next().is_none());
        let answered = self.publishing.outstanding.is_empty() || self.answers_nothing();
        let Some(end) = self.publishing.end.filter(|end| over && now >= *end) else {
            return Ok(());
        };
        if !answered && now < end + PATIENCE {
            // Looked at again with the next reply, or soon.
            return Ok(());
        }
        self.publishing.end = None;
        self.tell_published()
    }

    /// One message to each channel, at once.
    pub(super) fn burst(&mut self) -> Result<()> {
        let now = clock::now();
        self.publishing.began = now;
        let groups = self.assignment.roster.groups();
        let sizes = groups
            .iter()
            .flat_map(|group| std::iter::repeat_n(group.size, group.channels as usize));
        let sizes: Vec<usize> = sizes.collect();
        for (channel, size) in sizes.into_iter().enumerate() {
            self.publish(channel as u32, size, now);
        }
        self.flush_publishers();
        self.tell_published()
    }

    fn tell_published(&mut self) -> Result<()> {
        self.line.tell(&Notice::Published {
            counts: self.publishing.counts.clone(),
            began: self.publishing.began,
        })
    }

    fn publish(&mut self, channel: u32, size: usize, intended: u64) {
        let publishing = &mut self.publishing;
        let connections = publishing.outgoing.len();
        let sequence = &mut publishing.counts[channel as usize];
        *sequence += 1;
        let stamp = Stamp {
            channel,
            sequence: *sequence,
            intended,
        };
        stamp.write(size, &mut publishing.payload);
        let id = publishing.outstanding.add(intended);
        let subject = &publishing.subjects[channel as usize];
        // A channel keeps to one connection, which keeps its messages in order.
        let outgoing = &mut publishing.outgoing[channel as usize % connections];
        let mut frames = outgoing.frames(self.framing);
        self.dialect
            .publish(id, subject, &publishing.payload, &mut frames);
        self.tally.counters.published += 1;
    }

    fn flush_publishers(&mut self) {
        for index in 0..self.publishing.outgoing.len() {
            let mut bytes = std::mem::take(&mut self.publishing.outgoing[index].bytes);
            if !bytes.is_empty() {
                self.send(index, &mut bytes);
                bytes.clear();
            }
            self.publishing.outgoing[index].bytes = bytes;
        }
    }

    /// A publish has its reply.
    pub(super) fn published(&mut self, event: Happened) {
        let id = match event {
            Happened::Done(id) => {
                self.tally.counters.acknowledged += 1;
                id
            }
            Happened::Refused { id, reason } => {
                self.tally.fault(&format!("publish refused: {reason}"));
                id
            }
            Happened::Invited | Happened::Subscribed { .. } => return,
        };
        if let Some(intended) = self.publishing.outstanding.take(id)
            && intended >= self.traffic.measure
        {
            let latency = clock::now().saturating_sub(intended);
            self.tally.record(Metric::Publish, latency);
        }
    }

    /// Whether no publish has been answered: some servers do not.
    fn answers_nothing(&self) -> bool {
        self.tally.counters.acknowledged == 0
    }
}

/// A channel's name where it is published: `{channel}` is its name, `{namespace}` what is before its first colon, `_` if
/// nothing is, and `{name}` what follows.
fn subject(template: &str, channel: &str) -> String {
    let (namespace, name) = channel.split_once(':').unwrap_or(("_", channel));
    template
        .replace("{channel}", channel)
        .replace("{namespace}", namespace)
        .replace("{name}", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_follow_their_template() {
        for (template, channel, expected) in [
            ("{channel}", "chat:a-1", "chat:a-1"),
            (
                "tide.pub.{namespace}.{name}",
                "chat:a-1",
                "tide.pub.chat.a-1",
            ),
            ("tide.pub.{namespace}.{name}", "a-1", "tide.pub._.a-1"),
        ] {
            assert_eq!(subject(template, channel), expected);
        }
    }
}
