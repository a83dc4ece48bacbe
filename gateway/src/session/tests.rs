//! The session's rules, as tables: what a client sends, and what comes of it.

mod connect;
mod control;
mod expiry;
mod heartbeat;
mod hooks;
mod keys;
mod presence;
mod publish;
mod recovery;
mod revocation;
mod subscribe;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tidegate_backbone::{Error, Page, Position};
use tidegate_codec::{Bookmark, Disconnect, DisconnectCode, Format};

use super::{
    Action, Actions, Entry, Join, Landing, Moment, OpenError, PingStyle, PresenceAnswer,
    PresenceError, PresenceQuestion, Session, State,
};
use crate::config::{Config, Namespace};
use crate::hooks::{Answer, Headers, Unanswered};
use crate::rules::Rules;

const NOW: u64 = 1_700_000_000;
/// The line of [`Action::SkipFrame`].
const SKIP: &str = "skip frame";

const SECRET: &str = "a secret of this test alone, 32 bytes";

/// A connection or subscription token with these claims.
fn sign(claims: &Value) -> String {
    let parts = [json!({"alg": "HS256"}), claims.clone()];
    let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = parts.join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// A session with a clock, whose operations succeed unless told otherwise.
struct Client {
    session: Session,
    now: Moment,
    open: Result<(), OpenError>,
    /// Of server-side channels.
    landing: Landing,
    join: Result<Landing, Error>,
    page: Result<Page, Error>,
    publish: Result<Option<Position>, Error>,
    /// Of the backend; taken by the next question.
    answer: Option<Result<Answer, Unanswered>>,
    presence: Result<PresenceAnswer, PresenceError>,
    /// Whether keys that are fetched can be had; `None` while that takes time.
    keys: Option<bool>,
}

impl Client {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::entering(change, "", PingStyle::Message)
    }

    fn entering(change: impl FnOnce(&mut Config), token: &str, pings: PingStyle) -> Self {
        let mut config = Config::default();
        config.client.token.hmac_secret_key = SECRET.into();
        config.channel.without_namespace.allow_subscribe_for_client = true;
        config
            .channel
            .without_namespace
            .allow_publish_for_subscriber = true;
        let mut chat = Namespace {
            name: "chat".into(),
            ..Namespace::default()
        };
        chat.options.allow_publish_for_client = true;
        config.channel.namespaces.push(chat);
        change(&mut config);
        let now = Moment {
            instant: Instant::now(),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(NOW),
        };
        let client = "c-1".to_owned();
        let entry = Entry {
            client,
            token: token.into(),
            headers: Headers::default(),
            pings,
            phase: 0.0,
            address: None,
            bookmark: Bookmark::default(),
        };
        let session = Session::new(Arc::new(Rules::new(&config).unwrap()), entry, now);
        Self {
            session,
            now,
            open: Ok(()),
            landing: Landing::default(),
            join: Ok(Landing::default()),
            page: Err(Error::Unavailable(String::new())),
            publish: Ok(None),
            answer: None,
            presence: Err(PresenceError::Unavailable(String::new())),
            keys: None,
        }
    }

    /// Sets the number that spreads the first ping.
    fn set_phase(&mut self, phase: f64) {
        match &mut self.session.state {
            State::Fresh(fresh) => fresh.phase = phase,
            state => panic!("{state:?}"),
        }
    }

    /// Connected as user 42.
    fn connected(change: impl FnOnce(&mut Config)) -> Self {
        let mut client = Self::new(change);
        let token = sign(&json!({"sub": "42"}));
        let lines = client.send(&json!({"id": 1, "connect": {"token": token}}).to_string());
        assert!(lines[1].contains("\"connect\":{"), "{lines:?}");
        client
    }

    /// Sends a frame, and gives what comes of it as lines: replies and pushes as they stand on the wire, the rest in words.
    fn send(&mut self, frame: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for frame in Format::Json.decode(&frame.to_owned().into(), 100).unwrap() {
            let next = self.step(|session, now, actions| session.handle(frame, now, actions));
            let skip = next.iter().any(|line| line == SKIP);
            lines.extend(next.into_iter().filter(|line| line != SKIP));
            if skip {
                break;
            }
        }
        lines
    }

    fn wait(&mut self, time: Duration) -> Vec<String> {
        self.now.instant += time;
        self.now.wall += time;
        self.step(Session::tick)
    }

    fn step(&mut self, input: impl FnOnce(&mut Session, Moment, &mut Actions)) -> Vec<String> {
        let mut actions = Actions::new();
        input(&mut self.session, self.now, &mut actions);
        let mut lines = Vec::new();
        while !actions.is_empty() {
            let mut next = Actions::new();
            for action in actions {
                match &action {
                    Action::Open { channels, .. } => {
                        let landing = |it: &Join| (it.channel.clone(), self.landing.clone());
                        let landings = channels.iter().map(landing).collect();
                        let result = self.open.clone().map(|()| landings);
                        self.session.opened(result, self.now, &mut next);
                    }
                    Action::Join(join) => {
                        let result = self.join.clone();
                        self.session.joined(join.channel.clone(), result, &mut next);
                    }
                    Action::Ask { ticket, .. } if self.answer.is_some() => {
                        let answer = self.answer.take().unwrap();
                        self.session.answered(*ticket, answer, self.now, &mut next);
                    }
                    Action::Fetch { ticket, .. } if self.keys.is_some() => {
                        let are_there = self.keys == Some(true);
                        let (ticket, now) = (*ticket, self.now);
                        self.session.fetched(ticket, are_there, now, &mut next);
                    }
                    Action::Read { id, .. } => {
                        let page = self.page.clone();
                        let format = Format::Json;
                        self.session.read(*id, page, format, self.now, &mut next);
                    }
                    Action::Presence { id, .. } => {
                        let answer = self.presence.clone();
                        self.session.presence_answered(*id, answer, &mut next);
                    }
                    _ => {}
                }
                if let Action::Publish { id, .. } = action {
                    self.session.published(id, &self.publish, &mut next);
                }
                // It follows every connect.
                if !matches!(action, Action::Introduce { .. }) {
                    lines.push(line(&action));
                }
            }
            actions = next;
        }
        lines
    }
}

fn line(action: &Action) -> String {
    let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    match action {
        Action::Reply(reply) => text(Format::Json.encode_reply(reply).unwrap()),
        Action::Push(push) => text(Format::Json.encode_push(push).unwrap()),
        Action::Ping => "ping".to_owned(),
        Action::Attach(channel) => format!("attach {channel}"),
        Action::Detach(channel) => format!("detach {channel}"),
        Action::Open { user, channels } => {
            format!(
                "open {user:?} {}",
                channels
                    .iter()
                    .map(|join| join.channel.as_str())
                    .collect::<Vec<_>>()
                    .join(",")
            )
        }
        Action::Join(join) => format!("join {}", join.channel),
        Action::Read { channel, range, .. } => format!("read {channel} {range:?}"),
        Action::Publish {
            channel,
            publication,
            ..
        } => {
            let mut line = format!(
                "publish {channel} {:?} {:?}",
                publication.data,
                publication.info.as_ref().map(|info| &info.user)
            );
            if let Some(version) = &publication.version {
                line += &format!(" as {} of {:?}", version.number, version.epoch);
            }
            if publication.skips_history {
                line += " past the history";
            }
            line
        }
        Action::Presence {
            channel, question, ..
        } => match question {
            PresenceQuestion::Members => format!("who is in {channel}"),
            PresenceQuestion::Counts => format!("how many are in {channel}"),
        },
        Action::Introduce { name, version } => format!("introduce {name} {version}"),
        Action::SkipFrame => SKIP.to_owned(),
        Action::Ask { question, .. } => {
            format!("ask {:?} {:?}", question.caller.user, question.subject)
        }
        Action::Fetch { endpoint, .. } => format!("fetch {}", endpoint.0),
        Action::Tell(question) => format!("tell {:?} {:?}", question.caller.user, question.subject),
        Action::Close(with) if is_ours(with) => format!("close {}", with.code),
        Action::Close(with) => format!("close {with}"),
    }
}

fn is_ours(with: &Disconnect) -> bool {
    let mut ours = DisconnectCode::ALL.iter();
    ours.any(|code| Disconnect::from(*code) == *with)
}

fn error(id: u32, code: u32) -> String {
    let code = tidegate_codec::ErrorCode::ALL
        .iter()
        .find(|known| known.code() == code)
        .unwrap();
    let temporary = if code.is_temporary() {
        ",\"temporary\":true"
    } else {
        ""
    };
    format!(
        "{{\"id\":{id},\"error\":{{\"code\":{},\"message\":\"{}\"{temporary}}}}}",
        code.code(),
        code.message()
    )
}

/// What the last line of a reply is, by one command after a successful connect.
fn check(change: fn(&mut Config), commands: &[&str], expected: &[&str]) {
    let mut client = Client::connected(change);
    let mut lines = Vec::new();
    for command in commands {
        lines = client.send(command);
    }
    assert_eq!(lines, expected, "after {commands:?}");
}
