//! The streams of one namespace, of which who only observes has to find out how many there are.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::sleep;

use super::{Keeping, KeptStream};
use crate::{Channel, Partition, StreamOptions, Subjects};

/// Between two looks at whether the number of streams is known.
const LOOK: Duration = Duration::from_millis(50);

/// The streams of a namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    /// Those that its options tell, in order. Who observes begins with one.
    told: Vec<KeptStream>,
    /// Those that who observes has found in its place.
    found: OnceLock<Vec<KeptStream>>,
}

impl Namespace {
    pub(super) fn new(subjects: &Subjects, options: &StreamOptions, keeping: Keeping) -> Self {
        Self {
            told: streams(subjects, options, keeping),
            found: OnceLock::new(),
        }
    }

    pub(super) fn streams(&self) -> &[KeptStream] {
        self.found.get().unwrap_or(&self.told)
    }

    /// The stream of a channel of this namespace.
    pub(super) fn of(&self, subjects: &Subjects, channel: &Channel) -> Option<&KeptStream> {
        match self.streams() {
            [stream] => Some(stream),
            streams => {
                let partition = subjects.partition_of(channel, count(streams));
                streams.get(partition as usize)
            }
        }
    }

    /// The stream of a partition; `None` if there are not so many.
    pub(super) fn partition(&self, partition: Partition) -> Option<&KeptStream> {
        let streams = self.streams();
        let stream = streams.get(partition.number as usize);
        stream.filter(|_| count(streams) == partition.of)
    }

    /// Takes the namespace as one of so many streams.
    pub(super) fn spread(&self, subjects: &Subjects, partitions: u32) {
        let Some(first) = self.told.first() else {
            return;
        };
        let options = StreamOptions {
            partitions,
            ..first.options.clone()
        };
        let found = streams(subjects, &options, first.keeping);
        if self.found.set(found).is_ok() {
            let namespace = options.namespace.as_deref();
            tracing::info!(namespace, partitions, "the namespace is in several streams");
        }
    }

    /// How many streams there are, once that is known.
    pub(super) async fn count(&self) -> u32 {
        loop {
            let streams = self.streams();
            let is_known = |it: &KeptStream| it.keeping == Keeping::Keep || it.was_used();
            if streams.len() > 1 || streams.iter().all(is_known) {
                return count(streams);
            }
            sleep(LOOK).await;
        }
    }
}

fn streams(subjects: &Subjects, options: &StreamOptions, keeping: Keeping) -> Vec<KeptStream> {
    let partitions = 0..options.partitions.max(1);
    let stream = |number| KeptStream::new(subjects, options.clone(), number, keeping);
    partitions.map(stream).collect()
}

fn count(streams: &[KeptStream]) -> u32 {
    u32::try_from(streams.len()).expect("it was made of such a number")
}
