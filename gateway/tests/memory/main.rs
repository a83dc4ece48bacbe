//! What clients and deliveries cost in memory, counted allocation by allocation: figures that no other load on the machine
//! changes. An allocation more per delivery, or a buffer more per client, fails here.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, as tests do themselves"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use dhat::{HeapStats, Profiler};
use futures_util::FutureExt;
use tidegate_backbone::embedded::Embedded;
use tidegate_backbone::{Channel, Publication};
use tidegate_codec::Format;
use tidegate_gateway::auth::mint;
use tidegate_gateway::broadcast::Broadcast;
use tidegate_gateway::config::Config;
use tidegate_gateway::counters::Counters;
use tidegate_gateway::hub::Hub;
use tidegate_gateway::interest::Interest;
use tidegate_gateway::outbox::Outbox;
use tidegate_gateway::server::Server;
use tidegate_gateway::wire::{Press, Wire};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Bytes on the heap of a client that has authenticated and subscribed, the allocator's own not counted.
const CLIENT_BYTES: usize = 1_500;

/// Allocations of one publication, whatever the number of its subscribers.
const DELIVERY_BLOCKS: u64 = 16;

const CLIENTS: usize = 400;
const SUBSCRIBERS: usize = 1_000;

/// One after the other, for the allocator is one for all of the process.
#[test]
fn memory_is_bounded() {
    let _profiler = Profiler::builder().testing().build();
    idle_clients();
    deliveries();
}

fn idle_clients() {
    let mut config = Config::default();
    config.http_server.port = 0;
    config.http_server.address = "127.0.0.1".to_owned();
    config.http_server.workers = 1;
    config.client.token.hmac_secret_key = "a secret of this test alone, 32 bytes".into();
    config.channel.without_namespace.allow_subscribe_for_client = true;
    let keys = config.client.token.clone();
    let server = Server::start(config, Arc::new(Embedded::new())).unwrap();
    let connect = |user: usize| {
        let now = std::time::SystemTime::now();
        let token = mint(&keys, &format!("user-{user}"), None, None, now).unwrap();
        connect(server.address(), &token)
    };
    let early: Vec<TcpStream> = (0..50).map(connect).collect();
    let before = HeapStats::get();
    let clients: Vec<TcpStream> = (0..CLIENTS).map(connect).collect();
    let after = HeapStats::get();
    let bytes = (after.curr_bytes - before.curr_bytes) / CLIENTS;
    let blocks = (after.curr_blocks - before.curr_blocks) as f64 / CLIENTS as f64;
    println!("{bytes} bytes in {blocks:.1} allocations per client");
    assert!(bytes <= CLIENT_BYTES, "{bytes} bytes per client");
    drop((early, clients));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(server.stop());
}

/// A client that is subscribed, with nothing of its own on the heap.
fn connect(address: SocketAddr, token: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    let request = "GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let commands = format!(
        "{{\"id\":1,\"connect\":{{\"token\":\"{token}\"}}}}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"news\"}}}}"
    );
    let length = u16::try_from(commands.len()).unwrap().to_be_bytes();
    let head = [0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
    socket.write_all(&head).unwrap();
    socket.write_all(commands.as_bytes()).unwrap();
    let (mut buffer, mut filled) = ([0; 4_096], 0);
    while !String::from_utf8_lossy(&buffer[..filled]).contains("\"subscribe\":{}") {
        let count = socket.read(&mut buffer[filled..]).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&buffer[..filled]));
        filled += count;
    }
    socket
}

fn deliveries() {
    let counters = Arc::new(Counters::default());
    let backbone = Arc::new(Embedded::new());
    let (interest, _queues) = Interest::new(backbone, 1, Arc::clone(&counters));
    let hub = Hub::new(0, interest, Arc::clone(&counters), Press::new(1, 0));
    let channel = Channel::parse("news").unwrap();
    let join = || hub.join(&channel).now_or_never().unwrap().unwrap();
    let members: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| {
            let outbox = Rc::new(Outbox::new(Wire::plain(Format::Json), 1 << 20));
            (hub.attach(join(), &outbox, &Arc::default()), outbox)
        })
        .collect();
    let publish = || {
        let publication = Publication {
            data: "{}".into(),
            ..Publication::default()
        };
        hub.collect(Broadcast::new(
            channel.clone(),
            publication,
            Arc::clone(&counters),
        ));
        hub.deliver();
        for (_, outbox) in &members {
            let flushed = outbox.poll_flush(&mut |bytes| Poll::Ready(Ok(bytes.len())));
            assert!(flushed.is_ready());
        }
    };
    publish();
    let before = HeapStats::get();
    publish();
    let after = HeapStats::get();
    let blocks = after.total_blocks - before.total_blocks;
    println!("{blocks} allocations for {SUBSCRIBERS} deliveries");
    assert!(
        blocks <= DELIVERY_BLOCKS,
        "{blocks} for {SUBSCRIBERS} deliveries"
    );
    assert_eq!(after.curr_bytes, before.curr_bytes, "something is kept");
}
