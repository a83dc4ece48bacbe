//! Two pages of the same log become one. Pure.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::vec::IntoIter;

use crate::store::Record;

/// In which order a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    OldestFirst,
    NewestFirst,
}

/// A page of one of the two sources. It has all that the source has up to its end.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) records: Vec<Record>,
    /// The last offset that was looked at; `None` when the source has no more.
    pub(super) end: Option<u64>,
}

/// The page that they make.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) records: Vec<Record>,
    /// The last offset that was looked at; `None` when there is no more.
    pub(super) end: Option<u64>,
}

impl Order {
    fn compare(self, one: u64, other: u64) -> Ordering {
        match self {
            Self::OldestFirst => one.cmp(&other),
            Self::NewestFirst => other.cmp(&one),
        }
    }

    fn earlier(self, one: Option<u64>, other: Option<u64>) -> Option<u64> {
        let ends = one.into_iter().chain(other);
        ends.min_by(|one, other| self.compare(*one, *other))
    }
}

/// Takes each record that either has once, in order, within the bounds, up to the end of the one that ends first.
pub(super) fn merge(
    order: Order,
    (one, other): (Part, Part),
    limit: usize,
    max_bytes: usize,
) -> Merged {
    let end = order.earlier(one.end, other.end);
    let mut records: Vec<Record> = Vec::new();
    let mut bytes = 0;
    let (mut one, mut other) = (
        one.records.into_iter().peekable(),
        other.records.into_iter().peekable(),
    );
    while let Some(record) = next(order, &mut one, &mut other) {
        if end.is_some_and(|end| order.compare(record.offset, end).is_gt()) {
            break;
        }
        bytes += size(&record);
        let is_full = records.len() == limit || (bytes > max_bytes && !records.is_empty());
        if is_full {
            let end = records.last().map(|it| it.offset);
            return Merged { records, end };
        }
        records.push(record);
    }
    Merged { records, end }
}

fn next(
    order: Order,
    one: &mut Peekable<IntoIter<Record>>,
    other: &mut Peekable<IntoIter<Record>>,
) -> Option<Record> {
    let (Some(left), Some(right)) = (one.peek(), other.peek()) else {
        return one.next().or_else(|| other.next());
    };
    match order.compare(left.offset, right.offset) {
        Ordering::Less => one.next(),
        Ordering::Greater => other.next(),
        Ordering::Equal => {
            other.next();
            one.next()
        }
    }
}

/// What a record takes in an answer, about.
fn size(record: &Record) -> usize {
    let it = &record.publication;
    let info = it.info.as_ref().map_or(0, |info| {
        info.user.len() + info.client.len() + info.conn_info.len() + info.chan_info.len()
    });
    let tags: usize = it
        .tags
        .iter()
        .map(|(key, value)| key.len() + value.len() + 8)
        .sum();
    it.data.len() + info + tags + it.id.len() + 48
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: u64) -> Record {
        Record {
            offset,
            time: 0,
            publication: Default::default(),
        }
    }

    /// Offsets, and behind a bar the last that was looked at.
    fn part(text: &str) -> Part {
        let (offsets, end) = text.split_once('|').unwrap_or((text, ""));
        let numbers = |text: &str| {
            let numbers = text.split_whitespace().map(|it| it.parse().unwrap());
            numbers.collect::<Vec<u64>>()
        };
        Part {
            records: numbers(offsets).into_iter().map(record).collect(),
            end: numbers(end).first().copied(),
        }
    }

    #[test]
    fn each_is_taken_once_up_to_the_nearer_end() {
        use Order::{NewestFirst, OldestFirst};
        for (order, one, other, limit, expected) in [
            (OldestFirst, "1 3", "2 3 4", 9, "1 2 3 4"),
            (OldestFirst, "1 3|3", "5", 9, "1 3|3"),
            (OldestFirst, "9", "5 6|7", 9, "5 6|7"),
            (OldestFirst, "", "|7", 9, "|7"),
            (OldestFirst, "1 2", "3", 2, "1 2|2"),
            (OldestFirst, "1 2", "", 2, "1 2"),
            (OldestFirst, "", "", 2, ""),
            (NewestFirst, "3 1", "4 3 2", 9, "4 3 2 1"),
            (NewestFirst, "3 2|2", "5 1", 9, "5 3 2|2"),
            (NewestFirst, "3 2", "5", 1, "5|5"),
        ] {
            let merged = merge(order, (part(one), part(other)), limit, 1_000_000);
            let Part { records, end } = part(expected);
            assert_eq!(merged, Merged { records, end }, "{one} and {other}");
        }
    }

    #[test]
    fn one_is_taken_however_large_it_is() {
        let merged = merge(Order::OldestFirst, (part("1 2"), Part::default()), 9, 1);
        assert_eq!(merged.records.len(), 1);
        assert_eq!(merged.end, Some(1));
    }
}
