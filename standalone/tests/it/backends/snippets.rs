//! What `docs/backends.md` shows backends is done as it stands there.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use tempfile::TempDir;
use tidegate_testkit::deadline::{until, until_some};
use tidegate_testkit::go::{go, nats_program};
use tidegate_testkit::node::{node, node_modules};
use tidegate_testkit::program::Program;
use tidegate_testkit::python::python;

use super::{KEY, ask, listener};
use crate::health::readiness;
use crate::scenario::keep;
use crate::site::{Backbone, Site};

const PAGE: &str = include_str!("../../../../docs/backends.md");
const TOKENS: &str = include_str!("../../../../docs/tokens.md");
const HOOKS: &str = include_str!("../../../../docs/hooks.md");
const README: &str = include_str!("../../../../README.md");

/// The blocks of a language on a page, in its order.
pub(super) fn blocks(page: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    let parts = page.split(begin.as_str()).skip(1);
    let blocks = parts.map(|it| it.split_once("```").unwrap().0.to_owned());
    blocks.collect()
}

/// The first block of a language in `docs/backends.md`.
fn snippet(language: &str) -> String {
    blocks(PAGE, language).remove(0)
}

/// A command that runs a program of a page, from a folder of its own in this one.
pub(super) fn script(language: &str, text: &str, folder: &TempDir) -> Command {
    let folder = tempfile::tempdir_in(folder.path()).unwrap().keep();
    if language == "python" {
        let script = folder.join("snippet.py");
        fs::write(&script, text).unwrap();
        return python(&script).unwrap();
    }
    let modules = node_modules().unwrap();
    std::os::unix::fs::symlink(modules, folder.join("node_modules")).unwrap();
    let script = folder.join("snippet.mjs");
    fs::write(&script, text).unwrap();
    node(&script).unwrap()
}

/// A site whose gateways answer backends over NATS, and a backend's connection.
async fn site_with_service() -> (Site, async_nats::Client) {
    let site = Site::start(Backbone::Nats, |config| {
        keep(config);
        config["nats_api"] = json!({ "enabled": true });
        config["client"]["revocation"] = json!({ "enabled": true });
    })
    .await;
    let nats = async_nats::connect(site.nats.as_ref().unwrap().url());
    let nats = nats.await.unwrap();
    let there = async || {
        let asked = nats.request("$SRV.PING.tidegate", "".into());
        asked.await.ok().map(drop)
    };
    until_some("the service is there", there).await.unwrap();
    // Any of them answers, and one that starts does not know its streams yet.
    for gateway in &site.gateways {
        readiness(gateway, 200).await;
    }
    (site, nats)
}

#[tokio::test]
async fn the_snippets_of_the_documentation_do_what_they_say() {
    let (site, _nats) = site_with_service().await;
    let mut listener = listener(&site).await;
    let url = site.nats.as_ref().unwrap().url();
    let folder = tempfile::tempdir().unwrap();
    for (language, said) in [
        ("python", r#"{"text":"from Python"}"#),
        ("javascript", r#"{"text":"from Node.js"}"#),
    ] {
        let mut command = script(language, &snippet(language), &folder);
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
    fs::write(&source, snippet("go")).unwrap();
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

/// The lines of the documentation that call the program `nats` about what this site has, in the order of the pages.
fn nats_lines() -> Vec<&'static str> {
    let lines = [PAGE, TOKENS].into_iter().flat_map(|page| page.lines());
    let lines = lines
        .map(str::trim_start)
        .filter(|it| it.starts_with("nats "));
    lines.collect()
}

/// The program as a user without contexts of its own calls it.
pub(crate) fn nats_command(line: &str, programs: &Path, home: &Path, url: &str) -> Command {
    let path = std::env::join_paths([programs, Path::new("/usr/bin"), Path::new("/bin")]);
    let mut command = Command::new("sh");
    command.env_clear();
    command.args(["-c", line]).env("PATH", path.unwrap());
    command.env("HOME", home).env("NATS_URL", url);
    command
}

/// What the program has to write for a line of the documentation.
fn expected(line: &str) -> &'static str {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["nats", "pub", ..] => "Published",
        ["nats", "req", ..] => r#"{"result":{"num_clients":0}}"#,
        ["nats", "micro", "ls"] => "tidegate",
        ["nats", "micro", "info", ..] => "tide.req.tidegate.disconnect",
        ["nats", "micro", "stats", ..] => "Statistics",
        ["nats", "kv", "ls" | "watch", ..] => "token.4f1c",
        ["nats", "kv", "put", ..] => "4102444800",
        ["nats", "kv", "del", ..] => "",
        _ => panic!("the test does not know what {line:?} writes"),
    }
}

#[tokio::test]
async fn the_lines_for_the_nats_program_do_what_they_say() {
    let programs = tokio::task::spawn_blocking(|| nats_program().unwrap());
    let programs = programs.await.unwrap();
    let (site, nats) = site_with_service().await;
    let mut listener = listener(&site).await;
    let url = site.nats.as_ref().unwrap().url();
    let home = tempfile::tempdir().unwrap();
    let revoked = json!({ "uid": "4f1c", "expire_at": 4_000_000_000_u64 });
    let done = ask(&nats, "revoke_token", revoked).await;
    assert_eq!(done, json!({ "result": {} }));
    let lines = nats_lines();
    assert_eq!(lines.len(), 9, "{lines:?}");
    for line in lines {
        let command = nats_command(&format!("exec {line}"), &programs, home.path(), &url);
        let mut program = Program::start(command).unwrap();
        if line.contains(" watch ") {
            // It goes on until it is ended.
            let shown = until(line, || program.output().contains(expected(line)));
            shown.await.unwrap();
            program.kill().unwrap();
            continue;
        }
        program.succeeded().await.unwrap();
        let output = program.output();
        assert!(output.contains(expected(line)), "{line}\n{output}");
    }
    let said = BASE64.encode(r#"{"text":"from the command line"}"#);
    assert_eq!(listener.next_line().await.unwrap(), said);
    // What stands in the bucket afterwards is what the lines put there, and every node goes by it.
    let listed = async || {
        let found = ask(&nats, "revocations", json!({})).await;
        let expected = json!([{ "user": "mallory", "expire_at": 4_102_444_800_u64 }]);
        (found["result"]["revocations"] == expected).then_some(())
    };
    until_some("nodes go by what was put and deleted", listed)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_lines_for_curl_do_what_they_say() {
    let site = Site::start(Backbone::Embedded, |config| {
        config["http_api"] = json!({ "key": KEY });
        config["client"]["revocation"] = json!({ "enabled": true });
    })
    .await;
    let mut listener = listener(&site).await;
    let lines = [PAGE, README].into_iter().flat_map(|page| page.lines());
    let lines = lines
        .map(str::trim_start)
        .filter(|it| it.starts_with("curl "));
    let mut methods = Vec::new();
    for line in lines {
        let here = line.replace('…', KEY);
        let here = here.replace("127.0.0.1:8000", site.near().address());
        let mut command = Command::new("sh");
        command.args(["-c", &here]);
        let mut program = Program::start(command).unwrap();
        program.succeeded().await.unwrap();
        let (_, method) = line.rsplit_once('/').unwrap();
        methods.push(method);
        let expected = match method {
            "disconnect" => r#"{"result":{"num_clients":0}}"#,
            _ => r#"{"result":{}}"#,
        };
        let output = program.output();
        assert!(output.contains(expected), "{line}\n{output}");
    }
    assert_eq!(methods, ["publish", "disconnect", "block_user"]);
    let said = BASE64.encode(r#"{"text":"hello"}"#);
    assert_eq!(listener.next_line().await.unwrap(), said);
}

#[tokio::test]
async fn the_configurations_of_the_pages_are_correct() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidegate.yaml");
    for page in [HOOKS, TOKENS] {
        for text in blocks(page, "yaml") {
            fs::write(&file, &text).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
            command.env_clear().args(["check-config", "--config"]);
            command.arg(&file);
            let mut program = Program::start(command).unwrap();
            program.succeeded().await.unwrap();
            let said = program.next_line().await.unwrap();
            assert_eq!(said, "configuration is correct", "{text}");
        }
    }
}
