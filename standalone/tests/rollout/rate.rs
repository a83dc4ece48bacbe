//! How many came in the busiest time, from readings of a counter. Pure.

use std::time::Duration;

/// Readings of one counter, each at a time.
#[derive(Debug, Default, Clone)]
pub(crate) struct Readings(Vec<(Duration, u64)>);

impl Readings {
    pub(crate) fn add(&mut self, at: Duration, value: u64) {
        self.0.push((at, value));
    }

    /// The highest rate a second over a window that is at least this long.
    pub(crate) fn peak(&self, window: Duration) -> f64 {
        let readings = &self.0;
        let mut peak: f64 = 0.0;
        for (index, (from, before)) in readings.iter().enumerate() {
            let rest = &readings[index + 1..];
            let Some((to, after)) = rest.iter().find(|(to, _)| *to - *from >= window) else {
                break;
            };
            peak = peak.max((after - before) as f64 / (*to - *from).as_secs_f64());
        }
        peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_time_counts() {
        for (window, values, expected) in [
            (1, &[0, 0, 0, 0, 0][..], 0.0),
            (1, &[0, 10, 20, 30, 40], 10.0),
            (1, &[0, 0, 60, 60, 60, 60], 60.0),
            (3, &[0, 0, 60, 60, 60, 60], 20.0),
            (1, &[5, 5, 5, 45, 75, 75], 40.0),
            (2, &[5, 5, 5, 45, 75, 75], 35.0),
            (1, &[7], 0.0),
        ] {
            let mut readings = Readings::default();
            for (second, value) in (0..).zip(values) {
                readings.add(Duration::from_secs(second), *value);
            }
            let peak = readings.peak(Duration::from_secs(window));
            assert!((peak - expected).abs() < 1e-9, "{values:?}: {peak}");
        }
    }
}
