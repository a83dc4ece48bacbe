//! Which connects that are refused are answered with a status of HTTP instead of a push: the option
//! `connect_code_to_http_status` of one-way transports.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;

use super::Kind;
use crate::config::Config;

/// Statuses by disconnect code.
pub(crate) type Codes = BTreeMap<u32, StatusCode>;

/// Those of each transport.
#[derive(Debug)]
pub(crate) struct Statuses([Codes; Kind::ALL.len()]);

impl Statuses {
    pub(super) fn of(&self, kind: Kind) -> &Codes {
        let at = Kind::ALL.iter().position(|it| *it == kind);
        &self.0[at.expect("every kind is listed")]
    }
}

/// Reads the options, of the form `3500=401`.
///
/// # Errors
/// One text a fault, each naming its option.
pub(crate) fn statuses(config: &Config) -> Result<Statuses, Vec<String>> {
    let mut faults = Vec::new();
    let statuses = Kind::ALL.map(|kind| {
        let section = kind.section(config);
        let entries = section.statuses.iter().filter_map(|entry| {
            let read = parse(entry);
            if read.is_none() {
                let option = format!("{}.connect_code_to_http_status", section.name);
                let text = "is not like 3500=401, a disconnect code and a status from 200 to 599";
                faults.push(format!("{option}: `{entry}` {text}"));
            }
            read
        });
        entries.collect()
    });
    if faults.is_empty() {
        Ok(Statuses(statuses))
    } else {
        Err(faults)
    }
}

fn parse(entry: &str) -> Option<(u32, StatusCode)> {
    let (code, status) = entry.split_once('=')?;
    let code = code
        .trim()
        .parse()
        .ok()
        .filter(|code| (3_000..5_000).contains(code))?;
    let status = status
        .trim()
        .parse()
        .ok()
        .filter(|status| (200..600).contains(status))?;
    Some((code, StatusCode::from_u16(status).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_a_code_and_a_status() {
        for (entry, expected) in [
            ("3500=401", Some((3500, 401))),
            (" 3504 = 429", Some((3504, 429))),
            ("3500", None),
            ("3500=", None),
            ("99=401", None),
            ("3500=100", None),
            ("3500=1000", None),
            ("3500=401=2", None),
        ] {
            let read = parse(entry).map(|(code, status)| (code, status.as_u16()));
            assert_eq!(read, expected, "{entry}");
        }
    }

    #[test]
    fn faults_name_their_option() {
        let mut config = Config::default();
        config.uni_sse.connect_code_to_http_status = vec!["3500=401".to_owned()];
        let read = statuses(&config).unwrap();
        assert_eq!(read.of(Kind::UniSse)[&3500], StatusCode::UNAUTHORIZED);
        assert!(read.of(Kind::UniHttpStream).is_empty());
        config.uni_http_stream.connect_code_to_http_status = vec!["x".to_owned()];
        let faults = statuses(&config).unwrap_err();
        assert!(
            faults[0].starts_with("uni_http_stream.connect_code_to_http_status: `x`"),
            "{faults:?}"
        );
    }
}
