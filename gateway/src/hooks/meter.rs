//! How often a backend was asked, what came of it, and how long it took.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_telemetry::metrics::{Family, Histogram};

use super::answer::Outcome;
use super::question::Event;

/// The figures of one backend.
#[derive(Debug)]
pub(super) struct Meter {
    target: Box<str>,
    events: [Figures; Event::ALL.len()],
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Figures {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    times: Histogram,
    under_way: AtomicU64,
}

/// Counts a question as being under way until it is dropped.
pub(super) struct UnderWay<'a>(&'a AtomicU64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Meter {
    pub(super) fn new(target: &str) -> Self {
        Self {
            target: target.into(),
            events: Default::default(),
            lost: AtomicU64::new(0),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.target
    }

    /// Counts a notice that the backend will not hear.
    pub(super) fn lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn begin(&self, event: Event) -> UnderWay<'_> {
        let under_way = &self.events[event as usize].under_way;
        under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(under_way)
    }

    pub(super) fn end(&self, event: Event, outcome: Outcome, took: Duration) {
        let figures = &self.events[event as usize];
        figures.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        if matches!(
            outcome,
            Outcome::Busy | Outcome::Resting | Outcome::NotJson | Outcome::Dead
        ) {
            // Nothing was asked, so there is no time to tell of.
            return;
        }
        figures.times.record(took);
    }

    /// Events that the backend was asked about.
    fn used(&self) -> impl Iterator<Item = ([Label<'_>; 2], &Figures)> {
        let events = Event::ALL.iter().zip(&self.events);
        let used = events.filter(|(_, figures)| {
            let asked = figures.outcomes.iter();
            asked.map(|it| it.load(Ordering::Relaxed)).sum::<u64>()
                + figures.under_way.load(Ordering::Relaxed)
                > 0
        });
        used.map(|(event, figures)| {
            let labels = [("target", &*self.target), ("event", event.name())];
            (labels, figures)
        })
    }
}

type Label<'a> = (&'static str, &'a str);

/// The figures of all backends.
pub(super) fn families<'a>(meters: impl Iterator<Item = &'a Meter> + Clone) -> [Family; 4] {
    let mut outcomes = Family::counter(
        "tidegate_hook_outcomes",
        "What came of asking the application's backend.",
    );
    let mut under_way = Family::gauge(
        "tidegate_hook_under_way",
        "Questions that the backend has not answered yet.",
    );
    let mut seconds = Family::histogram("tidegate_hook_seconds", "How long the backend took.");
    for ([target, event], figures) in meters.clone().flat_map(Meter::used) {
        for (outcome, value) in Outcome::ALL.iter().zip(&figures.outcomes) {
            let value = value.load(Ordering::Relaxed);
            if value > 0 {
                outcomes.add(&[target, event, ("outcome", outcome.name())], value);
            }
        }
        under_way.add(&[target, event], figures.under_way.load(Ordering::Relaxed));
        seconds.add_histogram(&[target, event], figures.times.snapshot());
    }
    [outcomes, under_way, seconds, lost(meters)]
}

/// One value for each name: backends of different events are called `default`.
fn lost<'a>(meters: impl Iterator<Item = &'a Meter>) -> Family {
    let mut lost = BTreeMap::<&str, u64>::new();
    for meter in meters {
        *lost.entry(&meter.target).or_default() += meter.lost.load(Ordering::Relaxed);
    }
    let mut family = Family::counter(
        "tidegate_hook_notices_lost",
        "Notices that the backend will not hear.",
    );
    for (target, value) in lost {
        family.add(&[("target", target)], value);
    }
    family
}

#[cfg(test)]
mod tests {
    use tidegate_telemetry::metrics::page;

    use super::*;

    #[test]
    fn figures_stand_under_their_event_and_outcome() {
        let (one, other) = (Meter::new("default"), Meter::new("other"));
        one.end(Event::Rpc, Outcome::Granted, Duration::from_millis(3));
        one.end(Event::Rpc, Outcome::Late, Duration::from_secs(9));
        one.end(Event::Rpc, Outcome::Busy, Duration::ZERO);
        let _under_way = other.begin(Event::Publish);
        let text = page(&families([&one, &other].into_iter()));
        for line in [
            "tidegate_hook_outcomes{target=\"default\",event=\"rpc\",outcome=\"granted\"} 1",
            "tidegate_hook_outcomes{target=\"default\",event=\"rpc\",outcome=\"busy\"} 1",
            "tidegate_hook_under_way{target=\"other\",event=\"publish\"} 1",
            "tidegate_hook_seconds_bucket{target=\"default\",event=\"rpc\",le=\"0.0025\"} 0",
            "tidegate_hook_seconds_bucket{target=\"default\",event=\"rpc\",le=\"0.005\"} 1",
            "tidegate_hook_seconds_bucket{target=\"default\",event=\"rpc\",le=\"+Inf\"} 2",
            "tidegate_hook_seconds_sum{target=\"default\",event=\"rpc\"} 9.003",
            "tidegate_hook_seconds_count{target=\"default\",event=\"rpc\"} 2",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }

    #[test]
    fn every_event_and_outcome_has_a_place_of_its_own() {
        for (index, event) in Event::ALL.iter().enumerate() {
            assert_eq!(*event as usize, index);
        }
        for (index, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, index);
        }
    }
}
