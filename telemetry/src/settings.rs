//! Where and how telemetry is sent: what the program's own options say, and over them OpenTelemetry's variables of the
//! environment. Those of sampling, of the resource and of limits are read by the SDK itself.

use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri};

/// What the program's options say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// What the program is called, unless `OTEL_SERVICE_NAME` says otherwise.
    pub service: &'static str,
    /// What the process is called among others of the program.
    pub instance: String,
    /// Where a collector is; empty for the standard port of this machine.
    pub endpoint: String,
    /// `grpc` or `http/protobuf`; empty for the first.
    pub protocol: String,
    /// One of OpenTelemetry's; empty for `parentbased_always_on`.
    pub sampler: String,
    /// The share of traces that is recorded, for samplers that want one.
    pub sampler_arg: String,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `grpc`.
    Grpc,
    /// `http/protobuf`.
    Http,
}

/// An option or a variable that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {what}")]
pub struct Fault {
    name: &'static str,
    what: &'static str,
}

impl Fault {
    /// What of the [`Options`], or which variable, is at fault.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        self.what
    }
}

/// Where and how telemetry is sent.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) service: &'static str,
    pub(crate) instance: String,
    pub(crate) protocol: Protocol,
    /// Where spans go; `None` for nowhere.
    pub(crate) traces: Option<Uri>,
    /// Where metrics go; `None` for nowhere.
    pub(crate) metrics: Option<Uri>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Of one request.
    pub(crate) timeout: Duration,
    /// Between two exports of metrics.
    pub(crate) interval: Duration,
    /// How long the first of several spans waits for the others.
    pub(crate) delay: Duration,
    /// Spans that may wait; what comes then is dropped.
    pub(crate) queue: usize,
    /// Spans in one request.
    pub(crate) batch: usize,
    /// `None`: the SDK's, by the environment.
    pub(crate) sampler: Option<(String, String)>,
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const METRICS_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
const TRACES_EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const METRICS_EXPORTER: &str = "OTEL_METRICS_EXPORTER";
const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
const DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";
const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
const BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const DISABLED: &str = "OTEL_SDK_DISABLED";

/// Samplers that need no service of their own.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

impl Settings {
    /// What options and the environment say together; `None` if `OTEL_SDK_DISABLED` does.
    ///
    /// # Errors
    /// The first [`Fault`].
    pub fn new(
        options: Options,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Option<Self>, Fault> {
        let variables = Variables(environment.filter(|(_, value)| !value.is_empty()).collect());
        if variables
            .of(DISABLED)
            .is_some_and(|it| it.eq_ignore_ascii_case("true"))
        {
            return Ok(None);
        }
        let protocol = match variables.of(PROTOCOL) {
            Some(text) => protocol(PROTOCOL, text)?,
            None => protocol("protocol", &options.protocol)?,
        };
        let base = base(&variables, &options.endpoint, protocol)?;
        let sampler = match variables.of(SAMPLER) {
            Some(_) => None,
            None => Some(sampler(&options)?),
        };
        let target = |exporter, endpoint, path| match variables.of(exporter) {
            Some("none") => Ok(None),
            Some("otlp") | None => match variables.of(endpoint) {
                Some(text) => uri(endpoint, text).map(Some),
                None => Ok(Some(below(&base, path, protocol))),
            },
            Some(_) => Err(fault(exporter, "has to be `otlp` or `none`")),
        };
        Ok(Some(Self {
            traces: target(TRACES_EXPORTER, TRACES_ENDPOINT, "v1/traces")?,
            metrics: target(METRICS_EXPORTER, METRICS_ENDPOINT, "v1/metrics")?,
            headers: variables.of(HEADERS).map_or(Ok(Vec::new()), headers)?,
            timeout: variables.time(TIMEOUT, 10_000)?,
            interval: variables.time(INTERVAL, 60_000)?,
            delay: variables.time(DELAY, 5_000)?,
            queue: variables.number(QUEUE, 2_048)? as usize,
            batch: variables.number(BATCH, 512)? as usize,
            service: options.service,
            instance: options.instance,
            protocol,
            sampler,
        }))
    }
}

/// Those that are set to something.
struct Variables(Vec<(String, String)>);

impl Variables {
    fn of(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        all.find_map(|(it, value)| (it == name).then_some(value.as_str()))
    }

    fn number(&self, name: &'static str, default: u32) -> Result<u32, Fault> {
        let Some(text) = self.of(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|it| *it > 0);
        number.ok_or(fault(name, "has to be a whole number above zero"))
    }

    fn time(&self, name: &'static str, default: u32) -> Result<Duration, Fault> {
        let millis = self.number(name, default)?;
        Ok(Duration::from_millis(millis.into()))
    }
}

const fn fault(name: &'static str, what: &'static str) -> Fault {
    Fault { name, what }
}

fn protocol(name: &'static str, text: &str) -> Result<Protocol, Fault> {
    match text {
        "grpc" | "" => Ok(Protocol::Grpc),
        "http/protobuf" => Ok(Protocol::Http),
        _ => Err(fault(name, "has to be `grpc` or `http/protobuf`")),
    }
}

fn base(variables: &Variables, option: &str, protocol: Protocol) -> Result<Uri, Fault> {
    let default = match protocol {
        Protocol::Grpc => "http://127.0.0.1:4317",
        Protocol::Http => "http://127.0.0.1:4318",
    };
    match (variables.of(ENDPOINT), option) {
        (Some(text), _) => uri(ENDPOINT, text),
        (None, "") => uri("endpoint", default),
        (None, text) => uri("endpoint", text),
    }
}

fn uri(name: &'static str, text: &str) -> Result<Uri, Fault> {
    let uri: Option<Uri> = text.parse().ok();
    let is_http = |it: &Uri| matches!(it.scheme_str(), Some("http" | "https"));
    let uri = uri.filter(|it| is_http(it) && it.host().is_some_and(|host| !host.is_empty()));
    uri.ok_or(fault(
        name,
        "has to start with `http://` or `https://` and name a host",
    ))
}

/// Where one kind of telemetry goes. Methods of gRPC have paths of their own.
fn below(base: &Uri, path: &str, protocol: Protocol) -> Uri {
    let mut parts = base.clone().into_parts();
    let path = match protocol {
        Protocol::Grpc => "/".to_owned(),
        Protocol::Http => format!("{}/{path}", base.path().trim_end_matches('/')),
    };
    parts.path_and_query = PathAndQuery::try_from(path).ok();
    Uri::from_parts(parts).unwrap_or_else(|_| base.clone())
}

/// `name=value,name=value`, with values percent-encoded.
fn headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
    let pairs = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    let read = pairs.map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = decoded(value.trim())?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        let mut value = HeaderValue::from_bytes(&value).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    });
    let read: Option<_> = read.collect();
    read.ok_or(fault(HEADERS, "has to be `name=value,name=value`"))
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

fn sampler(options: &Options) -> Result<(String, String), Fault> {
    let name = match options.sampler.as_str() {
        "" => "parentbased_always_on",
        name => name,
    };
    if !SAMPLERS.contains(&name) {
        return Err(fault(
            "sampler",
            "has to be a sampler of OpenTelemetry, such as `parentbased_traceidratio`",
        ));
    }
    let share: Option<f64> = options.sampler_arg.parse().ok();
    let is_share = share.is_some_and(|it| (0.0..=1.0).contains(&it));
    if name.ends_with("traceidratio") && !is_share {
        return Err(fault("sampler_arg", "has to be a number from 0 to 1"));
    }
    Ok((name.to_owned(), options.sampler_arg.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: Options, environment: &[(&str, &str)]) -> Result<Option<Settings>, Fault> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Settings::new(options, environment.iter().map(owned))
    }

    fn options() -> Options {
        Options {
            endpoint: "http://options:1".to_owned(),
            ..Options::default()
        }
    }

    #[test]
    fn the_environment_wins_over_options() {
        const HTTP: (&str, &str) = (PROTOCOL, "http/protobuf");
        let cases: [(&[_], _, _); 6] = [
            (&[], "http://options:1/", "http://options:1/"),
            (&[(ENDPOINT, "http://e:1")], "http://e:1/", "http://e:1/"),
            (&[(ENDPOINT, "")], "http://options:1/", "http://options:1/"),
            (
                &[HTTP],
                "http://options:1/v1/traces",
                "http://options:1/v1/metrics",
            ),
            (
                &[
                    HTTP,
                    (ENDPOINT, "https://e/base/"),
                    (TRACES_ENDPOINT, "http://t/x"),
                ],
                "http://t/x",
                "https://e/base/v1/metrics",
            ),
            (&[(METRICS_EXPORTER, "none")], "http://options:1/", ""),
        ];
        for (environment, traces, metrics) in cases {
            let settings = read(options(), environment).unwrap().unwrap();
            let text = |it: Option<Uri>| it.map_or_else(String::new, |it| it.to_string());
            let found = (text(settings.traces), text(settings.metrics));
            assert_eq!(
                found,
                (traces.to_owned(), metrics.to_owned()),
                "{environment:?}"
            );
        }
        assert!(read(options(), &[(DISABLED, "TRUE")]).unwrap().is_none());
    }

    #[test]
    fn headers_are_decoded_and_not_shown() {
        let text = "authorization=Bearer%20a%3Db, x-tenant = 7";
        let settings = read(options(), &[(HEADERS, text)]).unwrap().unwrap();
        let [(_, key), (name, value)] = &settings.headers[..] else {
            panic!("{settings:?}");
        };
        assert_eq!(key, "Bearer a=b");
        assert_eq!((name.as_str(), value.as_bytes()), ("x-tenant", &b"7"[..]));
        assert!(!format!("{settings:?}").contains("Bearer"));
    }

    #[test]
    fn faults_name_what_is_at_fault() {
        for (name, value) in [
            (PROTOCOL, "http/json"),
            (ENDPOINT, "collector:4317"),
            (TIMEOUT, "10s"),
            (QUEUE, "0"),
            (HEADERS, "a"),
            (HEADERS, "a=%4"),
            (TRACES_EXPORTER, "zipkin"),
        ] {
            let fault = read(options(), &[(name, value)]).unwrap_err();
            assert_eq!(fault.name(), name, "{value}");
        }
        for (sampler, arg, name) in [
            ("parentbased_traceidratio", "2", Some("sampler_arg")),
            ("traceidratio", "", Some("sampler_arg")),
            ("sometimes", "", Some("sampler")),
            ("traceidratio", "0.5", None),
        ] {
            let options = Options {
                sampler: sampler.to_owned(),
                sampler_arg: arg.to_owned(),
                ..options()
            };
            let fault = read(options, &[]).err();
            assert_eq!(fault.map(|it| it.name()), name, "{sampler} {arg}");
        }
    }
}
