//! What the codec costs: `cargo bench -p tidegate-websocket`, with tungstenite beside it for comparison.
//!
//! A round reads a buffer of frames. Unmasking is its own inverse, so a buffer that was read in place holds frames as good
//! as before: the key keeps ASCII what is ASCII. "Copied in" is what a socket does, and what tungstenite is given.

use std::hint::black_box;
use std::io::{self, Read, Write};

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use tidegate_websocket::{
    Decoder, Deflater, Event, Inflater, Limits, Opcode, Role, Window, WindowBits, mask,
    write_deflated_frame, write_frame, write_masked_frame,
};
use tungstenite::protocol::WebSocket;

const LIMITS: Limits = Limits {
    message: 1024 * 1024,
    fragments: 1_024,
};
const KEY: [u8; 4] = [0x11, 0x2a, 0x47, 0x5c];
const SIZES: [usize; 3] = [128, 1_024, 65_536];
/// Bytes of a round, about.
const ROUND: usize = 64 * 1024;

/// Masked frames with payloads of this size, and how many.
fn frames(opcode: Opcode, size: usize) -> (Vec<u8>, usize) {
    let count = (ROUND / size).max(1);
    let mut bytes = Vec::new();
    for _ in 0..count {
        write_masked_frame(&mut bytes, opcode, &vec![b'a'; size], KEY);
    }
    (bytes, count)
}

fn read_all(
    decoder: &mut Decoder,
    mut input: &mut [u8],
    mut inflater: Option<&mut Inflater>,
) -> usize {
    let mut count = 0;
    while let Ok(Some(event)) = decoder.next(&mut input, &LIMITS, inflater.as_deref_mut()) {
        black_box::<Event>(event);
        count += 1;
    }
    count
}

fn read(criterion: &mut Criterion) {
    for (name, opcode) in [("binary", Opcode::Binary), ("text", Opcode::Text)] {
        let mut group = criterion.benchmark_group(format!("read {name}"));
        for size in SIZES {
            read_frames(&mut group, opcode, size);
        }
    }
}

fn read_frames(group: &mut BenchmarkGroup<'_, WallTime>, opcode: Opcode, size: usize) {
    let (mut bytes, count) = frames(opcode, size);
    group.throughput(Throughput::ElementsAndBytes {
        elements: count as u64,
        bytes: bytes.len() as u64,
    });
    let mut decoder = Decoder::new(Role::Server);
    group.bench_function(BenchmarkId::new("in place", size), |bencher| {
        bencher.iter(|| assert_eq!(read_all(&mut decoder, &mut bytes, None), count));
    });
    let mut buffer = bytes.clone();
    group.bench_function(BenchmarkId::new("copied in", size), |bencher| {
        bencher.iter(|| {
            buffer.copy_from_slice(&bytes);
            assert_eq!(read_all(&mut decoder, &mut buffer, None), count);
        });
    });
    let socket = Endless {
        bytes: &bytes,
        next: 0,
    };
    let server = tungstenite::protocol::Role::Server;
    let mut theirs = WebSocket::from_raw_socket(socket, server, None);
    let mut read = || theirs.read().expect("there is always more");
    group.bench_function(BenchmarkId::new("tungstenite", size), |bencher| {
        bencher.iter(|| {
            for _ in 0..count {
                black_box(read());
            }
        });
    });
}

/// The same frames without end.
struct Endless<'a> {
    bytes: &'a [u8],
    next: usize,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.next..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.next = (self.next + count) % self.bytes.len();
        Ok(count)
    }
}

impl Write for Endless<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unmask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unmask");
    for size in SIZES {
        let mut payload = vec![b'a'; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| mask(black_box(&mut payload), black_box(KEY), 0));
        });
    }
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    for size in SIZES {
        let payload = vec![b'a'; size];
        let mut out = Vec::new();
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                out.clear();
                write_frame(&mut out, Opcode::Binary, black_box(&payload));
            });
        });
    }
}

/// About 1 KiB of JSON, each a little different.
fn messages() -> Vec<Vec<u8>> {
    let entry = |n: usize| {
        format!(
            r#"{{"symbol":"S{n}","price":{}.25,"volume":{}}}"#,
            n * 37 % 1_000,
            n * 7919
        )
    };
    let message = |first: usize| (first..first + 20).map(entry).collect::<Vec<_>>().join(",");
    (0..64)
        .map(|index| message(index * 20).into_bytes())
        .collect()
}

fn deflate(criterion: &mut Criterion) {
    let messages = messages();
    let mut group = criterion.benchmark_group("deflate 1 KiB of JSON");
    group.throughput(Throughput::Elements(messages.len() as u64));
    for bits in [9, 12, 15].map(|bits| WindowBits::new(bits).expect("from 8 to 15")) {
        let mut deflater = Deflater::new(1);
        let mut out = Vec::new();
        group.bench_function(BenchmarkId::new("alone", bits.get()), |bencher| {
            bencher.iter(|| {
                for message in &messages {
                    out.clear();
                    deflater.deflate(message, bits, &mut out);
                }
            });
        });
        let mut window = Window::new(bits);
        group.bench_function(BenchmarkId::new("in context", bits.get()), |bencher| {
            bencher.iter(|| {
                for message in &messages {
                    out.clear();
                    deflater.deflate_in_context(message, &mut window, &mut out);
                }
            });
        });
    }
}

fn inflate(criterion: &mut Criterion) {
    let messages = messages();
    let (mut bytes, mut deflater) = (Vec::new(), Deflater::new(6));
    for message in &messages {
        let mut deflated = Vec::new();
        deflater.deflate(message, WindowBits::MAX, &mut deflated);
        write_deflated_frame(&mut bytes, Opcode::Text, &deflated);
    }
    let mut group = criterion.benchmark_group("inflate 1 KiB of JSON");
    group.throughput(Throughput::Elements(messages.len() as u64));
    let mut inflater = Inflater::new();
    let mut decoder = Decoder::new(Role::Client);
    group.bench_function("alone", |bencher| {
        bencher.iter(|| {
            let count = read_all(&mut decoder, &mut bytes, Some(&mut inflater));
            assert_eq!(count, messages.len());
        });
    });
}

criterion_group!(benches, read, unmask, write, deflate, inflate);
criterion_main!(benches);
