//! The listening sockets: one a worker on one address, so that the kernel spreads clients over the workers and none of
//! them hands sockets to another.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Connections that the kernel has made and the worker has not taken yet: as many as `net.core.somaxconn` allows.
const BACKLOG: i32 = 65_535;

/// Time after which the kernel gives up on a client that takes no data at all.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Listens with `count` sockets on the first address of `host` that can be had. Port zero is any free one.
///
/// # Errors
/// The system's reason for the last address.
pub(crate) fn listen(host: &str, port: u16, count: usize) -> io::Result<Vec<TcpListener>> {
    let mut outcome = Err(io::Error::new(
        io::ErrorKind::NotFound,
        "it names no address",
    ));
    for address in (host, port).to_socket_addrs()? {
        outcome = listen_at(address, count);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn listen_at(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // The first does not share the address while it binds: another process that has it would go unnoticed.
    let first = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    first.set_reuse_address(true)?;
    first.bind(&address.into())?;
    first.set_reuse_port(true)?;
    let first = start(first)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..count {
        let other = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        other.set_reuse_address(true)?;
        other.set_reuse_port(true)?;
        other.bind(&address.into())?;
        listeners.push(start(other)?);
    }
    Ok(listeners)
}

/// Begins to listen. What is set here holds for the sockets of clients too.
fn start(socket: Socket) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    // Small frames are sent at once.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(UNREAD_TIMEOUT))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use socket2::SockRef;

    use super::*;

    #[test]
    fn an_address_is_shared_by_the_workers_of_one_process_alone() {
        let listeners = listen("127.0.0.1", 0, 3).unwrap();
        let address = listeners[0].local_addr().unwrap();
        assert!(
            listeners
                .iter()
                .all(|it| it.local_addr().unwrap() == address)
        );
        let error = listen("127.0.0.1", address.port(), 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn options_of_the_listener_hold_for_clients() {
        let listeners = listen("localhost", 0, 1).unwrap();
        let _client = TcpStream::connect(listeners[0].local_addr().unwrap()).unwrap();
        listeners[0].set_nonblocking(false).unwrap();
        let (socket, _) = listeners[0].accept().unwrap();
        assert!(socket.nodelay().unwrap());
        let timeout = SockRef::from(&socket).tcp_user_timeout().unwrap();
        assert_eq!(timeout, Some(UNREAD_TIMEOUT));
    }
}
