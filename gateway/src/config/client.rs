//! `client.*`: authentication, limits and heartbeat of connections.

use std::path::PathBuf;
use std::time::Duration;

use super::duration;
use super::proxy::ClientProxyConfig;
use super::refused::RefusedConfig;
use super::schema::{Described, Kind, options};
use super::secret::Secret;

options! {
    /// Options of connections.
    pub struct ClientConfig {
        /// How connection tokens are verified.
        pub token: TokenConfig,
        /// Keys of subscription tokens, when they differ from those of connection tokens.
        pub subscription_token: SubscriptionTokenConfig,
        /// How published keys are fetched and for how long they count.
        pub jwks: JwksConfig,
        /// Blocked users and revoked tokens.
        pub revocation: RevocationConfig,
        /// Origins that browsers may connect from: `https://app.example.com`, `https://*.example.com`, or `*` for any.
        /// Empty: the same host only. A request without an `Origin` header is not from a browser and passes.
        pub allowed_origins: Vec<String>,
        /// Name of the cookie that may carry the connection token; empty for none. Requires `allowed_origins` or same host.
        pub token_cookie: String,
        /// Whether a client without a token becomes an anonymous user.
        pub allow_anonymous_connect_without_token: bool,
        /// Development only: everybody may connect without a token and may do everything.
        pub insecure: bool,
        /// Whether the connect reply tells the server's time.
        pub connect_include_server_time: bool,
        /// Time between the server's pings; zero for none, else at least a second.
        #[serde(with = "duration")]
        pub ping_interval: Duration = Duration::from_secs(25),
        /// Time in which a ping must be answered, or 3012 "no pong". Shorter than `ping_interval`.
        #[serde(with = "duration")]
        pub pong_timeout: Duration = Duration::from_secs(8),
        /// Time in which a client must authenticate, or 3502 "stale".
        #[serde(with = "duration")]
        pub stale_close_delay: Duration = Duration::from_secs(10),
        /// Grace for an expired connection to refresh, or 3005 "connection expired".
        #[serde(with = "duration")]
        pub expired_close_delay: Duration = Duration::from_secs(25),
        /// Grace for an expired subscription to refresh, or 2501 "subscription expired".
        #[serde(with = "duration")]
        pub expired_sub_close_delay: Duration = Duration::from_secs(25),
        /// Bytes that may wait to be written to one connection, or 3008 "slow".
        pub queue_max_size: usize = 1_048_576,
        /// Subscriptions of one connection, or error 106 "limit exceeded".
        pub channel_limit: usize = 128,
        /// Connections of one user on one node, or 3504 "connection limit"; zero for no limit.
        pub user_connection_limit: usize,
        /// Connections on one node, or HTTP 503 with `Retry-After`; zero for no limit.
        pub connection_limit: usize,
        /// New connections per second on one node, or HTTP 503 with `Retry-After`; zero for no limit.
        pub connection_rate_limit: usize,
        /// Whether and how a node with far more connections than others gives some away.
        pub rebalance: RebalanceConfig,
        /// Commands per second of one connection, or error 111, then 3013; zero for no limit.
        pub command_rate_limit: usize,
        /// How often a client may do what costs others something, or error 111.
        pub rate_limit: RateLimitConfig,
        /// Publications in one reply to `history`; who asks for more gets as many.
        pub history_max_publication_limit: usize = 300,
        /// Time after which positions in channels with history are compared with the stream; a minute at most.
        #[serde(with = "duration")]
        pub channel_position_check_delay: Duration = Duration::from_secs(40),
        /// Commands in one frame, or 3501 "bad request".
        pub frame_command_limit: usize = 1_000,
        /// Server-side subscription of every user to a channel of their own.
        pub subscribe_to_user_personal_channel: PersonalChannel,
        /// How one-way connections end whose connect was refused.
        pub connect_code_to_unidirectional_disconnect: RefusedConfig,
        /// What the application's backend is asked about connections.
        pub proxy: ClientProxyConfig,
    }
}

options! {
    /// Keys and expectations of tokens. Keys are texts: a secret, or PEM.
    pub struct TokenConfig {
        /// Secret of HS256, HS384 and HS512.
        pub hmac_secret_key: Secret,
        /// The secret before the current one, accepted during rotation.
        pub hmac_previous_secret_key: Secret,
        /// Unix time in seconds until which the previous secret is accepted; zero for no end.
        pub hmac_previous_secret_key_valid_until: i64,
        /// Public key (PEM) of RS256, RS384 and RS512.
        pub rsa_public_key: String,
        /// The RSA key before the current one.
        pub rsa_previous_public_key: String,
        /// Public key (PEM) of ES256, ES384 or ES512, by its curve.
        pub ecdsa_public_key: String,
        /// The ECDSA key before the current one.
        pub ecdsa_previous_public_key: String,
        /// Public key (PEM) of EdDSA (Ed25519).
        pub ed25519_public_key: String,
        /// The Ed25519 key before the current one.
        pub ed25519_previous_public_key: String,
        /// Expected `aud`; empty for any.
        pub audience: String,
        /// Pattern that `aud` must match whole; empty for any.
        pub audience_regex: String,
        /// Expected `iss`; empty for any.
        pub issuer: String,
        /// Pattern that `iss` must match whole; empty for any.
        pub issuer_regex: String,
        /// Claim that names the user; empty for `sub`.
        pub user_id_claim: String,
        /// URL where the issuer publishes its public keys (JWKS, RFC 7517), which count besides those above; empty for none.
        /// `https://`, or `http://` to this machine.
        pub jwks_public_endpoint: String,
        /// Path of a PEM file of certificate authorities that are trusted for that URL instead of the system's.
        pub jwks_ca_pem_file: Option<PathBuf>,
        /// Algorithms of published keys; empty for every one but HS256, HS384 and HS512, which never are.
        pub jwks_algorithms: Vec<String>,
        /// Whether the URL may be `http://` to another machine: whoever is on the way can then sign tokens.
        pub insecure_jwks_over_http: bool,
        /// Further issuers with keys of their own. A token whose `iss` is one of theirs is judged by its keys alone, any
        /// other one by the options above.
        pub providers: Vec<TokenProvider>,
    }
}

options! {
    /// An issuer of tokens.
    pub struct TokenProvider {
        /// The `iss` of its tokens.
        pub issuer: String,
        /// Expected `aud`; empty for any.
        pub audience: String,
        /// Pattern that `aud` must match whole; empty for any.
        pub audience_regex: String,
        /// Claim that names the user; empty for `sub`.
        pub user_id_claim: String,
        /// See `client.token.jwks_public_endpoint`.
        pub jwks_public_endpoint: String,
        /// See `client.token.jwks_ca_pem_file`.
        pub jwks_ca_pem_file: Option<PathBuf>,
        /// See `client.token.jwks_algorithms`.
        pub jwks_algorithms: Vec<String>,
        /// See `client.token.insecure_jwks_over_http`.
        pub insecure_jwks_over_http: bool,
    }
}

impl TokenProvider {
    /// What is expected of its tokens, and the keys.
    #[must_use]
    pub fn token(&self) -> TokenConfig {
        TokenConfig {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            audience_regex: self.audience_regex.clone(),
            user_id_claim: self.user_id_claim.clone(),
            jwks_public_endpoint: self.jwks_public_endpoint.clone(),
            jwks_ca_pem_file: self.jwks_ca_pem_file.clone(),
            jwks_algorithms: self.jwks_algorithms.clone(),
            insecure_jwks_over_http: self.insecure_jwks_over_http,
            ..TokenConfig::default()
        }
    }
}

impl Described for Vec<TokenProvider> {
    fn kind() -> Kind {
        match TokenProvider::kind() {
            Kind::Section(fields) => Kind::Namespaces(fields),
            other => other,
        }
    }
}

options! {
    /// Who is not let in, on every node and after a restart.
    pub struct RevocationConfig {
        /// Whether users can be blocked and tokens revoked. The list is the key-value bucket `<prefix>-revocations` of NATS.
        pub enabled: bool,
        /// Entries that a node holds, each about 140 bytes and its name. With more of them it is not ready.
        pub max_entries: usize = 100_000,
        /// Servers of a NATS cluster that keep a copy: 1, 3 or 5.
        pub replicas: usize = 1,
    }
}

options! {
    /// Keys that are published under a URL.
    pub struct JwksConfig {
        /// Time of one fetch, and for which a client waits for keys, or error 100.
        #[serde(with = "duration")]
        pub timeout: Duration = Duration::from_secs(5),
        /// Bytes of one answer; a longer one is none.
        pub response_size_limit: usize = 262_144,
        /// For how long keys count as fresh whose answer says nothing about that.
        #[serde(with = "duration")]
        pub cache_default: Duration = Duration::from_secs(600),
        /// The same at least, whatever the answer's `Cache-Control` says.
        #[serde(with = "duration")]
        pub cache_min: Duration = Duration::from_secs(60),
        /// The same at most.
        #[serde(with = "duration")]
        pub cache_max: Duration = Duration::from_secs(3_600),
        /// Time between two fetches, whatever tokens with unknown keys come.
        #[serde(with = "duration")]
        pub refetch_interval: Duration = Duration::from_secs(10),
        /// For how long the last keys serve while others cannot be had.
        #[serde(with = "duration")]
        pub stale_limit: Duration = Duration::from_secs(86_400),
    }
}

options! {
    /// Separate keys of subscription tokens.
    pub struct SubscriptionTokenConfig {
        /// Whether these keys are used instead of `client.token`'s.
        pub enabled: bool,
        /// The keys.
        #[serde(flatten)]
        pub token: TokenConfig,
    }
}

options! {
    /// Server-side subscription to `#user`, or `namespace:#user`.
    pub struct PersonalChannel {
        /// Whether every user is subscribed to it.
        pub enabled: bool,
        /// Its namespace; empty for none.
        pub personal_channel_namespace: String,
    }
}

options! {
    /// `client.rebalance.*`: nodes that are new get their share of the clients that are there.
    pub struct RebalanceConfig {
        /// Whether a node that has far more connections than the mean of all nodes asks its oldest to connect again (3011),
        /// until it has as many. A balancer should send them to the node with the fewest.
        pub enabled: bool,
        /// How much is far more, in per cent of the mean. Above 100.
        pub threshold: usize = 120,
        /// Connections that one node asks in a second, at most.
        pub rate: usize = 10,
        /// Time for which all nodes must have been there and ready.
        #[serde(with = "duration")]
        pub delay: Duration = Duration::from_secs(10),
    }
}

options! {
    /// Limits per second, of one connection and of one user.
    pub struct RateLimitConfig {
        /// Of one connection.
        pub connection: RateConfig,
        /// Of all connections of one user to one node; anonymous users have none.
        pub user: RateConfig,
    }
}

options! {
    /// Times a second, as many of which may come at once; zero for no limit.
    pub struct RateConfig {
        /// Publications.
        pub publish: usize,
        /// Subscribes.
        pub subscribe: usize,
        /// Calls of methods.
        pub rpc: usize,
    }
}
