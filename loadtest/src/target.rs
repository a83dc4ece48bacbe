//! Where clients connect: a WebSocket URL, resolved, and on loopback unless the operator says that the target is theirs.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whether targets other than this machine are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Loopback,
    /// The operator has said that the target is theirs.
    Anywhere,
}

/// A server's address, and what to ask there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub address: SocketAddr,
    /// The `Host` header.
    pub host: String,
    /// Path and query; empty where the URL has none.
    pub path: String,
}

/// What is wrong with a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("{0:?} is not a URL like {1}")]
    Form(String, &'static str),
    #[error("the host {0:?} cannot be resolved")]
    Unresolved(String),
    #[error("{0} is not on this machine; --i-own-this-target allows it")]
    NotLoopback(String),
}

impl Target {
    /// Takes a URL like `ws://127.0.0.1:8000/connection/websocket` apart, and resolves its host.
    ///
    /// # Errors
    /// When it is not such a URL, has no address, or is out of reach.
    pub fn websocket(url: &str, reach: Reach) -> Result<Self, TargetError> {
        Self::parse(url, "ws://127.0.0.1:8000/path", reach)
    }

    /// The same for `nats://127.0.0.1:4222`.
    ///
    /// # Errors
    /// As for [`Target::websocket`].
    pub fn nats(url: &str, reach: Reach) -> Result<Self, TargetError> {
        Self::parse(url, "nats://127.0.0.1:4222", reach)
    }

    fn parse(url: &str, example: &'static str, reach: Reach) -> Result<Self, TargetError> {
        let form = || TargetError::Form(url.to_owned(), example);
        let (scheme, _) = example.split_once("://").ok_or_else(form)?;
        let rest = url.strip_prefix(scheme).ok_or_else(form)?;
        let rest = rest.strip_prefix("://").ok_or_else(form)?;
        let cut = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(cut);
        let with_port = match host.rsplit_once(':') {
            Some((_, port)) if u16::from_str(port).is_ok() => host.to_owned(),
            _ if scheme == "ws" => format!("{host}:80"),
            _ => return Err(form()),
        };
        let address = with_port
            .to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next())
            .ok_or_else(|| TargetError::Unresolved(host.to_owned()))?;
        if reach == Reach::Loopback && !address.ip().is_loopback() {
            return Err(TargetError::NotLoopback(address.to_string()));
        }
        let (host, path) = (host.to_owned(), path.to_owned());
        Ok(Self {
            address,
            host,
            path,
        })
    }

    /// What it is asked for, with `default` where the URL says nothing.
    #[must_use]
    pub fn resource(&self, default: &str) -> String {
        match self.path.as_str() {
            "" => default.to_owned(),
            query if query.starts_with('?') => format!("{default}{query}"),
            path => path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, address, resource) in [
            ("ws://127.0.0.1:8000", "127.0.0.1:8000", "/default"),
            ("ws://127.0.0.2:81/a?b=c", "127.0.0.2:81", "/a?b=c"),
            ("ws://127.0.0.1?b=c", "127.0.0.1:80", "/default?b=c"),
            ("ws://[::1]:9/x", "[::1]:9", "/x"),
        ] {
            let target = Target::websocket(url, Reach::Loopback).unwrap();
            assert_eq!(target.address, address.parse().unwrap(), "{url}");
            assert_eq!(target.resource("/default"), resource, "{url}");
        }
    }

    #[test]
    fn other_machines_need_the_operator_s_word() {
        let url = "ws://192.0.2.7:8000/";
        let error = Target::websocket(url, Reach::Loopback).unwrap_err();
        assert!(matches!(error, TargetError::NotLoopback(_)), "{error}");
        Target::websocket(url, Reach::Anywhere).unwrap();
    }

    #[test]
    fn other_urls_are_refused() {
        for url in ["127.0.0.1:8000", "wss://127.0.0.1", "nats://127.0.0.1:1"] {
            assert!(Target::websocket(url, Reach::Loopback).is_err(), "{url}");
        }
        assert!(Target::nats("nats://127.0.0.1", Reach::Loopback).is_err());
        Target::nats("nats://127.0.0.1:4222", Reach::Loopback).unwrap();
    }
}
