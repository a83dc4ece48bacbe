//! Addresses for programs that cannot choose a port themselves, or whose port must be known before they start.
//!
//! A port that was bound and released may be given to anybody's next connection before its program binds it. So these are
//! below the range from which systems choose ports, and each is held for this process by a UDP socket of its number at an
//! address that nothing else uses: no other test takes it meanwhile.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process;
use std::sync::Mutex;

use anyhow::{Result, bail};

/// Systems choose from 32,768 on (`net.ipv4.ip_local_port_range`), and programs' usual ports are below.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Where a port is held: loopback, and no address that anything listens at.
const HOLDER: Ipv4Addr = Ipv4Addr::new(127, 7, 7, 7);

/// The ports of this process; nobody holds the lock for longer than it takes to add one.
static HELD: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// An address on loopback at which nothing listens, and no other test will.
///
/// # Errors
/// When every port is taken.
pub fn free() -> Result<SocketAddr> {
    let mut held = HELD.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // Processes begin at different places, so that they seldom meet.
    let begin = process::id().wrapping_mul(97);
    for step in 0..u32::from(COUNT) {
        let place = begin.wrapping_add(step) % u32::from(COUNT);
        let port = FIRST + u16::try_from(place).expect("less than the count");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if let Ok(holder) = UdpSocket::bind((HOLDER, port))
            && TcpListener::bind(address).is_ok()
        {
            held.push(holder);
            return Ok(address);
        }
    }
    bail!("no port from {FIRST} on is free")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nobody_is_given_the_same_address() {
        let addresses: BTreeSet<_> = (0..100).map(|_| free().unwrap()).collect();
        assert_eq!(addresses.len(), 100);
        for address in addresses {
            assert!(TcpListener::bind(address).is_ok(), "{address}");
            assert!(UdpSocket::bind((HOLDER, address.port())).is_err());
        }
    }
}
