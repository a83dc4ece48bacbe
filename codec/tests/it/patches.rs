//! Patches as an SDK applies them: the npm package `centrifuge`, by Node.js.

use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};
use tidegate_codec::delta::{Alignment, patch};

#[test]
fn the_javascript_sdk_makes_the_same_texts() {
    let pairs = pairs();
    let cases: Vec<Value> = pairs
        .iter()
        .map(|(base, target)| {
            let patch = patch(base.as_bytes(), target.as_bytes(), Alignment::Characters);
            let patch = patch.expect("the texts have much in common");
            json!({ "base": base, "patch": std::str::from_utf8(&patch).unwrap() })
        })
        .collect();
    let results = apply(&cases);
    assert_eq!(results.len(), pairs.len());
    for ((_, target), result) in pairs.iter().zip(&results) {
        assert!(target == result, "{} bytes differ", target.len());
    }
}

fn apply(cases: &[Value]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let input = folder.path().join("cases.json");
    let text = Value::from(cases).to_string();
    std::fs::write(&input, text).expect("the folder is writable");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sdk/patches.mjs");
    let mut node =
        tidegate_testkit::node::node(&script).expect("Node.js and its packages are here");
    node.stdin(File::open(&input).expect("the file was just written"));
    let output = node.output().expect("Node.js starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("the script writes a list of texts")
}

/// Texts whose characters of one to four bytes change at every place, and a mebibyte of one character.
fn pairs() -> Vec<(String, String)> {
    let member = |number: usize| format!(r#"{{"id":{number},"name":"Größe 語👩‍🚀 e{}"}}"#, '\u{301}');
    let base = (0..40).map(member).collect::<Vec<_>>().join(",");
    let mut pairs = vec![(base.clone(), base.clone())];
    for (at, old) in base.char_indices().step_by(3) {
        let rest = &base[at + old.len_utf8()..];
        for new in ["", "a", "ö", "誤", "👨", "e\u{302}"] {
            pairs.push((base.clone(), format!("{}{new}{rest}", &base[..at])));
        }
    }
    let equal = "a".repeat(1 << 20);
    pairs.push((equal.clone(), format!("{}b", &equal[1..])));
    pairs
}
