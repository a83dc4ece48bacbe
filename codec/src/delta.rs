//! Fossil deltas: what turns the last payload that a client holds into the next one.
//!
//! In come two payloads, out comes a patch that is smaller than the second, or nothing. Time is linear in both, for
//! any input; memory is at most the size of the base for the index and that of the target for the patch. Pure: it
//! knows no format of messages, no channel and no subscriber. The format is that of Fossil SCM, "delta format".

mod checksum;
mod digits;
mod matcher;
mod script;

use bytes::Bytes;

use matcher::{BLOCK, Match, Matcher, Window};
use script::Script;

/// The longest base or target that is compared, in bytes.
pub const LIMIT: usize = 4 << 20;

/// Where a patch may cut its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alignment {
    /// Between any two bytes.
    Bytes,
    /// Between characters only, so that the patch of two UTF-8 texts is itself UTF-8 text.
    Characters,
}

/// The patch that makes `target` of `base`.
///
/// `None` when it would not be smaller than `target`, when either is longer than [`LIMIT`], and when either is not
/// UTF-8 although cuts should fall between characters.
#[must_use]
pub fn patch(base: &[u8], target: &[u8], alignment: Alignment) -> Option<Bytes> {
    let fits = |data: &[u8]| data.len() <= LIMIT && alignment.applies_to(data);
    if !fits(base) || !fits(target) {
        return None;
    }
    let mut script = Script::new(target);
    let prefix = worthy(common_prefix(base, target, alignment));
    let start = prefix.map_or(0, |found| found.len);
    let suffix = worthy(common_suffix(base, target, start, alignment));
    let end = suffix.map_or(target.len(), |found| found.target);
    if let Some(found) = prefix {
        script.copy(found);
    }
    write_middle(&mut script, base, &target[..end], alignment);
    if let Some(found) = suffix {
        script.copy(found);
    }
    script.finish()
}

impl Alignment {
    fn applies_to(self, data: &[u8]) -> bool {
        match self {
            Self::Bytes => true,
            Self::Characters => std::str::from_utf8(data).is_ok(),
        }
    }

    fn may_cut(self, data: &[u8], at: usize) -> bool {
        match self {
            Self::Bytes => true,
            // A continuation byte is 10xxxxxx (RFC 3629, section 3).
            Self::Characters => data.get(at).is_none_or(|byte| byte & 0xC0 != 0x80),
        }
    }

    /// The match without parts of characters at its ends. The same bytes lie in both inputs, so what is a boundary in
    /// one is a boundary in the other.
    fn narrow(self, target: &[u8], found: Match) -> Match {
        let mut start = found.target;
        let mut end = found.target + found.len;
        while start < end && !self.may_cut(target, start) {
            start += 1;
        }
        while start < end && !self.may_cut(target, end) {
            end -= 1;
        }
        Match {
            base: found.base + (start - found.target),
            target: start,
            len: end - start,
        }
    }
}

/// A match, if copying it is shorter than inserting its bytes.
fn worthy(found: Match) -> Option<Match> {
    (found.len > script::copy_cost(found)).then_some(found)
}

fn common_prefix(base: &[u8], target: &[u8], alignment: Alignment) -> Match {
    let found = Match {
        base: 0,
        target: 0,
        len: matcher::forward(base, target),
    };
    alignment.narrow(target, found)
}

/// The common end of both, without the first `taken` bytes of the target.
fn common_suffix(base: &[u8], target: &[u8], taken: usize, alignment: Alignment) -> Match {
    let len = matcher::backward(base, &target[taken..]);
    let found = Match {
        base: base.len() - len,
        target: target.len() - len,
        len,
    };
    alignment.narrow(target, found)
}

/// Writes what follows the written part of `target`, which ends at a boundary.
fn write_middle(script: &mut Script<'_>, base: &[u8], target: &[u8], alignment: Alignment) {
    let mut at = script.written();
    if target.len() - at >= BLOCK && base.len() >= BLOCK {
        let matcher = Matcher::new(base);
        let mut window = Window::at(target, at);
        while let Some(hash) = window.hash() {
            let found = matcher
                .longest(target, script.written(), at, hash)
                .and_then(|found| worthy(alignment.narrow(target, found)));
            if let Some(found) = found {
                script.insert_until(found.target);
                script.copy(found);
                at = script.written();
                window = Window::at(target, at);
            } else {
                window.roll();
                at += 1;
            }
            if script.is_too_long() {
                return;
            }
        }
    }
    script.insert_until(target.len());
}

#[cfg(test)]
mod tests;
