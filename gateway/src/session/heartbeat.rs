//! When to ping, and whether the answers come. The first ping comes at a random moment between half an interval and a
//! whole one, so that the pings of clients that connected together are spread in time.

use std::time::Instant;

use crate::config::ClientConfig;

/// How a connection is pinged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingStyle {
    /// By empty replies, answered by empty commands.
    Message,
    /// By the transport's own ping frames.
    Frame,
    /// By empty messages that nobody answers.
    OneWay,
}

/// Pings of one connection. Rests until [`Heartbeat::start`].
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    next_ping: Option<Instant>,
    /// Until when the last ping must be answered; `None` once it is.
    pong_until: Option<Instant>,
}

/// What the time asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    NoPong,
}

impl Heartbeat {
    /// Starts pinging, unless pings are off. `phase` is between 0 and 1.
    pub(super) fn start(&mut self, config: &ClientConfig, now: Instant, phase: f64) {
        let interval = config.ping_interval;
        if !interval.is_zero() {
            self.next_ping = Some(now + interval.mul_f64(0.5 + phase.clamp(0.0, 1.0) / 2.0));
        }
    }

    /// Takes an answer. False when nothing was asked.
    pub(super) fn pong(&mut self) -> bool {
        self.pong_until.take().is_some()
    }

    pub(super) fn tick(&mut self, config: &ClientConfig, now: Instant) -> Due {
        if self.pong_until.is_some_and(|until| until <= now) {
            return Due::NoPong;
        }
        match self.next_ping {
            Some(at) if at <= now => {
                self.next_ping = Some(now + config.ping_interval);
                self.pong_until = Some(now + config.pong_timeout);
                Due::Ping
            }
            _ => Due::Nothing,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pong_until.into_iter().chain(self.next_ping).min()
    }
}

/// Seconds between pings, as the connect reply tells them; zero when the client need not know.
pub(super) fn announced_seconds(config: &ClientConfig, style: PingStyle) -> u32 {
    match style {
        PingStyle::Message | PingStyle::OneWay => super::seconds_of(config.ping_interval),
        PingStyle::Frame => 0,
    }
}
