//! What `docs/backends.md` shows backends is done as it stands there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::go::go;
use tidegate_testkit::node::{node, node_modules};
use tidegate_testkit::program::Program;
use tidegate_testkit::python::python;

use super::{ask, listener};
use crate::scenario::keep;
use crate::site::{Backbone, Site};

/// The first block of a language in `docs/backends.md`.
fn snippet(language: &str) -> String {
    let page = include_str!("../../../../docs/backends.md");
    let (_, block) = page.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// A site whose gateways answer backends over NATS, and a backend's connection.
async fn site_with_service() -> (Site, async_nats::Client) {
    let site = Site::start(Backbone::Nats, |config| {
        keep(config);
        config["nats_api"] = json!({ "enabled": true });
    })
    .await;
    let nats = async_nats::connect(site.nats.as_ref().unwrap().url());
    let nats = nats.await.unwrap();
    let there = async || {
        let asked = nats.request("$SRV.PING.tidegate", "".into());
        asked.await.ok().map(drop)
    };
    until_some("the service is there", there).await.unwrap();
    (site, nats)
}

#[tokio::test]
async fn the_snippets_of_the_documentation_do_what_they_say() {
    let (site, _nats) = site_with_service().await;
    let mut listener = listener(&site).await;
    let url = site.nats.as_ref().unwrap().url();
    let folder = tempfile::tempdir().unwrap();
    let modules = node_modules().unwrap();
    std::os::unix::fs::symlink(modules, folder.path().join("node_modules")).unwrap();
    for (language, name, said) in [
        ("python", "snippet.py", r#"{"text":"from Python"}"#),
        ("javascript", "snippet.mjs", r#"{"text":"from Node.js"}"#),
    ] {
        let script = folder.path().join(name);
        std::fs::write(&script, snippet(language)).unwrap();
        let mut command = match language {
            "python" => python(&script).unwrap(),
            _ => node(&script).unwrap(),
        };
        command.env("NATS_URL", &url);
        let mut program = Program::start(command).unwrap();
        let answer = program.next_line().await.unwrap();
        assert_eq!(answer, r#"{"result":{"num_clients":0}}"#, "{language}");
        program.succeeded().await.unwrap();
        assert_eq!(listener.next_line().await.unwrap(), BASE64.encode(said));
    }
}

#[tokio::test]
async fn the_go_snippet_is_told_that_the_stream_has_its_publication() {
    let (site, nats) = site_with_service().await;
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("snippet.go");
    std::fs::write(&source, snippet("go")).unwrap();
    let mut command = go(&source).unwrap();
    command.env("NATS_URL", site.nats.as_ref().unwrap().url());
    let mut program = Program::start(command).unwrap();
    assert_eq!(program.next_line().await.unwrap(), "stored at 1");
    let answer = program.next_line().await.unwrap();
    assert_eq!(answer, r#"{"result":{"num_clients":0}}"#);
    program.succeeded().await.unwrap();
    let stored = ask(
        &nats,
        "history",
        json!({ "channel": "kept:room", "limit": 10 }),
    );
    let stored = stored.await;
    let publications = stored["result"]["publications"].as_array().unwrap();
    assert_eq!(publications.len(), 1, "{stored}");
    assert_eq!(publications[0]["data"], json!({ "text": "from Go" }));
}

/// The lines of the page that call the program `nats`, as words.
fn nats_lines() -> Vec<Vec<String>> {
    let page = include_str!("../../../../docs/backends.md");
    let lines = page.lines().filter_map(|it| it.strip_prefix("    nats "));
    lines.map(words).collect()
}

/// The words of a command without quotes but single ones around a whole word.
fn words(line: &str) -> Vec<String> {
    let mut rest = line.trim();
    let mut words = Vec::new();
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').expect("a quote ends"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    words
}

/// Not by the program `nats`, which takes minutes to build: its lines are read, and what they ask for is done by a client.
#[tokio::test]
async fn what_the_lines_of_the_documentation_ask_nats_for_is_done() {
    let (site, nats) = site_with_service().await;
    let mut listener = listener(&site).await;
    let lines = nats_lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in lines {
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        match line[..] {
            ["pub", subject, payload] => {
                let payload = payload.to_owned();
                let said = BASE64.encode(&payload);
                let published = nats.publish(subject.to_owned(), payload.into());
                published.await.unwrap();
                assert_eq!(listener.next_line().await.unwrap(), said);
            }
            ["req", subject, payload] => {
                let asked = nats.request(subject.to_owned(), payload.to_owned().into());
                let answer = serde_json::from_slice::<Value>(&asked.await.unwrap().payload);
                let expected = json!({ "result": { "num_clients": 0 } });
                assert_eq!(answer.unwrap(), expected);
            }
            ["micro", "info", service] => {
                let asked = nats.request(format!("$SRV.INFO.{service}"), "".into());
                let info: Value = serde_json::from_slice(&asked.await.unwrap().payload).unwrap();
                assert_eq!(info["name"], service);
            }
            _ => panic!("the test does not know what {line:?} asks for"),
        }
    }
}
