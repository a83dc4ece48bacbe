//! What clients and deliveries cost in memory, counted allocation by allocation: figures that no other load on the machine
//! changes. An allocation more per delivery, or a buffer more per client, fails here.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, as tests do themselves"
)]
#![expect(clippy::print_stdout, reason = "the figures are of use by themselves")]

mod traces;

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
use tidegate_gateway::hub::{Hub, Terms};
use tidegate_gateway::interest::{Interest, Windows};
use tidegate_gateway::outbox::Outbox;
use tidegate_gateway::server::Server;
use tidegate_gateway::wire::{Press, Wire};
use tidegate_testkit::authority::Authority;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Bytes on the heap of a client that has authenticated and subscribed, the allocator's own not counted.
const CLIENT_BYTES: usize = 1_430;

/// The same where it is told of and hears of others. The node's own table has room for twice what is in it at worst.
const SEEN_CLIENT_BYTES: usize = CLIENT_BYTES + 450;

/// The same over TLS.
const TLS_CLIENT_BYTES: usize = 3_800;

/// The same over a response of HTTP/1, which has taken its socket over.
const STREAM_CLIENT_BYTES: usize = CLIENT_BYTES + 300;

/// What a client needs whose commands come by request.
const INBOX_BYTES: usize = 500;

/// Allocations of one publication, whatever the number of its subscribers.
const DELIVERY_BLOCKS: u64 = 16;

const CLIENTS: usize = 400;
const SUBSCRIBERS: usize = 1_000;

/// One after the other, for the allocator is one for all of the process.
#[test]
fn memory_is_bounded() {
    let _profiler = Profiler::builder().testing().build();
    idle_clients();
    idle_clients_that_are_seen();
    idle_tls_clients();
    idle_streams();
    deliveries();
    // Last, for tracing is on for the rest of the process.
    traces::cost();
}

fn idle_clients() {
    let bytes = bytes_per_client(&Config::default(), connect);
    assert!(bytes <= CLIENT_BYTES, "{bytes} bytes per client");
}

fn idle_clients_that_are_seen() {
    let mut config = Config::default();
    let options = &mut config.channel.without_namespace;
    (options.presence, options.join_leave) = (true, true);
    let bytes = bytes_per_client(&config, connect);
    assert!(
        bytes <= SEEN_CLIENT_BYTES,
        "{bytes} bytes per client that is seen"
    );
}

fn connect(address: SocketAddr, token: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    subscribe(&mut socket, token);
    socket
}

fn idle_tls_clients() {
    let authority = Authority::new().unwrap();
    let (certificate, key) = authority.certificate_files("127.0.0.1").unwrap();
    let mut config = Config::default();
    config.http_server.tls.enabled = true;
    config.http_server.tls.cert_pem_file = Some(certificate);
    config.http_server.tls.key_pem_file = Some(key);
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.pem().as_bytes());
    roots.add(certificate.unwrap()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.unwrap().with_root_certificates(roots);
    let mut client = builder.with_no_client_auth();
    client.resumption = Resumption::disabled();
    let client = Arc::new(client);
    let bytes = bytes_per_client(&config, |address, token| {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let session = ClientConnection::new(Arc::clone(&client), name).unwrap();
        let socket = TcpStream::connect(address).unwrap();
        let mut stream = StreamOwned::new(session, socket);
        subscribe(&mut stream, token);
        // The socket is the client's alone, and its part of TLS on the heap is not the node's.
        stream.into_parts().1
    });
    assert!(
        bytes <= TLS_CLIENT_BYTES,
        "{bytes} bytes per client over TLS"
    );
}

fn idle_streams() {
    let mut config = Config::default();
    config.uni_sse.enabled = true;
    config.uni_http_stream.enabled = true;
    config.http_stream.enabled = true;
    for (path, limit) in [
        ("uni_sse", STREAM_CLIENT_BYTES),
        ("uni_http_stream", STREAM_CLIENT_BYTES),
        ("http_stream", STREAM_CLIENT_BYTES + INBOX_BYTES),
    ] {
        let bytes = bytes_per_client(&config, |address, token| {
            let mut socket = TcpStream::connect(address).unwrap();
            listen(&mut socket, path, token);
            socket
        });
        assert!(bytes <= limit, "{bytes} bytes per client of {path}");
    }
}

/// Connects by a response that does not end, and subscribes.
fn listen(socket: &mut TcpStream, path: &str, token: &str) {
    let (body, mark) = match path {
        "http_stream" => (commands(token), SUBSCRIBED),
        _ => (
            format!("{{\"token\":\"{token}\",\"subs\":{{\"news\":{{}}}}}}"),
            "\"subs\":{\"news\":",
        ),
    };
    let head = format!(
        "POST /connection/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).unwrap();
    read_until(socket, mark);
}

/// The first frame of a client that subscribes.
fn commands(token: &str) -> String {
    format!(
        "{{\"id\":1,\"connect\":{{\"token\":\"{token}\"}}}}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"news\"}}}}"
    )
}

/// The end of the answer to it.
const SUBSCRIBED: &str = "\"subscribe\":{}";

/// What a client costs that stays, on the heap.
fn bytes_per_client(config: &Config, connect: impl Fn(SocketAddr, &str) -> TcpStream) -> usize {
    let mut config = config.clone();
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
    drop((early, clients));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(server.stop());
    bytes
}

/// Upgrades and subscribes.
fn subscribe(socket: &mut (impl Read + Write), token: &str) {
    let request = "GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let commands = commands(token);
    let length = u16::try_from(commands.len()).unwrap().to_be_bytes();
    let head = [0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
    socket.write_all(&head).unwrap();
    socket.write_all(commands.as_bytes()).unwrap();
    read_until(socket, SUBSCRIBED);
}

fn read_until(socket: &mut impl Read, mark: &str) {
    let (mut buffer, mut filled) = ([0; 4_096], 0);
    while !String::from_utf8_lossy(&buffer[..filled]).contains(mark) {
        let count = socket.read(&mut buffer[filled..]).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&buffer[..filled]));
        filled += count;
    }
}

fn deliveries() {
    let counters = Arc::new(Counters::default());
    let backbone = Arc::new(Embedded::new());
    let (interest, _queues) = Interest::new(backbone, 1, Arc::clone(&counters), Windows::new(0));
    let hub = Hub::new(0, interest, Arc::clone(&counters), Press::new(1, 0));
    let channel = Channel::parse("news").unwrap();
    let join = || hub.join(&channel).now_or_never().unwrap().unwrap();
    let members: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| {
            let outbox = Rc::new(Outbox::new(Wire::plain(Format::Json), 1 << 20));
            (hub.attach(join(), &outbox, &Terms::default()), outbox)
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
