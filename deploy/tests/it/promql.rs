//! What expressions of Prometheus ask for, as a parser of its language reads them.

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};
use serde::Deserialize;
use tidegate_testkit::tools::pip_install;

const PARSER: &str = "promql-parser==0.12.0";

/// Reads a list of expressions, and writes what each selects; ends with the expression that is none.
const SCRIPT: &str = r#"
import json, sys, promql_parser

found = []
for text in json.load(open(sys.argv[1])):
    try:
        tree = promql_parser.parse(text)
    except Exception as error:
        sys.exit(f"{text}: {error}")
    nodes = []
    promql_parser.walk(tree, lambda node: nodes.append(node))
    groups = [n.modifier for n in nodes if isinstance(n, promql_parser.AggregateExpr) and n.modifier]
    labels = sorted({label for group in groups for label in group.labels})
    for node in nodes:
        if isinstance(node, promql_parser.VectorSelector):
            matchers = [(m.name, m.value) for m in node.matchers.matchers]
            found.append({"name": node.name, "matchers": matchers, "grouped_by": labels})
json.dump(found, sys.stdout)
"#;

/// One metric that an expression asks for.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Selector {
    pub(crate) name: String,
    /// Labels, and what they are compared with.
    pub(crate) matchers: Vec<(String, String)>,
    /// What the whole expression is grouped by.
    pub(crate) grouped_by: Vec<String>,
}

/// Everything that is asked for.
///
/// # Errors
/// With the expression that cannot be read.
pub(crate) fn selectors(expressions: &[String]) -> Result<Vec<Selector>> {
    let tool = pip_install("promql-parser", &[PARSER])?;
    let folder = tempfile::tempdir()?;
    let (script, list) = (folder.path().join("read.py"), folder.path().join("list"));
    fs::write(&script, SCRIPT)?;
    fs::write(&list, serde_json::to_vec(expressions)?)?;
    let mut python = Command::new("python3");
    let output = python
        .env("PYTHONPATH", &tool)
        .arg(&script)
        .arg(&list)
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn expressions_are_read_as_prometheus_reads_them() {
    let read = |text: &str| selectors(&[text.to_owned()]);
    let found = read("sum by (code) (rate(tidegate_closed{code=\"3008\"}[5m])) > 0").unwrap();
    let expected = Selector {
        name: "tidegate_closed".to_owned(),
        matchers: vec![("code".to_owned(), "3008".to_owned())],
        grouped_by: vec!["code".to_owned()],
    };
    assert_eq!(found, [expected]);
    for wrong in ["rate(tidegate_closed)", "sum by (a (b)", "a >"] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains(wrong), "{wrong}: {error}");
    }
}
