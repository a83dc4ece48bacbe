//! Connections that the server closed, by the code that it said.

use tidegate_codec::DisconnectCode;
use tidegate_telemetry::metrics::Family;

use super::Counter;

/// The label of codes that an application's backend made up.
const OTHER: &str = "other";

/// Closed connections by code.
#[derive(Debug, Default)]
pub struct Closes {
    known: [Counter; DisconnectCode::ALL.len()],
    other: Counter,
}

impl Closes {
    /// Counts a connection that was closed with this code.
    pub fn add(&self, code: u16) {
        let mut known = DisconnectCode::ALL.iter().zip(&self.known);
        let found = known.find(|(it, _)| it.code() == u32::from(code));
        found.map_or(&self.other, |(_, counter)| counter).add(1);
    }

    pub(super) fn family(&self) -> Family {
        let mut family = Family::counter(
            "tidegate_closed",
            "Connections closed by the server, by disconnect code.",
        );
        for (code, counter) in DisconnectCode::ALL.iter().zip(&self.known) {
            family.add(&[("code", &code.code().to_string())], counter.get());
        }
        family.add(&[("code", OTHER)], self.other.get());
        family
    }
}

#[cfg(test)]
mod tests {
    use tidegate_telemetry::metrics::page;

    use super::*;

    #[test]
    fn codes_that_are_made_up_are_counted_together() {
        let closes = Closes::default();
        for code in [3008, 4999, 4998, 3008] {
            closes.add(code);
        }
        let text = page(&[closes.family()]);
        for line in [
            "tidegate_closed{code=\"3008\"} 2",
            "tidegate_closed{code=\"other\"} 2",
        ] {
            assert!(text.lines().any(|it| it == line), "{text}");
        }
    }
}
