//! From a file, the environment and flags to a checked configuration, or to everything that is wrong with them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::check::Finding;
use super::fault::{Fault, Faults, Source};
use super::overlay::{self, FILE_VARIABLE, Setting};
use super::schema::{Described, Field, Kind};
use super::walk::{Origins, Walk};
use super::{Config, file};

/// A configuration without faults.
#[derive(Debug)]
pub struct Loaded {
    /// What is configured.
    pub config: Config,
    /// Options that have no effect, one line for each.
    pub warnings: Vec<String>,
    origins: Origins,
}

impl Loaded {
    /// The configuration file, if there is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.origins.file.as_deref()
    }

    /// Whether the file, the environment or a flag sets this option, named by its path.
    #[must_use]
    pub fn is_set(&self, option: &str) -> bool {
        self.origins.set.contains_key(option)
    }
}

/// Loads a configuration: the file, over it the environment, over that the flags.
///
/// Without a file named by `file` or `TIDEGATE_CONFIG` there is none; none is searched for. `examine` may add faults of
/// a configuration that are found elsewhere, each as `option: message`.
///
/// # Errors
/// [`Faults`] with everything that is wrong.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: Vec<Setting>,
    examine: impl FnOnce(&Config) -> Vec<String>,
) -> Result<Loaded, Faults> {
    let mut environment: Vec<_> = environment.into_iter().collect();
    environment.sort();
    let named = environment
        .iter()
        .find(|(name, _)| name == FILE_VARIABLE)
        .map(|(_, path)| path);
    let named = named.filter(|path| !path.is_empty()).map(PathBuf::from);
    let file = file.map(Path::to_owned).or(named);

    let fields = fields();
    let (mut tree, mut faults) = read(file.as_deref())?;
    let mut origins = Origins {
        file,
        ..Origins::default()
    };
    let (settings, malformed) = overlay::settings(environment, flags);
    faults.extend(malformed);
    faults.extend(overlay::apply(&mut tree, settings, &fields, &mut origins));
    let mut walk = Walk::new(&fields, origins, faults);
    let tree = walk.root(&fields, tree);
    let Walk {
        origins,
        mut faults,
        warnings,
        ..
    } = walk;

    let config: Config = serde_json::from_value(tree)
        .map_err(|error| alone("configuration", format!("cannot be used: {error}")))?;
    faults.extend(findings(&config, examine(&config), &faults, &origins));
    if faults.is_empty() {
        let warnings = warnings.iter().map(Fault::to_string).collect();
        Ok(Loaded {
            config,
            warnings,
            origins,
        })
    } else {
        Err(Faults(faults))
    }
}

fn alone(option: &str, message: String) -> Faults {
    Faults(vec![Fault {
        option: option.to_owned(),
        source: None,
        message,
    }])
}

/// All sections of options.
pub(super) fn fields() -> Vec<Field> {
    match Config::kind() {
        Kind::Section(fields) => fields,
        _ => Vec::new(),
    }
}

/// A file that cannot be read says nothing about the rest, so its fault stands alone.
fn read(path: Option<&Path>) -> Result<(Value, Vec<Fault>), Faults> {
    let Some(path) = path else {
        return Ok((Map::new().into(), Vec::new()));
    };
    let (tree, repeated) =
        file::read(path).map_err(|message| alone(&path.display().to_string(), message))?;
    let twice = |option| Fault {
        option,
        source: Some(Source::File(path.to_owned())),
        message: "is set twice".to_owned(),
    };
    Ok((tree, repeated.into_iter().map(twice).collect()))
}

/// What options contradict; not told of options that are at fault by themselves already.
fn findings(
    config: &Config,
    examined: Vec<String>,
    faults: &[Fault],
    origins: &Origins,
) -> Vec<Fault> {
    let sound = |option: &String| !faults.iter().any(|fault| fault.option == *option);
    let mut findings = config.check();
    findings.retain(|finding| finding.options.iter().all(sound));
    for line in examined {
        let (option, message) = line.split_once(": ").unwrap_or(("configuration", &line));
        let finding = Finding::new(&[option], message);
        let told = findings
            .iter()
            .any(|other| other.options.contains(&finding.options[0]));
        if !told && finding.options.iter().all(sound) {
            findings.push(finding);
        }
    }
    let fault = |finding: Finding| origins.fault(&finding.options[0], finding.message);
    findings.into_iter().map(fault).collect()
}
