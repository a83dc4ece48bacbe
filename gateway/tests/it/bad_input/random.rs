//! Ten thousand frames that nobody thought of, over real sockets. Each gets a reply or a close with a documented code;
//! none is left without an answer, and none ends a connection without a word unless it broke the framing.

use std::net::SocketAddr;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use serde_json::json;
use tidegate_gateway::codes::DisconnectCode;

use super::connected;
use crate::bystander::Bystander;
use crate::command::{Format, Message, Request};
use crate::raw::{BINARY, End, FINAL, Incoming, Raw, TEXT, frame};
use crate::site::Site;

const FRAMES: usize = 10_000;
const CLIENTS: usize = 8;

/// Read from the environment to repeat a run.
const SEED: &str = "TIDEGATE_TEST_SEED";

const JSON: [&[u8]; 12] = [
    b"{\"id\":2,\"connect\":{\"token\":\"a.b.c\",\"data\":{\"a\":1},\"subs\":{\"chat:a\":{\"recover\":true,\"offset\":1}}}}",
    b"{\"id\":3,\"subscribe\":{\"channel\":\"chat:a\",\"data\":[1,2,3],\"delta\":\"fossil\"}}",
    b"{\"id\":4,\"unsubscribe\":{\"channel\":\"chat:a\"}}",
    b"{\"id\":5,\"publish\":{\"channel\":\"chat:a\",\"data\":{\"text\":\"\\u20ac \\\"x\\\"\",\"n\":1e300}}}",
    b"{\"id\":6,\"presence\":{\"channel\":\"chat:a\"}}\n{\"id\":7,\"presence_stats\":{\"channel\":\"chat:a\"}}",
    b"{\"id\":8,\"history\":{\"channel\":\"chat:a\",\"limit\":10,\"since\":{\"offset\":1,\"epoch\":\"e\"},\"reverse\":true}}",
    b"{\"id\":9,\"rpc\":{\"method\":\"m\",\"data\":null}}",
    b"{\"send\":{\"data\":{}}}",
    b"{\"id\":10,\"refresh\":{\"token\":\"a.b.c\"}}",
    b"{\"id\":11,\"sub_refresh\":{\"channel\":\"chat:a\",\"token\":\"a.b.c\"}}",
    b"{}\n\n{}\n",
    b"{\"id\":12,\"ping\":{}}",
];

#[tokio::test]
async fn ten_thousand_random_frames_are_each_answered() {
    let given = std::env::var_os(SEED).map(|seed| seed.to_string_lossy().parse().unwrap());
    let seed: u64 = given.unwrap_or_else(rand::random);
    println!("{SEED}={seed}");
    // A machine under load may leave a client of the test no time to answer pings, and these are not what it is about.
    let site = Site::with(|config| config["client"]["ping_interval"] = json!("1h"));
    let mut bystander = Bystander::arrive(site.address()).await;
    let clients = (0..CLIENTS).map(|number| {
        let random = StdRng::seed_from_u64(seed.wrapping_add(number as u64));
        Vandal::new(site.address(), random).rage(FRAMES / CLIENTS)
    });
    let sentinels: usize = join_all(clients).await.into_iter().sum();
    assert!(
        sentinels > FRAMES / 20,
        "only {sentinels} frames left their connection open"
    );
    bystander.check("random frames").await;
    bystander.leave().await;
    site.stop().await;
}

/// A client that sends nonsense.
struct Vandal {
    address: SocketAddr,
    random: StdRng,
    format: Format,
    connection: Option<Raw>,
    sentinel: u32,
}

impl Vandal {
    fn new(address: SocketAddr, random: StdRng) -> Self {
        Self {
            address,
            random,
            format: Format::Json,
            connection: None,
            sentinel: u32::MAX,
        }
    }

    /// Sends frames; gives the number of those that did not end their connection.
    async fn rage(mut self, frames: usize) -> usize {
        let mut survived = 0;
        for _ in 0..frames {
            let mut raw = match self.connection.take() {
                Some(raw) => raw,
                None => {
                    self.format = Format::BOTH[self.random.random_range(0..2)];
                    connected(self.address, self.format).await
                }
            };
            if self.outrage(&mut raw).await {
                survived += 1;
                self.connection = Some(raw);
            }
        }
        survived
    }

    /// Sends one frame and awaits what becomes of it. False when the connection has ended.
    async fn outrage(&mut self, raw: &mut Raw) -> bool {
        let opcode = match self.format {
            Format::Json => TEXT,
            Format::Protobuf => BINARY,
        };
        let kind = self.random.random_range(0..20);
        let bytes = match kind {
            0 => self.garbage(),
            1 => frame(self.random.random(), &self.garbage()),
            2 => frame(FINAL | opcode, &self.garbage()),
            _ => frame(FINAL | opcode, &self.mutant()),
        };
        raw.write(&bytes).await;
        if kind == 0 {
            // It may be the begin of anything, so the end of it is what has to be answered.
            raw.finish().await;
            let end = raw.end().await;
            assert!(
                end == End::Cut || is_documented(end),
                "{end:?} for {bytes:?}"
            );
            return false;
        }
        let sentinel = self
            .format
            .encode(self.sentinel, &Request::Unsubscribe("chat:none".to_owned()));
        raw.write(&frame(FINAL | opcode, &sentinel)).await;
        loop {
            match raw.next().await {
                Incoming::End(end) => {
                    assert!(is_documented(end), "{end:?} for {bytes:?}");
                    return false;
                }
                Incoming::Frame(found, payload) if found == opcode => {
                    if self.is_sentinel(&payload) {
                        self.sentinel -= 1;
                        return true;
                    }
                }
                Incoming::Frame(..) => {}
            }
        }
    }

    fn is_sentinel(&self, payload: &[u8]) -> bool {
        let messages = self.format.decode(payload);
        messages
            .iter()
            .any(|message| matches!(message, Message::Reply { id, .. } if *id == self.sentinel))
    }

    fn garbage(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.random.random_range(0..200)];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    /// Valid commands with a few faults.
    fn mutant(&mut self) -> Vec<u8> {
        let mut bytes = self.template();
        for _ in 0..self.random.random_range(0..4) {
            let length = bytes.len();
            let at = self.random.random_range(0..=length);
            let to = self.random.random_range(at..=length);
            match self.random.random_range(0..6) {
                0 if at < length => bytes[at] ^= 1 << self.random.random_range(0..8),
                1 => bytes.insert(at, self.random.random()),
                2 => drop(bytes.drain(at..to)),
                3 => bytes.extend_from_within(at..to),
                4 => bytes.truncate(at),
                _ => bytes.extend(self.template()),
            }
        }
        bytes
    }

    fn template(&mut self) -> Vec<u8> {
        if self.format == Format::Json {
            return JSON[self.random.random_range(0..JSON.len())].to_vec();
        }
        let channel = "chat:a".to_owned();
        let request = match self.random.random_range(0..5) {
            0 => Request::Connect("a.b.c".to_owned()),
            1 => Request::Subscribe(channel),
            2 => Request::SubscribeWith(channel, "a.b.c".to_owned()),
            3 => Request::Unsubscribe(channel),
            _ => Request::Publish(channel, self.garbage()),
        };
        self.format
            .encode(self.random.random_range(0..100), &request)
    }
}

fn is_documented(end: End) -> bool {
    match end {
        End::Cut => false,
        End::Close(1000 | 1002 | 1007 | 1009) => true,
        End::Close(code) => DisconnectCode::ALL
            .iter()
            .any(|known| known.code() == u32::from(code)),
    }
}
