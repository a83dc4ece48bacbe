//! What is wrong with where keys of tokens are published, and with how they are fetched.

use std::collections::BTreeSet;
use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;

use super::Findings;
use crate::auth::published_algorithm;
use crate::config::{JwksConfig, TokenConfig};

impl Findings {
    pub(super) fn jwks(&mut self, jwks: &JwksConfig) {
        self.instant("client.jwks.timeout", jwks.timeout);
        self.instant("client.jwks.refetch_interval", jwks.refetch_interval);
        self.instant("client.jwks.cache_min", jwks.cache_min);
        self.zero("client.jwks.response_size_limit", jwks.response_size_limit);
        let wrong = jwks.cache_min > jwks.cache_max;
        let options = ["client.jwks.cache_min", "client.jwks.cache_max"];
        self.between(
            wrong,
            &options,
            "must not be longer than client.jwks.cache_max",
        );
        let wrong = !(jwks.cache_min..=jwks.cache_max).contains(&jwks.cache_default);
        let message = "must lie between client.jwks.cache_min and client.jwks.cache_max";
        self.when(wrong, "client.jwks.cache_default", message);
        let wrong = jwks.stale_limit < jwks.cache_max;
        let options = ["client.jwks.stale_limit", "client.jwks.cache_max"];
        self.between(
            wrong,
            &options,
            "must not be shorter than client.jwks.cache_max",
        );
    }

    pub(super) fn published_keys(&mut self, section: &str, token: &TokenConfig) {
        self.endpoint(section, token);
        let mut issuers = BTreeSet::new();
        for (index, provider) in token.providers.iter().enumerate() {
            let section = format!("{section}.providers.{index}");
            let option = format!("{section}.issuer");
            let message = "must be the `iss` of the provider's tokens";
            self.when(provider.issuer.is_empty(), &option, message);
            let taken = !issuers.insert(&provider.issuer);
            self.when(taken, &option, "is the issuer of another provider");
            let option = format!("{section}.jwks_public_endpoint");
            let missing = provider.jwks_public_endpoint.is_empty();
            self.when(missing, &option, "must say where the keys are published");
            self.endpoint(&section, &provider.token());
        }
    }

    fn endpoint(&mut self, section: &str, token: &TokenConfig) {
        let option = format!("{section}.jwks_public_endpoint");
        let url = token.jwks_public_endpoint.as_str();
        if !url.is_empty()
            && let Err(fault) = check_url(url, token.insecure_jwks_over_http)
        {
            self.when(true, &option, fault);
        }
        let algorithms = format!("{section}.jwks_algorithms");
        for name in &token.jwks_algorithms {
            let wrong = !published_algorithm(name);
            let message = "has what is not one of RS256, RS384, RS512, ES256, ES384, ES512, EdDSA";
            self.when(wrong, &algorithms, message);
        }
        for (name, is_set) in [
            ("jwks_ca_pem_file", token.jwks_ca_pem_file.is_some()),
            ("jwks_algorithms", !token.jwks_algorithms.is_empty()),
        ] {
            let needing = format!("{section}.{name}");
            let message = format!("needs {option}");
            self.between(is_set && url.is_empty(), &[&needing, &option], &message);
        }
    }
}

fn check_url(url: &str, is_open: bool) -> Result<(), &'static str> {
    if url.contains("{{") {
        return Err("has a placeholder: list each issuer in providers");
    }
    let uri: Uri = url.parse().map_err(|_| "is no URL")?;
    let host = uri.host().unwrap_or_default();
    let is_https = uri.scheme() == Some(&Scheme::HTTPS);
    let is_http = uri.scheme() == Some(&Scheme::HTTP);
    if host.is_empty() || !(is_http || is_https) {
        return Err("must start with `https://`");
    }
    if is_https || is_open || is_of_this_machine(host) {
        return Ok(());
    }
    Err("must start with `https://`: over `http://` whoever is on the way can sign tokens")
}

fn is_of_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}
