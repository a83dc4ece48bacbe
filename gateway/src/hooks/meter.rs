//! How often a backend was asked, what came of it, and how long it took; in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::answer::Outcome;
use super::question::Event;

/// Upper ends of the buckets, in milliseconds.
const BUCKETS: [u64; 11] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000];

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
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    micros: AtomicU64,
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
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if let Some(index) = BUCKETS.iter().position(|end| millis < *end) {
            figures.buckets[index].fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        figures.micros.fetch_add(micros, Ordering::Relaxed);
        figures.count.fetch_add(1, Ordering::Relaxed);
    }

    fn used(&self) -> impl Iterator<Item = (String, &Figures)> {
        let events = Event::ALL.iter().zip(&self.events);
        let used = events.filter(|(_, figures)| {
            let asked = figures.outcomes.iter();
            asked.map(|it| it.load(Ordering::Relaxed)).sum::<u64>()
                + figures.under_way.load(Ordering::Relaxed)
                > 0
        });
        used.map(|(event, figures)| {
            let labels = format!("target=\"{}\",event=\"{}\"", self.target, event.name());
            (labels, figures)
        })
    }
}

/// The figures of all backends.
pub(super) fn render<'a>(meters: impl Iterator<Item = &'a Meter> + Clone) -> String {
    let mut text = String::new();
    let all = || meters.clone().flat_map(Meter::used);
    head(
        &mut text,
        "hook_outcomes",
        "counter",
        "What came of asking the application's backend.",
    );
    for (labels, figures) in all() {
        for (outcome, value) in Outcome::ALL.iter().zip(&figures.outcomes) {
            let value = value.load(Ordering::Relaxed);
            if value > 0 {
                let labels = format!("{labels},outcome=\"{}\"", outcome.name());
                line(&mut text, "hook_outcomes", &labels, value);
            }
        }
    }
    head(
        &mut text,
        "hook_under_way",
        "gauge",
        "Questions that the backend has not answered yet.",
    );
    for (labels, figures) in all() {
        let value = figures.under_way.load(Ordering::Relaxed);
        line(&mut text, "hook_under_way", &labels, value);
    }
    head(
        &mut text,
        "hook_seconds",
        "histogram",
        "How long the backend took.",
    );
    for (labels, figures) in all() {
        histogram(&mut text, &labels, figures);
    }
    lost(&mut text, meters);
    text
}

/// One line for each name: backends of different events are called `default`.
fn lost<'a>(text: &mut String, meters: impl Iterator<Item = &'a Meter>) {
    let mut lost = BTreeMap::<&str, u64>::new();
    for meter in meters {
        *lost.entry(&meter.target).or_default() += meter.lost.load(Ordering::Relaxed);
    }
    let help = "Notices that the backend will not hear.";
    head(text, "hook_notices_lost", "counter", help);
    for (target, value) in lost {
        let labels = format!("target=\"{target}\"");
        line(text, "hook_notices_lost", &labels, value);
    }
}

fn histogram(text: &mut String, labels: &str, figures: &Figures) {
    let mut below = 0;
    for (end, count) in BUCKETS.iter().zip(&figures.buckets) {
        below += count.load(Ordering::Relaxed);
        let end = *end as f64 / 1_000.0;
        line(
            text,
            "hook_seconds_bucket",
            &format!("{labels},le=\"{end}\""),
            below,
        );
    }
    let count = figures.count.load(Ordering::Relaxed);
    line(
        text,
        "hook_seconds_bucket",
        &format!("{labels},le=\"+Inf\""),
        count,
    );
    let seconds = Duration::from_micros(figures.micros.load(Ordering::Relaxed)).as_secs_f64();
    line(text, "hook_seconds_sum", labels, seconds);
    line(text, "hook_seconds_count", labels, count);
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "# HELP tidegate_{name} {help}\n# TYPE tidegate_{name} {kind}"
    );
}

fn line(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "tidegate_{name}{{{labels}}} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_under_their_event_and_outcome() {
        let (one, other) = (Meter::new("default"), Meter::new("other"));
        one.end(Event::Rpc, Outcome::Granted, Duration::from_millis(3));
        one.end(Event::Rpc, Outcome::Late, Duration::from_secs(9));
        one.end(Event::Rpc, Outcome::Busy, Duration::ZERO);
        let _under_way = other.begin(Event::Publish);
        let text = render([&one, &other].into_iter());
        for line in [
            "tidegate_hook_outcomes{target=\"default\",event=\"rpc\",outcome=\"granted\"} 1",
            "tidegate_hook_outcomes{target=\"default\",event=\"rpc\",outcome=\"busy\"} 1",
            "tidegate_hook_under_way{target=\"other\",event=\"publish\"} 1",
            "tidegate_hook_seconds_bucket{target=\"default\",event=\"rpc\",le=\"0.002\"} 0",
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
