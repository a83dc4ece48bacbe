//! What a program tells of itself, as its command line says.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use tidegate_telemetry::logging::{self, Style};
use tidegate_telemetry::metrics::Source;
use tidegate_telemetry::{Exporting, Fault, Options, Settings, StartError};

/// What is said of log lines and of OpenTelemetry.
#[derive(Debug, Clone, Args)]
pub struct TelemetryArguments {
    /// From which level on events are logged.
    #[arg(long, value_enum, default_value_t = Level::Info)]
    log_level: Level,

    /// How they are logged.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    log_format: Format,

    /// Send traces and metrics to a collector, by OTLP. Where and how, and which traces, OpenTelemetry's variables of the
    /// environment say, such as `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_TRACES_SAMPLER`.
    #[arg(long)]
    opentelemetry: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    None,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Why telemetry is not sent.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A variable of the environment.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The system.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl TelemetryArguments {
    /// Starts logging for this process.
    pub fn log(&self) {
        let level = match self.log_level {
            Level::None => "none",
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        let style = match self.log_format {
            Format::Text => Style::Text,
            Format::Json => Style::Json,
        };
        logging::start(level, style);
    }

    /// Begins to send what a program of this name tells of itself, and its metrics if it has any, where that is asked for.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub fn send(
        &self,
        service: &'static str,
        metrics: Option<Arc<dyn Source>>,
    ) -> Result<Sending, TelemetryError> {
        if !self.opentelemetry {
            return Ok(Sending(None));
        }
        let options = Options {
            service,
            instance: instance(),
            ..Options::default()
        };
        let environment = std::env::vars_os();
        let environment = environment.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let settings = Settings::new(options, environment)?;
        let exporting = settings.map(|it| tidegate_telemetry::start(it, metrics));
        Ok(Sending(exporting.transpose()?))
    }
}

/// The machine and the process.
fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}_{}", host.trim(), std::process::id())
}

/// Telemetry that is sent, or none.
#[derive(Debug)]
#[must_use = "what is left is sent when it is told to finish"]
pub struct Sending(Option<Exporting>);

impl Sending {
    /// Sends what is left, within a few seconds.
    pub async fn finish(self) {
        if let Some(exporting) = self.0 {
            // A panic in there is told, and nothing is left to be done.
            let _finished = tokio::task::spawn_blocking(|| exporting.finish()).await;
        }
    }
}
