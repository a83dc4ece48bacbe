use super::*;
use crate::{From, Range};

fn reads(spans: &[(u64, u64)]) -> Vec<Read> {
    let read = |(from, to): &(u64, u64)| {
        let range = Range {
            from: From::After(from - 1),
            limit: 10,
            max_bytes: 100,
        };
        Read {
            subject: String::new(),
            wanted: Wanted::new(*from, *to, range),
            answer: oneshot::channel().0,
        }
    };
    spans.iter().map(read).collect()
}

/// How many read together and alone.
fn divided(spans: &[(u64, u64)]) -> (usize, usize) {
    let (together, alone) = divide(reads(spans));
    (together.len(), alone.len())
}

#[test]
fn a_sweep_is_for_those_whose_stretches_are_mostly_the_same() {
    let same = [(1, 1_000); 40];
    assert_eq!(divided(&same), (40, 0));
    assert_eq!(divided(&same[..30]), (0, 30));
    assert_eq!(divided(&[]), (0, 0));
    // One that begins far below is not for all to wait for.
    let mut far = vec![(900_001, 1_000_000); 40];
    far.push((1, 1_000_000));
    assert_eq!(divided(&far), (40, 1));
    // Each has its own part.
    let apart: Vec<_> = (0..1_000).map(|it| (it * 10 + 1, it * 10 + 10)).collect();
    assert_eq!(divided(&apart), (0, 1_000));
}
