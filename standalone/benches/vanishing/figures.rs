//! How times are distributed.

use std::time::Duration;

/// Times of one kind.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Duration>);

impl Figures {
    pub(crate) const HEAD: &str = "what | rounds | p50 | p99 | highest";

    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn row(mut self, what: &str) -> String {
        self.0.sort();
        let at = |share: f64| {
            let last = self.0.len().saturating_sub(1);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of a small number of rounds"
            )]
            let place = (last as f64 * share).round() as usize;
            let time = self.0.get(place).copied().unwrap_or_default();
            format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
        };
        let (count, middle, high, highest) = (self.0.len(), at(0.5), at(0.99), at(1.0));
        format!("{what} | {count} | {middle} | {high} | {highest}")
    }
}
