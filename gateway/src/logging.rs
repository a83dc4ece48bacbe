//! Where events go: one line each on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;

/// Starts logging for the whole process. Does nothing when it was started before.
pub fn start(config: &LogConfig) {
    let level = match config.level.as_str() {
        "none" => "off",
        level => level,
    };
    // Libraries speak up only when something is wrong, unless everything is asked for.
    let others = if level == "trace" || level == "off" {
        level
    } else {
        "warn"
    };
    let filter = EnvFilter::new(format!(
        "{others},tidegate={level},tidegate_gateway={level},tidegate_backbone={level}"
    ));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let _ = match config.format.as_str() {
        "json" => builder.json().try_init(),
        _ => builder.with_target(false).try_init(),
    };
}
