//! Scenarios by name, or made up by the user.

use anyhow::{Result, bail};

/// What is run, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Preset {
    pub(super) name: String,
    pub(super) arguments: String,
}

impl Preset {
    /// Whether it takes the options for publishing.
    pub(super) fn publishes(&self) -> bool {
        !self.arguments.starts_with("idle") && !self.arguments.starts_with("storm")
    }
}

const PRESETS: [(&str, &str); 12] = [
    ("idle", "idle --clients 10000 --hold 60s"),
    ("storm", "storm --clients 10000"),
    ("hot", "fanout --clients 500 --rate 1000"),
    ("hot-4000", "fanout --clients 500 --rate 4000"),
    ("crowd", "fanout --clients 5000 --rate 100"),
    ("wide", "fanout --clients 15000 --rounds 20 --drain 60s"),
    (
        "rooms",
        "rooms --clients 10000 --rooms 1000 --rate 2 --size 100",
    ),
    (
        "game",
        "fanout --clients 1000 --rate 30 --inputs-per-second 10",
    ),
    (
        "near-idle",
        "fanout --clients 100 --rate 20 --keep-cpus-awake",
    ),
    ("mixed", "mixed"),
    (
        "blink",
        "recover --clients 2000 --channels 20 --rate 2 --duration 60s --every 15s --offline 2s",
    ),
    (
        "avalanche",
        "recover --clients 10000 --channels 100 --rate 10 --duration 20s --offline 5s",
    ),
];

/// The names, for help.
pub(crate) fn names() -> String {
    PRESETS.map(|(name, _)| name).join(", ")
}

/// A preset by its name, or `name=arguments`.
pub(super) fn find(text: &str) -> Result<Preset> {
    let (name, arguments) = match text.split_once('=') {
        Some(both) => both,
        None => match PRESETS.into_iter().find(|(name, _)| *name == text) {
            Some(preset) => preset,
            None => bail!("no scenario {text:?}; there are {}", names()),
        },
    };
    Ok(Preset {
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_preset_is_a_command_line() {
        for (name, _) in PRESETS {
            let preset = find(name).unwrap();
            let fixed = ["tidegate-loadtest"].into_iter();
            let arguments = fixed.chain(preset.arguments.split_whitespace());
            Cli::try_parse_from(arguments.chain(["--target", "ws://127.0.0.1:1"])).unwrap();
        }
    }

    #[test]
    fn a_scenario_can_be_made_up() {
        let own = find("mine=fanout --clients 7").unwrap();
        assert_eq!(
            (&*own.name, &*own.arguments),
            ("mine", "fanout --clients 7")
        );
        assert!(find("nothing").is_err());
    }
}
