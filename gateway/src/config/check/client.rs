//! What is wrong with `client.*`.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate_codec::Disconnect;

use super::Findings;
use crate::config::{ClientConfig, RebalanceConfig, RefusedConfig, RefusedTransform, TokenConfig};

impl Findings {
    pub(super) fn client(&mut self, client: &ClientConfig) {
        self.heartbeat(client);
        self.instant("client.stale_close_delay", client.stale_close_delay);
        self.zero("client.queue_max_size", client.queue_max_size);
        self.zero("client.channel_limit", client.channel_limit);
        self.zero("client.frame_command_limit", client.frame_command_limit);
        self.zero(
            "client.history_max_publication_limit",
            client.history_max_publication_limit,
        );
        let delay = client.channel_position_check_delay;
        self.instant("client.channel_position_check_delay", delay);
        let odd = |c: char| !c.is_ascii_graphic() || "()<>@,;:\\\"/[]?={}".contains(c);
        let wrong = client.token_cookie.contains(odd);
        self.when(
            wrong,
            "client.token_cookie",
            "cannot be the name of a cookie",
        );
        let any_site = client.allowed_origins.iter().any(|origin| origin == "*");
        let options = ["client.token_cookie", "client.allowed_origins"];
        let message = "must not be used with the origin `*`: any site could use a visitor's cookie";
        self.between(
            any_site && !client.token_cookie.is_empty(),
            &options,
            message,
        );
        self.refused(&client.connect_code_to_unidirectional_disconnect);
        self.rebalance(&client.rebalance);
        self.tokens("client.token", &client.token);
        self.tokens(
            "client.subscription_token",
            &client.subscription_token.token,
        );
        self.jwks(&client.jwks);
        let tokens = [&client.token, &client.subscription_token.token];
        let is_published =
            |it: &&TokenConfig| !it.jwks_public_endpoint.is_empty() || !it.providers.is_empty();
        let wrong = client.jwks.timeout >= client.stale_close_delay;
        let wrong = wrong && tokens.iter().any(is_published);
        let options = ["client.jwks.timeout", "client.stale_close_delay"];
        let message =
            "must be shorter than client.stale_close_delay, or who waits for keys is closed";
        self.between(wrong, &options, message);
        let revocation = &client.revocation;
        self.zero("client.revocation.max_entries", revocation.max_entries);
        let wrong = ![1, 3, 5].contains(&revocation.replicas);
        self.when(wrong, "client.revocation.replicas", "must be 1, 3 or 5");
    }

    fn refused(&mut self, refused: &RefusedConfig) {
        let option = "client.connect_code_to_unidirectional_disconnect.transforms";
        for RefusedTransform { code, to } in &refused.transforms {
            self.when(*code == 0, option, "needs the code of an error");
            let wrong = Disconnect::new(to.code, &to.reason).is_none();
            let message = "needs a to.code from 3000 to 4999, and a to.reason of at most 123 bytes";
            self.when(wrong, option, message);
        }
        let mut seen = BTreeSet::new();
        let wrong = !refused.transforms.iter().all(|it| seen.insert(it.code));
        self.when(wrong, option, "has a code twice");
    }

    fn rebalance(&mut self, rebalance: &RebalanceConfig) {
        let wrong = !(101..=10_000).contains(&rebalance.threshold);
        let message = "must be from 101 to 10000 per cent";
        self.when(wrong, "client.rebalance.threshold", message);
        self.zero("client.rebalance.rate", rebalance.rate);
    }

    fn heartbeat(&mut self, client: &ClientConfig) {
        if client.ping_interval.is_zero() {
            return;
        }
        let wrong = client.ping_interval < Duration::from_secs(1);
        let message = "must be zero or at least 1s, for clients are told it in seconds";
        self.when(wrong, "client.ping_interval", message);
        self.instant("client.pong_timeout", client.pong_timeout);
        let wrong = client.pong_timeout >= client.ping_interval;
        let options = ["client.pong_timeout", "client.ping_interval"];
        self.between(wrong, &options, "must be shorter than client.ping_interval");
    }

    fn tokens(&mut self, section: &str, token: &TokenConfig) {
        self.published_keys(section, token);
        let hmac = [&*token.hmac_previous_secret_key, &*token.hmac_secret_key];
        self.needs(
            section,
            ["hmac_previous_secret_key", "hmac_secret_key"],
            hmac,
        );
        let rsa = [&*token.rsa_previous_public_key, &*token.rsa_public_key];
        self.needs(section, ["rsa_previous_public_key", "rsa_public_key"], rsa);
        let ecdsa = [&*token.ecdsa_previous_public_key, &*token.ecdsa_public_key];
        self.needs(
            section,
            ["ecdsa_previous_public_key", "ecdsa_public_key"],
            ecdsa,
        );
        let ed25519 = [
            &*token.ed25519_previous_public_key,
            &*token.ed25519_public_key,
        ];
        self.needs(
            section,
            ["ed25519_previous_public_key", "ed25519_public_key"],
            ed25519,
        );
        let until = format!("{section}.hmac_previous_secret_key_valid_until");
        let wrong = token.hmac_previous_secret_key_valid_until < 0;
        self.when(wrong, &until, "must not be negative");
    }

    /// A key before the current one, and the current one.
    fn needs(&mut self, section: &str, names: [&str; 2], [previous, current]: [&str; 2]) {
        let [option, needed] = names.map(|name| format!("{section}.{name}"));
        let wrong = !previous.is_empty() && current.is_empty();
        self.between(wrong, &[&option, &needed], &format!("needs {needed}"));
    }
}
