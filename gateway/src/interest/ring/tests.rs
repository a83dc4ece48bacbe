use tidegate_backbone::{Position, Publication};

use super::*;

fn place(epoch: &str, previous: u64, offset: u64) -> Place {
    Place {
        epoch: epoch.into(),
        offset,
        previous: Some(previous),
        time: 0,
    }
}

fn recent(offset: u64) -> Arc<Recent> {
    let publication = Publication {
        data: "12345".into(),
        place: Some(place("e", 0, offset)),
        ..Publication::default()
    };
    Arc::new(Recent::new(publication))
}

fn ring(top: u64, is_empty: bool, limits: (usize, usize, usize)) -> Ring {
    let position = Position {
        epoch: "e".into(),
        offset: top,
    };
    let limits = Limits {
        count: limits.0,
        bytes: limits.1,
        budget: Budget::new(limits.2),
    };
    Ring::new(&Top { position, is_empty }, limits)
}

fn offsets(ring: &Ring, after: u64, to: u64) -> Option<Vec<u64>> {
    let found = ring.between(after, to)?;
    Some(found.iter().map(|it| it.offset()).collect())
}

const WIDE: (usize, usize, usize) = (100, 1_000, 1_000_000);

#[test]
fn a_publication_is_next_unless_it_tells_of_one_that_was_not_seen() {
    for (top, is_empty, epoch, previous, offset, expected) in [
        (10, false, "e", 10, 12, Step::Next),
        (10, false, "e", 10, 10, Step::Known),
        (10, false, "e", 3, 9, Step::Known),
        (10, false, "e", 11, 12, Step::Gap),
        // Those before have gone by age, or were removed.
        (10, false, "e", 0, 12, Step::Next),
        (10, false, "e", 7, 12, Step::Next),
        (10, false, "f", 10, 12, Step::Stranger),
        (10, true, "e", 0, 12, Step::Next),
        // The position was one of a server that lagged.
        (10, true, "e", 9, 12, Step::Gap),
        (0, true, "e", 0, 1, Step::Next),
    ] {
        let step = ring(top, is_empty, WIDE).judge(&place(epoch, previous, offset));
        assert_eq!(
            step, expected,
            "{top} {is_empty} {epoch} {previous} {offset}"
        );
    }
}

#[test]
fn a_ring_gives_what_lies_between_its_floor_and_its_top() {
    let mut ring = ring(10, false, WIDE);
    for offset in [12, 15, 16] {
        ring.push(recent(offset));
    }
    for (after, to, expected) in [
        (10, 16, Some(vec![12, 15, 16])),
        (12, 15, Some(vec![15])),
        (13, 15, Some(vec![15])),
        (16, 16, Some(vec![])),
        (20, 16, Some(vec![])),
        (9, 16, None),
    ] {
        assert_eq!(offsets(&ring, after, to), expected, "{after} {to}");
    }
    ring.lower(4, vec![recent(6), recent(10)]);
    assert_eq!(offsets(&ring, 4, 12), Some(vec![6, 10, 12]));
    assert_eq!(offsets(&ring, 3, 12), None);
}

#[test]
fn the_oldest_make_room_in_number_bytes_and_all_rings_together() {
    let two = 2 * recent(1).weight();
    for limits in [
        (2, 1_000, 1_000_000),
        (100, 10, 1_000_000),
        (100, 1_000, two),
    ] {
        let mut ring = ring(10, false, limits);
        for offset in [12, 15, 16] {
            ring.push(recent(offset));
        }
        assert_eq!(offsets(&ring, 11, 16), None, "{limits:?}");
        assert_eq!(offsets(&ring, 12, 16), Some(vec![15, 16]), "{limits:?}");
        let budget = Arc::clone(&ring.limits.budget);
        assert_eq!(budget.held(), two);
        drop(ring);
        assert_eq!(budget.held(), 0);
    }
}

/// A channel gives way by and by for what others take, and what somebody waits for stays until it goes on.
#[test]
fn while_rings_take_too_much_together_each_push_makes_its_ring_smaller() {
    let mut ring = ring(10, false, (100, 1_000, 0));
    ring.lower(4, [6, 7, 8, 9, 10].map(recent).into());
    assert_eq!(offsets(&ring, 4, 10), Some(vec![6, 7, 8, 9, 10]));
    for (offset, left) in [(11, 4), (12, 3), (13, 2), (14, 1), (15, 1)] {
        ring.push(recent(offset));
        let floor = ring.floor();
        assert_eq!(offsets(&ring, floor, offset).map(|it| it.len()), Some(left));
    }
    ring.clear();
    assert_eq!(ring.budget().held(), 0);
}
