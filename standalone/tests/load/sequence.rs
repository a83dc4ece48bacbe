//! Rows of numbers that are to grow. Pure.

/// How many are below one that came before them.
pub(crate) fn descents<T: Ord + Copy>(values: impl Iterator<Item = T>) -> u64 {
    let mut highest = None;
    let mut descents = 0;
    for value in values {
        match highest {
            Some(before) if value < before => descents += 1,
            _ => highest = Some(value),
        }
    }
    descents
}
