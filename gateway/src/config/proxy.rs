//! Calls to the application's backend: whom to ask, how, and how long to wait.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::duration;
use super::schema::{Described, Kind, options};
use super::secret::Secret;

options! {
    /// A backend that is asked or told something.
    pub struct ProxyConfig {
        /// Where it is: `http://`, `https://` or `grpc://` with the rest of an address, or `nats:` and a name, on whose topic
        /// `hook.<name>` it then hears.
        pub endpoint: String,
        /// Time for an answer, or error 100.
        #[serde(with = "duration")]
        pub timeout: Duration = Duration::from_secs(1),
        /// Headers of the client's upgrade request that are passed on.
        pub http_headers: Vec<String>,
        /// Headers that clients may make up in their connect command. They yield to those of the request.
        pub emulated_headers: Vec<String>,
        /// Whether payloads are sent as base64: without, only those that are JSON can be sent.
        pub binary_encoding: bool,
        /// Whether the `meta` that a backend attached to the connection is sent along.
        pub include_connection_meta: bool,
        /// Options of `http://` and `https://`.
        pub http: ProxyHttpConfig,
        /// Options of `grpc://`.
        pub grpc: ProxyGrpcConfig,
        /// Calls under way on one node; further ones get error 100 at once.
        pub concurrency_limit: usize = 256,
        /// Bytes of one answer, or error 100.
        pub response_size_limit: usize = 1_048_576,
        /// Failures in a row after which nothing is asked for `breaker_pause`, and everything gets error 100 at once; then one
        /// call tries. Zero for never.
        pub breaker_failures: usize = 20,
        /// See `breaker_failures`.
        #[serde(with = "duration")]
        pub breaker_pause: Duration = Duration::from_secs(1),
    }
}

options! {
    /// Calls over HTTP.
    pub struct ProxyHttpConfig {
        /// Headers of every request, by name.
        pub static_headers: BTreeMap<String, Secret>,
        /// What a status other than 200 means to the client, each with `status_code` and either `to_error` or
        /// `to_disconnect`. Error 100 where none fits.
        pub status_to_code_transforms: Vec<StatusTransform>,
        /// TLS of `https://`.
        pub tls: ProxyTlsConfig,
    }
}

options! {
    /// Calls over gRPC.
    pub struct ProxyGrpcConfig {
        /// Metadata of every call, by name.
        pub static_metadata: BTreeMap<String, Secret>,
        /// Metadata that carries `credentials_value`; empty for none.
        pub credentials_key: String,
        /// Its value.
        pub credentials_value: Secret,
        /// TLS of the connection.
        pub tls: ProxyTlsConfig,
    }
}

options! {
    /// TLS towards a backend.
    pub struct ProxyTlsConfig {
        /// Whether there is TLS; with `https://` there always is.
        pub enabled: bool,
        /// Path of a PEM file of certificate authorities, trusted instead of the system's.
        pub server_ca_pem_file: Option<PathBuf>,
    }
}

options! {
    /// What a status of HTTP means to the client.
    pub struct StatusTransform {
        /// The status.
        pub status_code: u16,
        /// The error that it means.
        pub to_error: StatusError,
        /// The end of the connection that it means.
        pub to_disconnect: StatusDisconnect,
    }
}

options! {
    /// An error in a reply.
    pub struct StatusError {
        /// Its code, from 400 to 1999; zero for no error.
        pub code: u32,
        /// Its text.
        pub message: String,
        /// Whether the client may try again.
        pub temporary: bool,
    }
}

options! {
    /// The end of a connection.
    pub struct StatusDisconnect {
        /// Its code, from 4000 to 4999; zero for none.
        pub code: u32,
        /// Its reason.
        pub reason: String,
    }
}

options! {
    /// A backend that is asked once it is enabled.
    pub struct SwitchedProxy {
        /// Whether it is asked.
        pub enabled: bool,
        /// The backend.
        #[serde(flatten)]
        pub proxy: ProxyConfig,
    }
}

options! {
    /// A backend with a name, by which namespaces choose it.
    pub struct NamedProxy {
        /// Letters, digits, `-`, `_` and `.`, at least two.
        pub name: String,
        /// The backend.
        #[serde(flatten)]
        pub proxy: ProxyConfig,
    }
}

options! {
    /// What is asked about connections.
    pub struct ClientProxyConfig {
        /// Who a client without a token is.
        pub connect: SwitchedProxy,
        /// Whether a connection that expires may go on. With it clients refresh no tokens.
        pub refresh: SwitchedProxy,
        /// Told of connections that have ended.
        pub disconnect: SwitchedProxy,
    }
}

options! {
    /// What is asked about channels, by namespaces that say so and name no other backend.
    pub struct ChannelProxyConfig {
        /// Whether a client may subscribe.
        pub subscribe: ProxyConfig,
        /// Whether a client may publish, and what.
        pub publish: ProxyConfig,
        /// Whether a subscription that expires may go on.
        pub sub_refresh: ProxyConfig,
        /// Told of subscriptions that have ended.
        pub unsubscribe: ProxyConfig,
        /// Told of channels that have their first subscriber, or had their last.
        pub state: ProxyConfig,
    }
}

options! {
    /// Calls of clients to the application's backend.
    pub struct RpcConfig {
        /// The backend of namespaces that name no other.
        pub proxy: ProxyConfig,
        /// Options of methods whose name has no namespace.
        pub without_namespace: RpcOptions,
        /// Namespaces: the text before the first `:` of a method's name. A method of any other gets error 104.
        pub namespaces: Vec<RpcNamespace>,
        /// A method that the node answers itself.
        pub ping: RpcPingConfig,
    }
}

options! {
    /// What may be called.
    pub struct RpcOptions {
        /// Whether calls are passed on, or error 108.
        pub proxy_enabled: bool,
        /// The backend's name in `proxies`; `default` for `rpc.proxy`.
        pub proxy_name: String = "default".to_owned(),
    }
}

options! {
    /// A named set of options of methods.
    pub struct RpcNamespace {
        /// Letters, digits, `-`, `_` and `.`, at least two.
        pub name: String,
        /// What may be called.
        #[serde(flatten)]
        pub options: RpcOptions,
    }
}

options! {
    /// `rpc.ping.*`
    pub struct RpcPingConfig {
        /// Whether there is such a method.
        pub enabled: bool,
        /// Its name.
        pub method: String = "ping".to_owned(),
    }
}

/// Lists of sections that stand in no namespace.
macro_rules! lists {
    ($($section:ty),+) => {
        $(impl Described for Vec<$section> {
            fn kind() -> Kind {
                match <$section>::kind() {
                    Kind::Section(fields) => Kind::Namespaces(fields),
                    other => other,
                }
            }
        })+
    };
}

lists!(StatusTransform, NamedProxy, RpcNamespace);
