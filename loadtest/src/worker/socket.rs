//! Sockets that never wait: opened, read, written, and reset.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::net::{
    self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, sockopt,
};
use std::time::Duration;

/// Begins a connection, from this loopback address if one is given.
pub(super) fn open(to: SocketAddr, from: Option<Ipv4Addr>) -> Result<OwnedFd> {
    let family = match to.ip() {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let (Some(from), IpAddr::V4(_)) = (from, to.ip()) {
        net::bind(&socket, &SocketAddr::from((from, 0)))?;
    }
    match net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// How a connection that was begun came out.
pub(super) fn outcome(socket: impl AsFd) -> Result<()> {
    sockopt::socket_error(socket)?
}

/// Reads what is there: `None` when nothing is, 0 bytes at the end.
pub(super) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<Option<usize>> {
    match net::recv(socket, buffer, RecvFlags::empty()) {
        Ok((_, count)) => Ok(Some(count)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes what there is room for.
pub(super) fn send(socket: impl AsFd, bytes: &[u8]) -> Result<usize> {
    match net::send(socket, bytes, SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        other => other,
    }
}

/// Closes it with a reset, as a broken network would.
pub(super) fn reset(socket: OwnedFd) {
    // A socket that is broken already needs no reset.
    let _set = sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
}
