//! What a storm of bad input leaves behind in the process: nothing.

use std::iter::repeat_n;
use std::net::SocketAddr;

use futures_util::future::join_all;
use tidegate_testkit::deadline::until;

use super::connected;
use crate::bystander::Bystander;
use crate::command::Format;
use crate::process::Process;
use crate::raw::{CONTINUATION, FINAL, TEXT, frame, header};

const CLIENTS: usize = 16;
const MIB: u64 = 1024 * 1024;

/// What the process may have more of after the storm: what its allocator keeps.
const GROWTH: u64 = 32 * MIB;

#[tokio::test]
async fn a_storm_of_bad_input_costs_neither_memory_nor_files() {
    let process = Process::start(|_| {}).await;
    // The node's own tasks and pools exist once the first clients were served.
    let mut bystander = Bystander::arrive(process.address).await;
    storm(process.address, 1).await;
    bystander.check("the first storm").await;
    let (memory, files) = (process.resident_memory(), process.open_files());
    for round in 0..4 {
        storm(process.address, 8).await;
        bystander.check("a storm").await;
        let now = process.resident_memory();
        let growth = now.saturating_sub(memory) / MIB;
        assert!(
            now < memory + GROWTH,
            "grown by {growth} MiB in round {round}"
        );
    }
    let left = until("no more files are open than before", || {
        process.open_files() <= files
    });
    let left = left.await;
    assert!(left.is_ok(), "{} files, not {files}", process.open_files());
    bystander.leave().await;
}

/// Each client, so many times, on connections of their own: claims to send much, sends much, and leaves.
async fn storm(address: SocketAddr, times: usize) {
    let clients = repeat_n((), CLIENTS).map(async |()| {
        for _ in 0..times {
            flood(address, header(FINAL | TEXT, 1 << 62), vec![b' '; 65_536]).await;
            flood(address, header(FINAL | TEXT, 8_000_000), vec![b' '; 65_536]).await;
            flood(
                address,
                frame(TEXT, b""),
                frame(CONTINUATION, &[b' '; 4_096]),
            )
            .await;
            flood(
                address,
                frame(TEXT, b""),
                frame(CONTINUATION, b"").repeat(64),
            )
            .await;
            let mut raw = connected(address, Format::Json).await;
            raw.write(&header(FINAL | TEXT, 60_000)).await;
        }
    });
    join_all(clients).await;
}

/// Sends a beginning and up to 8 MB of what may follow, until the node ends the connection.
async fn flood(address: SocketAddr, begin: Vec<u8>, more: Vec<u8>) {
    let mut raw = connected(address, Format::Json).await;
    raw.write(&begin).await;
    let count = 8_000_000 / more.len();
    raw.end_while_writing(repeat_n(more, count)).await;
}
