//! Any two payloads: a patch is smaller than what it makes, makes it again, and is text when it should be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_codec::delta::{Alignment, patch};
use tidegate_fuzz::delta::apply;

fuzz_target!(|data: &[u8]| {
    // The first two bytes say where the base ends.
    let Some((cut, rest)) = data.split_first_chunk() else {
        return;
    };
    let (base, target) = rest.split_at(usize::from(u16::from_le_bytes(*cut)) % (rest.len() + 1));
    check(base, target);
    let [base, target] = [base, target].map(String::from_utf8_lossy);
    check(base.as_bytes(), target.as_bytes());
});

fn check(base: &[u8], target: &[u8]) {
    for alignment in [Alignment::Bytes, Alignment::Characters] {
        let Some(patch) = patch(base, target, alignment) else {
            continue;
        };
        assert!(patch.len() < target.len(), "the patch saves nothing");
        assert_eq!(apply(base, &patch).as_deref(), Some(target));
        if alignment == Alignment::Characters {
            std::str::from_utf8(&patch).expect("a patch of texts is text");
        }
    }
}
