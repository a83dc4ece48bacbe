//! What a run does, from the command line, checked against bounds before anything starts.

mod bounds;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::{Common, Fanout, Idle, Mixed, Publishing, Recover, Rooms, Storm};
use crate::clock::SECOND;
use crate::dialect;
use crate::order::{Blink, Losses, Pace};
use crate::roster::{Group, Roster};
use crate::target::{Reach, Target, TargetError};
use crate::token::Credentials;

pub use bounds::PlanError;

/// Clients of one process, unless told otherwise.
const PER_PROCESS: u32 = 15_000;

/// Everything about a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    pub name: String,
    pub scenario: Scenario,
    pub roster: Roster,
    pub dialect: dialect::Name,
    pub targets: Vec<Target>,
    #[serde(skip)]
    pub credentials: Credentials,
    pub server: Vec<u32>,
    pub processes: u32,
    pub sources: u8,
    pub pace: Pace,
    pub connect_timeout: Duration,
    pub publishers: Option<Publishers>,
    pub inputs: f64,
    pub churn: f64,
    pub blink: Option<Blink>,
    /// Every so-manyth client stops reading.
    pub slow: Option<u32>,
    pub keep_cpus_awake: bool,
    pub refuse_foreign_cpu: bool,
}

/// What happens once it has begun.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// Connect, and hold.
    Idle { hold: Duration },
    /// Connect, and publish on a schedule.
    Traffic {
        warm_up: Duration,
        duration: Duration,
        drain: Duration,
    },
    /// Connect, and publish one message after the other has come to all.
    Rounds { rounds: u32, drain: Duration },
    /// Connect and drop.
    Storm { rounds: u32, settle: Duration },
}

/// Who publishes, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Publishers {
    pub connections: u32,
    pub target: Target,
    pub dialect: dialect::Name,
    /// Whether it is bare TCP.
    pub bare: bool,
    pub subject: String,
}

impl Plan {
    /// # Errors
    /// When a target is wrong or a bound is exceeded; this holds for all of these.
    pub fn idle(idle: &Idle) -> Result<Self, PlanError> {
        let common = &idle.common;
        let group = quiet(common, idle.clients, idle.channels, idle.subscriptions);
        let scenario = Scenario::Idle { hold: idle.hold };
        Self::new(common, "idle", scenario, vec![group])?.checked()
    }

    /// # Errors
    /// As for [`Plan::idle`].
    pub fn storm(storm: &Storm) -> Result<Self, PlanError> {
        let common = &storm.common;
        let group = quiet(common, storm.clients, storm.channels, storm.subscriptions);
        let (rounds, settle) = (storm.rounds, storm.settle);
        let scenario = Scenario::Storm { rounds, settle };
        Self::new(common, "storm", scenario, vec![group])?.checked()
    }

    /// # Errors
    /// As for [`Plan::idle`].
    pub fn fanout(fanout: &Fanout) -> Result<Self, PlanError> {
        let (common, publishing) = (&fanout.common, &fanout.publishing);
        let group = Group {
            rate: fanout.rate,
            size: publishing.size,
            ..quiet(
                common,
                fanout.clients,
                fanout.channels,
                fanout.subscriptions,
            )
        };
        let scenario = match fanout.rounds {
            Some(rounds) => Scenario::Rounds {
                rounds,
                drain: publishing.drain,
            },
            None => traffic(publishing),
        };
        let mut plan = Self::new(common, "fanout", scenario, vec![group])?;
        plan.publish(common, publishing)?;
        plan.inputs = fanout.inputs_per_second;
        plan.slow = fanout.slow.map(|share| (1.0 / share).round() as u32);
        plan.checked()
    }

    /// # Errors
    /// As for [`Plan::idle`].
    pub fn rooms(rooms: &Rooms) -> Result<Self, PlanError> {
        let (common, publishing) = (&rooms.common, &rooms.publishing);
        let group = Group {
            rate: rooms.rate,
            size: publishing.size,
            ..quiet(common, rooms.clients, rooms.rooms, rooms.subscriptions)
        };
        let mut plan = Self::new(common, "rooms", traffic(publishing), vec![group])?;
        plan.publish(common, publishing)?;
        plan.inputs = rooms.inputs_per_second;
        plan.checked()
    }

    /// # Errors
    /// As for [`Plan::idle`].
    pub fn recover(recover: &Recover) -> Result<Self, PlanError> {
        let (common, publishing) = (&recover.common, &recover.publishing);
        let group = Group {
            rate: recover.rate,
            size: publishing.size,
            ..quiet(common, recover.clients, recover.channels, 1)
        };
        let mut plan = Self::new(common, "recover", traffic(publishing), vec![group])?;
        plan.publish(common, publishing)?;
        plan.blink = Some(Blink {
            offline: nanoseconds(recover.offline),
            losses: match (recover.undisturbed, recover.every) {
                (true, _) => Losses::Never,
                (false, None) => Losses::Once,
                (false, Some(every)) => Losses::Every(nanoseconds(every)),
            },
        });
        plan.checked()
    }

    /// # Errors
    /// As for [`Plan::idle`].
    pub fn mixed(mixed: &Mixed) -> Result<Self, PlanError> {
        let (common, publishing) = (&mixed.common, &mixed.publishing);
        let hot = Group {
            prefix: format!("{}-hot", common.channel),
            rate: mixed.hot_rate,
            size: publishing.size,
            ..quiet(common, mixed.hot_clients, 1, 1)
        };
        let rooms = Group {
            prefix: format!("{}-room", common.channel),
            rate: mixed.room_rate,
            size: publishing.size,
            ..quiet(common, mixed.room_clients, mixed.rooms, 1)
        };
        let mut plan = Self::new(common, "mixed", traffic(publishing), vec![hot, rooms])?;
        plan.publish(common, publishing)?;
        (plan.churn, plan.inputs) = (mixed.churn, mixed.inputs_per_second);
        plan.checked()
    }

    fn new(
        common: &Common,
        name: &str,
        scenario: Scenario,
        groups: Vec<Group>,
    ) -> Result<Self, PlanError> {
        let roster = Roster::new(groups);
        let reach = reach(common);
        let targets = common
            .target
            .iter()
            .map(|url| Target::websocket(url, reach));
        let processes = roster.clients().div_ceil(PER_PROCESS).max(1);
        Ok(Self {
            name: common.name.clone().unwrap_or_else(|| name.to_owned()),
            scenario,
            dialect: common.dialect,
            targets: targets.collect::<Result<_, TargetError>>()?,
            credentials: match (&common.token, &common.hmac_secret) {
                (Some(token), _) => Credentials::Shared(token.clone()),
                (None, Some(secret)) => Credentials::Minted {
                    secret: secret.clone(),
                },
                (None, None) => Credentials::None,
            },
            server: common.server_pid.clone(),
            processes: common.processes.unwrap_or(processes),
            sources: common.sources,
            pace: Pace {
                per_second: common.connect_rate,
                concurrency: common.concurrency,
                honour_retry_after: common.honour_retry_after,
            },
            connect_timeout: common.connect_timeout,
            publishers: None,
            inputs: 0.0,
            churn: 0.0,
            blink: None,
            slow: None,
            keep_cpus_awake: common.keep_cpus_awake,
            refuse_foreign_cpu: common.refuse_foreign_cpu,
            roster,
        })
    }

    fn publish(&mut self, common: &Common, publishing: &Publishing) -> Result<(), PlanError> {
        let url = publishing.publish.as_ref().unwrap_or(&common.target[0]);
        let reach = reach(common);
        let nats = url.starts_with("nats://");
        self.publishers = Some(Publishers {
            connections: publishing.publishers,
            target: match nats {
                true => Target::nats(url, reach)?,
                false => Target::websocket(url, reach)?,
            },
            dialect: match nats {
                true => dialect::Name::Nats,
                false => self.dialect,
            },
            bare: nats,
            subject: match nats {
                true => publishing.publish_subject.clone(),
                false => "{channel}".into(),
            },
        });
        Ok(())
    }

    fn checked(self) -> Result<Self, PlanError> {
        bounds::check(&self)?;
        Ok(self)
    }
}

fn reach(common: &Common) -> Reach {
    match common.i_own_this_target {
        true => Reach::Anywhere,
        false => Reach::Loopback,
    }
}

/// A group in which nothing is published.
fn quiet(common: &Common, clients: u32, channels: u32, subscriptions: u32) -> Group {
    Group {
        prefix: common.channel.clone(),
        clients,
        channels,
        subscriptions,
        rate: 0.0,
        size: 0,
    }
}

fn traffic(publishing: &Publishing) -> Scenario {
    Scenario::Traffic {
        warm_up: publishing.warm_up,
        duration: publishing.duration,
        drain: publishing.drain,
    }
}

fn nanoseconds(length: Duration) -> u64 {
    length.as_secs() * SECOND + u64::from(length.subsec_nanos())
}
