//! Nodes with their connections, each of which is in some channels: most of ten, some of thousands.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_presence_service::message::Change;
use tidegate_presence_service::simulator::{SimulatedNode, connection, membership};

pub(crate) const PARTITIONS: u32 = 64;

/// Nodes that share the connections.
const NODES: u64 = 20;

/// Channels that everyone of some connections is in.
const LARGE: u64 = 10;

pub(crate) struct Population {
    pub(crate) nodes: Vec<SimulatedNode>,
    pub(crate) channels: u64,
    pub(crate) connections: u64,
}

impl Population {
    pub(crate) fn new(connections: u64, channels_each: u64) -> Self {
        let small = connections * (channels_each - 1) / 10;
        let new = |at| SimulatedNode::new(&format!("gw-{at}"), 1, PARTITIONS, 60_000);
        let mut nodes: Vec<_> = (0..NODES).map(new).collect();
        for number in 0..connections {
            let node = &mut nodes[usize::try_from(number % NODES).expect("there are few")];
            node.change(Change::Connect(connection(number, number)), wall());
            let large = format!("hall:{}", number % LARGE);
            node.change(Change::Join(membership(&large, number, number)), wall());
            for at in 1..channels_each {
                let channel = room(small, number * (channels_each - 1) + at);
                node.change(Change::Join(membership(&channel, number, number)), wall());
            }
        }
        Self {
            nodes,
            channels: small + LARGE,
            connections,
        }
    }
}

/// A small channel, of `small` that there are.
pub(crate) fn room(small: u64, at: u64) -> String {
    format!("room:{}", at.wrapping_mul(7_919) % small.max(1))
}

pub(crate) fn is_named(node: &SimulatedNode, name: &str) -> bool {
    node.incarnation().node == name
}

pub(crate) fn wall() -> u64 {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(wall.as_millis()).unwrap_or_default()
}
