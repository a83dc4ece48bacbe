//! What a delivery costs in the hub: publications in, framed and logged, every outbox written to its end. No sockets.
//!
//! Elements per second are deliveries per second of one core.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidegate_backbone::embedded::Embedded;
use tidegate_backbone::{Channel, Publication};
use tidegate_codec::Format;
use tidegate_gateway::broadcast::Broadcast;
use tidegate_gateway::counters::Counters;
use tidegate_gateway::hub::{Hub, Membership, Terms};
use tidegate_gateway::interest::{Interest, Windows};
use tidegate_gateway::outbox::Outbox;
use tidegate_gateway::wire::{Press, Wire};

const JSON: Wire = Wire::plain(Format::Json);

struct Crowd {
    hub: Rc<Hub>,
    counters: Arc<Counters>,
    channels: Vec<Channel>,
    outboxes: Vec<Rc<Outbox>>,
    _memberships: Vec<Membership>,
}

impl Crowd {
    fn new(channels: usize, subscribers: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let counters = Arc::new(Counters::default());
        let (interest, _queues) = Interest::new(
            Arc::new(Embedded::new()),
            1,
            Arc::clone(&counters),
            Windows::new(0),
        );
        let hub = Hub::new(0, interest, Arc::clone(&counters), Press::new(1, 0));
        let names = (0..channels).map(|n| Channel::parse(&format!("room-{n}")).expect("a channel"));
        let mut crowd = Self {
            hub,
            counters,
            channels: names.collect(),
            outboxes: Vec::new(),
            _memberships: Vec::new(),
        };
        for channel in &crowd.channels {
            for _ in 0..subscribers {
                let outbox = Rc::new(Outbox::new(JSON, 1 << 20));
                let topic = runtime
                    .block_on(crowd.hub.join(channel))
                    .expect("the embedded backbone joins");
                crowd._memberships.push(
                    crowd
                        .hub
                        .attach(topic, &outbox, &Terms::default())
                        .expect("it was not lost"),
                );
                crowd.outboxes.push(outbox);
            }
        }
        crowd
    }

    /// Publishes `count` times to every channel, then drains every outbox as its connection's task would.
    fn round(&self, count: usize) {
        let data = bytes::Bytes::from_static(br#"{"value":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"}"#);
        for _ in 0..count {
            for channel in &self.channels {
                let publication = Publication {
                    data: data.clone(),
                    ..Publication::default()
                };
                self.hub.collect(Broadcast::new(
                    channel.clone(),
                    publication,
                    Arc::clone(&self.counters),
                ));
            }
        }
        self.hub.deliver();
        for outbox in &self.outboxes {
            let flushed = outbox.poll_flush(&mut |bytes| {
                black_box(bytes);
                Poll::Ready(Ok(bytes.len()))
            });
            assert!(flushed.is_ready());
        }
    }
}

fn hub(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hub");
    group.sample_size(20);
    for (channels, subscribers) in [(1, 10_000), (10_000, 10)] {
        let crowd = Crowd::new(channels, subscribers);
        for publications in [1, 16] {
            group.throughput(Throughput::Elements(
                (channels * subscribers * publications) as u64,
            ));
            let name =
                format!("{channels} channels x {subscribers} subscribers, {publications} per wake");
            group.bench_function(name, |bencher| bencher.iter(|| crowd.round(publications)));
        }
    }
    group.finish();
}

criterion_group!(benches, hub);
criterion_main!(benches);
