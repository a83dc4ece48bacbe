//! What is wrong with `nats.*`.

use super::Findings;
use crate::config::{NatsConfig, NatsTlsConfig};

impl Findings {
    pub(super) fn nats(&mut self, nats: &NatsConfig) {
        let form = "must be nats://host:port or tls://host:port, several separated by commas";
        let wrong = !nats.url.is_empty() && !addresses(nats).all(is_address);
        self.when(wrong, "nats.url", form);
        let wrong = !nats.prefix.split('.').all(is_token);
        self.when(
            wrong,
            "nats.prefix",
            "must be tokens of a subject, separated by `.`",
        );
        let wrong = !nats.monitoring_urls.iter().all(|it| is_monitoring(it));
        self.when(
            wrong,
            "nats.monitoring_urls",
            "must be http://host:port each",
        );
        self.instant("nats.timeout", nats.timeout);
        self.authentication(nats);
        let secure = nats.tls.enabled || addresses(nats).any(|url| url.starts_with("tls://"));
        self.tls(&nats.tls, secure);
        let wrong = nats.tls.enabled && nats.url.is_empty();
        self.between(wrong, &["nats.tls.enabled", "nats.url"], "needs nats.url");
    }

    fn authentication(&mut self, nats: &NatsConfig) {
        let user = ("nats.user", !nats.user.is_empty());
        let password = ("nats.password", !nats.password.is_empty());
        let methods = [
            ("nats.credentials", nats.credentials.is_some()),
            ("nats.nkey_seed_file", nats.nkey_seed_file.is_some()),
            user,
            ("nats.token", !nats.token.is_empty()),
        ];
        let mut given = methods
            .into_iter()
            .filter(|(_, given)| *given)
            .map(|(option, _)| option);
        if let Some(first) = given.next() {
            let message = format!("contradicts {first}: set one way to authenticate");
            given.for_each(|other| self.between(true, &[other, first], &message));
        }
        self.together(user, password);
        for (option, given) in methods.into_iter().chain([password]) {
            self.between(
                given && nats.url.is_empty(),
                &[option, "nats.url"],
                "needs nats.url",
            );
        }
    }

    fn tls(&mut self, tls: &NatsTlsConfig, secure: bool) {
        let certificate = ("nats.tls.cert_pem_file", tls.cert_pem_file.is_some());
        let key = ("nats.tls.key_pem_file", tls.key_pem_file.is_some());
        let trust = (
            "nats.tls.server_ca_pem_file",
            tls.server_ca_pem_file.is_some(),
        );
        self.together(certificate, key);
        for (option, given) in [certificate, key, trust] {
            let options = [option, "nats.tls.enabled", "nats.url"];
            self.between(given && !secure, &options, "needs nats.tls.enabled");
        }
    }
}

fn addresses(nats: &NatsConfig) -> impl Iterator<Item = &str> {
    nats.url.split(',').map(str::trim)
}

fn is_address(text: &str) -> bool {
    ["nats://", "tls://"]
        .iter()
        .any(|scheme| text.len() > scheme.len() && text.starts_with(scheme))
}

fn is_monitoring(text: &str) -> bool {
    let address = text.strip_prefix("http://");
    let port = address.and_then(|it| it.trim_end_matches('/').rsplit_once(':'));
    port.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

fn is_token(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '*' | '>');
    !text.is_empty() && !text.contains(odd)
}
