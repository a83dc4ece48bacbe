//! Manifests as an operator renders them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use tidegate_testkit::tools::{fetch, pip_install, run};

const KUSTOMIZE: &str = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1";
const VALIDATE: &str = "kubernetes-validate==1.37.0";

/// Kinds of operators and add-ons, whose schemas are not Kubernetes' own.
const WITHOUT_SCHEMA: [&str; 4] = ["PrometheusRule", "ServiceMonitor", "Gateway", "HTTPRoute"];

/// A file of this folder.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(file(path)).expect("a file of this folder")
}

/// What an overlay or base renders to.
#[derive(Debug)]
pub(crate) struct Documents {
    text: String,
    documents: Vec<Value>,
}

impl Documents {
    pub(crate) fn render(folder: &Path) -> Result<Self> {
        let output = kustomize()?.arg(folder).output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8(output.stdout)?;
        let documents = serde_saphyr::from_multiple(&text)?;
        Ok(Self { text, documents })
    }

    pub(crate) fn all(&self) -> &[Value] {
        &self.documents
    }

    /// The document of this kind and name; of what is generated, the name without its hash.
    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<&Value> {
        let is_it = |it: &&Value| {
            let found = it["metadata"]["name"].as_str().unwrap_or_default();
            let generated = found.rsplit_once('-').is_some_and(|(stem, _)| stem == name);
            it["kind"] == kind && (found == name || generated)
        };
        self.documents.iter().find(is_it)
    }

    /// The files of a `ConfigMap` or `Secret`; `None` if it is not among the documents.
    pub(crate) fn files(&self, kind: &str, name: &str) -> Option<Vec<(String, Vec<u8>)>> {
        let data = self.get(kind, name)?["data"].as_object()?;
        let file = |(name, value): (&String, &Value)| {
            let text = value.as_str()?;
            let bytes = match kind {
                "Secret" => BASE64.decode(text).ok()?,
                _ => text.as_bytes().to_vec(),
            };
            Some((name.clone(), bytes))
        };
        data.iter().map(file).collect()
    }

    /// Holds every document against its schema, which has no place for what it does not know.
    ///
    /// # Errors
    /// With what is wrong.
    pub(crate) fn validate(&self) -> Result<()> {
        let tool = pip_install("kubernetes-validate", &[VALIDATE])?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("documents.yaml");
        fs::write(&path, &self.text)?;
        let output = Command::new(tool.join("bin/kubernetes-validate"))
            .env("PYTHONPATH", &tool)
            .arg("--strict")
            .arg(&path)
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let is_expected = |line: &str| {
            let has_no_schema = |kind: &str| line.contains(&format!("schema for kind {kind} "));
            line.starts_with("INFO") || WITHOUT_SCHEMA.iter().any(|it| has_no_schema(it))
        };
        let wrong: Vec<_> = said.lines().filter(|it| !is_expected(it)).collect();
        let passed = said.lines().filter(|it| it.contains(" passed ")).count();
        let has_schema = |it: &&Value| !WITHOUT_SCHEMA.iter().any(|kind| it["kind"] == **kind);
        let expected = self.documents.iter().filter(has_schema).count();
        if !output.status.success() || !wrong.is_empty() || passed != expected {
            bail!("{passed} of {expected} documents are valid\n{said}");
        }
        Ok(())
    }
}

/// What renders a folder that is given as its last argument: kubectl where it is installed, or else kustomize, made with Go.
fn kustomize() -> Result<Command> {
    if run(Command::new("kubectl").args(["version", "--client"])).is_ok() {
        let mut command = Command::new("kubectl");
        command.arg("kustomize");
        return Ok(command);
    }
    let install = |target: &Path| {
        let mut go = Command::new("go");
        go.args(["install", KUSTOMIZE]).env("GOBIN", target);
        run(&mut go).context("kubectl and go are missing; on Debian: apt-get install golang")
    };
    let mut command = Command::new(fetch("kustomize", KUSTOMIZE, install)?.join("kustomize"));
    command.arg("build");
    Ok(command)
}
