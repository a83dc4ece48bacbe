//! A set of numbers, as stretches of them.

use std::ops::RangeInclusive;

/// A set of numbers; cheap where they stand together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spans {
    /// First and last of each stretch, in order, no two touching each other.
    spans: Vec<(u64, u64)>,
}

impl Spans {
    /// Adds `first` and all up to `last`; nothing when `last` is before it.
    pub fn insert(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let touches_from = self
            .spans
            .partition_point(|(_, end)| end.saturating_add(1) < first);
        let touches_to = self
            .spans
            .partition_point(|(begin, _)| *begin <= last.saturating_add(1));
        let touched = &self.spans[touches_from..touches_to];
        let first = touched
            .first()
            .map_or(first, |(begin, _)| first.min(*begin));
        let last = touched.last().map_or(last, |(_, end)| last.max(*end));
        self.spans.splice(touches_from..touches_to, [(first, last)]);
    }

    /// Whether all from `first` to `last` are in it.
    #[must_use]
    pub fn covers(&self, first: u64, last: u64) -> bool {
        first > last || self.around(first).is_some_and(|(_, end)| last <= end)
    }

    /// Whether a number is in it.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.around(number).is_some()
    }

    /// Forgets the first stretches when there are more than `limit`.
    pub fn keep_last(&mut self, limit: usize) {
        let surplus = self.spans.len().saturating_sub(limit);
        self.spans.drain(..surplus);
    }

    /// Forgets all up to a number.
    pub fn forget_to(&mut self, number: u64) {
        self.spans.retain(|(_, end)| *end > number);
        if let Some((begin, _)) = self.spans.first_mut() {
            *begin = number.saturating_add(1).max(*begin);
        }
    }

    /// The stretches, in order.
    pub fn iter(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        self.spans.iter().map(|(begin, end)| *begin..=*end)
    }

    /// The stretch that a number is in.
    fn around(&self, number: u64) -> Option<(u64, u64)> {
        let index = self.spans.partition_point(|(_, end)| *end < number);
        let span = self.spans.get(index).copied();
        span.filter(|(begin, _)| *begin <= number)
    }
}

impl FromIterator<RangeInclusive<u64>> for Spans {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<u64>>>(spans: I) -> Self {
        let mut made = Self::default();
        for span in spans {
            made.insert(*span.start(), *span.end());
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_set_of_its_numbers(
            inserted in prop::collection::vec((0_u64..60, 0_u64..8), 0..20),
            forgotten in 0_u64..40,
        ) {
            let (mut spans, mut numbers) = (Spans::default(), BTreeSet::new());
            for (first, length) in inserted {
                spans.insert(first, first + length);
                numbers.extend(first..=first + length);
            }
            prop_assert!(spans.spans.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            spans.forget_to(forgotten);
            numbers.retain(|number| *number > forgotten);
            for number in 0..70 {
                prop_assert_eq!(spans.contains(number), numbers.contains(&number));
                for last in number..70 {
                    let all = (number..=last).all(|it| numbers.contains(&it));
                    prop_assert_eq!(spans.covers(number, last), all, "{}..={}", number, last);
                }
            }
        }
    }

    #[test]
    fn ends_of_the_numbers_are_numbers() {
        let mut spans = Spans::default();
        spans.insert(u64::MAX, u64::MAX);
        spans.insert(0, 0);
        spans.insert(3, 2);
        assert!(spans.contains(0) && spans.contains(u64::MAX) && !spans.contains(2));
        spans.keep_last(1);
        assert_eq!(spans.iter().collect::<Vec<_>>(), [u64::MAX..=u64::MAX]);
        spans.forget_to(u64::MAX);
        assert_eq!(spans, Spans::default());
    }
}
