//! Patches against an applier written from the format alone, which refuses whatever the format does not allow.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// Applies a patch strictly.
fn apply(base: &[u8], patch: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut rest = patch;
    let len = number(&mut rest)?;
    take(&mut rest, b'\n')?;
    let mut out = Vec::new();
    loop {
        let count = number(&mut rest)?;
        let (command, after) = rest.split_first().ok_or("no command")?;
        rest = after;
        match command {
            b'@' => {
                let offset = number(&mut rest)?;
                take(&mut rest, b',')?;
                let range = offset..offset + count;
                out.extend_from_slice(base.get(range).ok_or("copy outside of the base")?);
            }
            b':' => {
                let (bytes, after) = rest.split_at_checked(count).ok_or("insert too long")?;
                out.extend_from_slice(bytes);
                rest = after;
            }
            b';' if !rest.is_empty() => return Err("more after the end"),
            b';' if out.len() != len => return Err("wrong length"),
            b';' if sum(&out) != count => return Err("wrong checksum"),
            b';' => return Ok(out),
            _ => return Err("unknown command"),
        }
    }
}

fn number(rest: &mut &[u8]) -> Result<usize, &'static str> {
    let mut value = None;
    while let Some((first, after)) = rest.split_first() {
        let digit = match first {
            b'0'..=b'9' => first - b'0',
            b'A'..=b'Z' => first - b'A' + 10,
            b'_' => 36,
            b'a'..=b'z' => first - b'a' + 37,
            b'~' => 63,
            _ => break,
        };
        value = Some(value.unwrap_or(0) * 64 + usize::from(digit));
        *rest = after;
    }
    value.ok_or("no number")
}

fn take(rest: &mut &[u8], expected: u8) -> Result<(), &'static str> {
    *rest = rest.strip_prefix(&[expected]).ok_or("wrong separator")?;
    Ok(())
}

fn sum(data: &[u8]) -> usize {
    let weighted = data.iter().enumerate();
    let total: u64 = weighted
        .map(|(at, byte)| u64::from(*byte) << (24 - 8 * (at % 4)))
        .sum();
    (total % (1 << 32)) as usize
}

/// Checks both alignments where they apply; returns the length of the patch that cuts between bytes.
fn check(base: &[u8], target: &[u8]) -> Option<usize> {
    let [bytes, characters] =
        [Alignment::Bytes, Alignment::Characters].map(|alignment| patch(base, target, alignment));
    for patch in [&bytes, &characters].into_iter().flatten() {
        assert!(patch.len() < target.len(), "the patch saves nothing");
        assert_eq!(apply(base, patch).as_deref(), Ok(target));
    }
    if let Some(patch) = characters {
        std::str::from_utf8(&patch).expect("a patch of texts is text");
    }
    bytes.map(|patch| patch.len())
}

/// A document whose many members differ, with text beyond ASCII.
fn document(members: usize) -> String {
    let member = |number: usize| {
        format!(
            r#"{{"id":{number},"name":"Größe {} 👩‍🚀 é","price":{}}}"#,
            number * 7919 % 1009,
            number * 31
        )
    };
    format!(
        "[{}]",
        (0..members).map(member).collect::<Vec<_>>().join(",")
    )
}

#[test]
fn small_changes_make_small_patches() {
    let base = document(100);
    let cases = [
        (base.clone(), 20),
        (base.replacen("\"id\":50,", "\"id\":51,", 1), 40),
        (base.replacen("Größe", "Gräße", 1), 40),
        (base.replacen("👩‍🚀", "👨‍🚀", 1), 40),
        (base[1..].to_owned(), 20),
        (format!("{base}{base}"), 30),
        (
            format!("new{}", &base[base.find(r#"{"id":50"#).unwrap()..]),
            40,
        ),
    ];
    for (target, most) in cases {
        for alignment in [Alignment::Bytes, Alignment::Characters] {
            let patch = patch(base.as_bytes(), target.as_bytes(), alignment).unwrap();
            assert!(patch.len() <= most, "{} bytes", patch.len());
        }
        check(base.as_bytes(), target.as_bytes());
    }
}

#[test]
fn moved_parts_are_found() {
    let base = document(100);
    let middle = base.find(r#"{"id":50"#).unwrap();
    let target = format!("<{}|{}>", &base[middle..], &base[..middle]);
    let len = check(base.as_bytes(), target.as_bytes()).unwrap();
    assert!(len < 60, "{len} bytes");
}

#[test]
fn what_saves_nothing_is_no_patch() {
    let long = vec![b'a'; LIMIT + 1];
    for (base, target) in [
        (&b""[..], &b""[..]),
        (b"", b"a"),
        (b"a", b""),
        (b"a", b"a"),
        (b"0123456789", b"0123456789"),
        (b"", b"abcdefghijklmnopqrstuvwxyz"),
        (
            b"0123456789012345678901234567890123456789",
            b"abcdefghijklmnopqrstuvwxyz",
        ),
        (&long, b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        (b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &long),
    ] {
        assert_eq!(check(base, target), None, "{} {}", base.len(), target.len());
    }
}

#[test]
fn cuts_keep_to_characters_only_when_asked() {
    // Both differ in the last byte of a character, so the longest copy ends inside of it.
    let base = format!("{}é{}", "a".repeat(40), "b".repeat(40));
    let target = base.replace('é', "è");
    let is_text = |alignment| {
        let patch = patch(base.as_bytes(), target.as_bytes(), alignment).unwrap();
        std::str::from_utf8(&patch).is_ok()
    };
    assert!(is_text(Alignment::Characters));
    assert!(!is_text(Alignment::Bytes));
    let broken = [base.as_bytes(), &[0xFF]].concat();
    assert_eq!(
        patch(&broken, target.as_bytes(), Alignment::Characters),
        None
    );
    assert_eq!(patch(base.as_bytes(), &broken, Alignment::Characters), None);
}

#[test]
fn a_damaged_patch_is_refused() {
    let base = document(5);
    let target = base.replacen("Größe", "Höhe", 1);
    let patch = patch(base.as_bytes(), target.as_bytes(), Alignment::Characters).unwrap();
    for len in 0..patch.len() {
        assert!(apply(base.as_bytes(), &patch[..len]).is_err(), "{len}");
    }
}

#[test]
fn repetitions_of_a_mebibyte_end_soon() {
    let equal = vec![b'a'; 1 << 20];
    let mut last = equal.clone();
    *last.last_mut().unwrap() = b'b';
    let periodic = |period: usize| -> Vec<u8> {
        (0..1_usize << 20)
            .map(|at| b'a' + u8::from(at % period == 0))
            .collect()
    };
    let inputs = [equal, last, periodic(17), periodic(31), periodic(4099)];
    for base in &inputs {
        for target in &inputs {
            check(base, target);
        }
    }
}

#[test]
fn any_four_bytes_are_copied_whole() {
    // Different lengths of characters before and after each cut.
    let characters = ['a', 'é', 'ê', '語', '誤', '👩', '👨', '\u{301}', '\u{302}'];
    let mut seen = HashSet::new();
    for (at, from) in characters.iter().enumerate() {
        for to in &characters[at + 1..] {
            let text = |middle: &char| format!("{0}{middle}{0}{middle}", document(1));
            seen.insert(check(text(from).as_bytes(), text(to).as_bytes()).unwrap());
        }
    }
    assert!(seen.len() > 1, "all patches have one length");
}

fn edited(text: Vec<char>, edits: Vec<(prop::sample::Index, usize, String)>) -> String {
    let mut text = text;
    for (at, removed, inserted) in edits {
        let at = at.index(text.len() + 1);
        let end = (at + removed).min(text.len());
        text.splice(at..end, inserted.chars());
    }
    text.into_iter().collect()
}

proptest! {
    #[test]
    fn edited_documents_are_restored(
        members in 0..60_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..40_usize, ".{0,12}"), 0..8),
    ) {
        let base = document(members);
        let target = edited(base.chars().collect(), edits);
        check(base.as_bytes(), target.as_bytes());
        check(target.as_bytes(), base.as_bytes());
    }

    #[test]
    fn texts_of_few_characters_are_restored(base in "[aéê語誤👩👨]{0,400}", target in "[aéê語誤👩👨]{0,400}") {
        check(base.as_bytes(), target.as_bytes());
        let joined = format!("{target}{base}{target}");
        check(base.as_bytes(), joined.as_bytes());
    }

    #[test]
    fn bytes_are_restored(
        base in prop::collection::vec(0..3_u8, 0..600),
        target in prop::collection::vec(0..3_u8, 0..600),
    ) {
        check(&base, &target);
        check(&base, &[&target[..], &base, &target].concat());
    }
}
