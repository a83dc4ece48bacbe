//! A container of a rendered pod: what it is started with, and its files laid out in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::documents::Documents;

/// Values of the secrets that whoever deploys brings: `name/key`.
pub(crate) type Secrets = BTreeMap<String, String>;

/// A container before it is started.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    pub(crate) spec: &'a Value,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
}

impl<'a> Container<'a> {
    /// The container of a workload, with its files in `root` as they would be in the pod; arguments and environment name
    /// them there.
    ///
    /// # Errors
    /// When something that it needs is nowhere.
    pub(crate) fn lay_out(
        documents: &'a Documents,
        kind: &str,
        name: &str,
        secrets: &Secrets,
        root: &Path,
    ) -> Result<Self> {
        let workload = documents
            .get(kind, name)
            .with_context(|| format!("{kind} {name}"))?;
        let pod = &workload["spec"]["template"]["spec"];
        let spec = &pod["containers"][0];
        let mut mounts = Vec::new();
        for mount in list(&spec["volumeMounts"]) {
            let path = mount["mountPath"].as_str().context("a path")?;
            mounts.push((path, root.join(path.trim_start_matches('/'))));
        }
        // What begins with another one's path is moved first.
        mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        let moved = |text: &str| move_paths(text, &mounts);
        for mount in list(&spec["volumeMounts"]) {
            let (_, inside) = mounts
                .iter()
                .find(|(path, _)| mount["mountPath"] == **path)
                .context("it")?;
            fs::create_dir_all(inside)?;
            for (file, bytes) in files(documents, pod, &mount["name"], secrets)? {
                fs::write(inside.join(file), moved(std::str::from_utf8(&bytes)?))?;
            }
        }
        let arguments = list(&spec["args"]).filter_map(Value::as_str).map(moved);
        let arguments = arguments.collect();
        let mut environment = BTreeMap::new();
        for variable in list(&spec["env"]) {
            let name = variable["name"].as_str().context("a name")?;
            let value = value_of(variable, documents, secrets).with_context(|| name.to_owned())?;
            environment.insert(name.to_owned(), moved(&value));
        }
        Ok(Self {
            spec,
            arguments,
            environment,
        })
    }

    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment);
        command
    }

    /// The HTTP paths that probes ask for, and the names of their ports.
    pub(crate) fn http_probes(&self) -> Vec<(String, String)> {
        ["startupProbe", "readinessProbe", "livenessProbe"]
            .into_iter()
            .filter_map(|probe| {
                let get = self.spec[probe].get("httpGet")?;
                Some((
                    get["path"].as_str()?.to_owned(),
                    get["port"].as_str()?.to_owned(),
                ))
            })
            .collect()
    }

    /// The number of a named port.
    pub(crate) fn port(&self, name: &str) -> Option<u64> {
        let mut ports = list(&self.spec["ports"]);
        ports.find(|it| it["name"] == name)?["containerPort"].as_u64()
    }
}

/// Puts each path that stands at the beginning of a word into its folder.
fn move_paths(text: &str, mounts: &[(&str, PathBuf)]) -> String {
    let mut moved = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('/') {
        let (before, path) = rest.split_at(at);
        moved.push_str(before);
        let begins = |(from, _): &&(&str, PathBuf)| {
            path.strip_prefix(from)
                .is_some_and(|it| !it.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
        };
        let is_word = !moved.ends_with(|c: char| c.is_alphanumeric() || c == '/' || c == ':');
        rest = match mounts.iter().find(begins).filter(|_| is_word) {
            Some((from, folder)) => {
                moved.push_str(&folder.display().to_string());
                &path[from.len()..]
            }
            None => {
                moved.push('/');
                &path[1..]
            }
        };
    }
    moved + rest
}

pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn value_of(variable: &Value, documents: &Documents, secrets: &Secrets) -> Option<String> {
    if let Some(value) = variable["value"].as_str() {
        return Some(value.to_owned());
    }
    let from = &variable["valueFrom"];
    if let Some(field) = from["fieldRef"]["fieldPath"].as_str() {
        return Some(field.to_owned());
    }
    let reference = &from["secretKeyRef"];
    let (name, key) = (reference["name"].as_str()?, reference["key"].as_str()?);
    secret(documents, name, key, secrets)
}

/// A value of a secret that is rendered, or that whoever deploys brings.
fn secret(documents: &Documents, name: &str, key: &str, secrets: &Secrets) -> Option<String> {
    let rendered = documents.files("Secret", name).and_then(|files| {
        let (_, bytes) = files.into_iter().find(|(file, _)| file == key)?;
        String::from_utf8(bytes).ok()
    });
    rendered.or_else(|| secrets.get(&format!("{name}/{key}")).cloned())
}

/// The files of a volume.
fn files(
    documents: &Documents,
    pod: &Value,
    volume: &Value,
    secrets: &Secrets,
) -> Result<Vec<(String, Vec<u8>)>> {
    let Some(volume) = list(&pod["volumes"]).find(|it| it["name"] == *volume) else {
        // A claim: a disk that is empty.
        return Ok(Vec::new());
    };
    if let Some(name) = volume["configMap"]["name"].as_str() {
        return documents.files("ConfigMap", name).context("a ConfigMap");
    }
    let Some(name) = volume["secret"]["secretName"].as_str() else {
        return Ok(Vec::new());
    };
    let keys: Vec<(String, String)> = match volume["secret"].get("items") {
        Some(items) => list(items)
            .filter_map(|it| {
                Some((
                    it["key"].as_str()?.to_owned(),
                    it["path"].as_str()?.to_owned(),
                ))
            })
            .collect(),
        None => secrets
            .keys()
            .filter_map(|it| it.strip_prefix(name)?.strip_prefix('/'))
            .map(|key| (key.to_owned(), key.to_owned()))
            .collect(),
    };
    let file = |(key, path): (String, String)| {
        let value = secret(documents, name, &key, secrets);
        let value = value.with_context(|| format!("secret {name} has no {key}"))?;
        Ok((path, value.into_bytes()))
    };
    keys.into_iter().map(file).collect()
}
