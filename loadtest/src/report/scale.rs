//! From values to places in a plot, and round values to label.

/// A stretch of values on a stretch of a plot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    values: (f64, f64),
    places: (f64, f64),
    logarithmic: bool,
}

impl Scale {
    /// Even, from zero to a round value that is at least `largest`.
    pub(super) fn linear(largest: f64, places: (f64, f64)) -> Self {
        let step = step(largest);
        let top = ((largest / step).ceil() * step).max(step);
        Self {
            values: (0.0, top),
            places,
            logarithmic: false,
        }
    }

    /// Even, between these values as they are.
    pub(super) fn exact(values: (f64, f64), places: (f64, f64)) -> Self {
        Self {
            values: (values.0, values.1.max(values.0 + 1e-9)),
            places,
            logarithmic: false,
        }
    }

    /// By factors of ten, between powers of ten around these values, which are above zero.
    pub(super) fn logarithmic(smallest: f64, largest: f64, places: (f64, f64)) -> Self {
        let low = smallest.max(1e-6).log10().floor();
        let high = largest.max(1e-6).log10().ceil().max(low + 1.0);
        Self {
            values: (low, high),
            places,
            logarithmic: true,
        }
    }

    /// Where a value stands.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = match self.logarithmic {
            true => value.max(1e-9).log10(),
            false => value,
        };
        let share = (value - self.values.0) / (self.values.1 - self.values.0);
        self.places.0 + share.clamp(0.0, 1.0) * (self.places.1 - self.places.0)
    }

    /// Values to label.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let (low, high) = self.values;
        if self.logarithmic {
            let powers = low as i32..=high as i32;
            return powers.map(|power| 10_f64.powi(power)).collect();
        }
        let step = step(high - low);
        let first = (low / step).ceil() as i64;
        let values = (first..).map(|index| index as f64 * step);
        values
            .take_while(|value| *value <= high + step / 1e6)
            .collect()
    }
}

/// A round distance that parts so much into about five.
fn step(length: f64) -> f64 {
    let rough = length.max(1e-9) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= rough * 0.999);
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_scales_end_at_round_values() {
        let scale = Scale::linear(97.0, (200.0, 0.0));
        assert_eq!(scale.ticks(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(scale.place(0.0), 200.0);
        assert_eq!(scale.place(50.0), 100.0);
        assert_eq!(scale.place(1_000.0), 0.0);
        assert_eq!(Scale::linear(0.0, (0.0, 1.0)).place(0.0), 0.0);
    }

    #[test]
    fn logarithmic_scales_span_powers_of_ten() {
        let scale = Scale::logarithmic(0.3, 40.0, (0.0, 300.0));
        assert_eq!(scale.ticks(), [0.1, 1.0, 10.0, 100.0]);
        assert!((scale.place(1.0) - 100.0).abs() < 1e-9);
    }
}
