//! What is wrong with the backends that are asked, and with who chooses which.

use std::collections::BTreeSet;

use http::HeaderName;

use super::{Config, Findings};
use crate::config::{ProxyConfig, StatusTransform};
use crate::hooks::plan::{DEFAULT, choose, chosen, planned};
use crate::hooks::{Endpoint, Event};

impl Config {
    pub(super) fn proxies(&self, findings: &mut Findings) {
        for planned in planned(self) {
            findings.proxy(&planned.path, planned.config);
        }
        let mut names = BTreeSet::from([DEFAULT]);
        for (index, proxy) in self.proxies.iter().enumerate() {
            let option = format!("proxies.{}.name", named(&proxy.name, index));
            findings.name(&option, &proxy.name);
            let taken = !names.insert(&proxy.name);
            findings.when(taken, &option, "is the name of another backend");
        }
        self.choices(findings);
    }

    /// Names of backends that namespaces choose.
    fn choices(&self, findings: &mut Findings) {
        let mut check = |path: String, event: Event, name: &str| {
            let wrong = choose(self, event, name).is_none();
            let message = "is not the name of a backend in proxies";
            findings.between(wrong, &[&path, "proxies"], message);
        };
        for (namespace, options) in self.channel.sets() {
            let path = match namespace {
                Some(name) => format!("channel.namespaces.{name}"),
                None => "channel.without_namespace".to_owned(),
            };
            for event in Event::ALL {
                if let Some(name) = chosen(options, event) {
                    check(format!("{path}.{}_proxy_name", event.name()), event, name);
                }
            }
        }
        let rpc = &self.rpc;
        let without = ("rpc.without_namespace".to_owned(), &rpc.without_namespace);
        let each = rpc.namespaces.iter();
        let each = each.map(|it| (format!("rpc.namespaces.{}", it.name), &it.options));
        for (path, options) in each.chain([without]).filter(|(_, it)| it.proxy_enabled) {
            check(
                format!("{path}.proxy_name"),
                Event::Rpc,
                &options.proxy_name,
            );
        }
        let mut names = BTreeSet::new();
        for (index, namespace) in rpc.namespaces.iter().enumerate() {
            let option = format!("rpc.namespaces.{}.name", named(&namespace.name, index));
            findings.name(&option, &namespace.name);
            let taken = !names.insert(&namespace.name);
            findings.when(taken, &option, "is the name of two namespaces");
        }
    }
}

fn named(name: &str, index: usize) -> String {
    match name {
        "" => index.to_string(),
        name => name.to_owned(),
    }
}

impl Findings {
    fn proxy(&mut self, path: &str, proxy: &ProxyConfig) {
        let option = |name: &str| format!("{path}.{name}");
        if let Err(fault) = Endpoint::parse(&proxy.endpoint) {
            self.when(true, &option("endpoint"), fault);
        }
        self.instant(&option("timeout"), proxy.timeout);
        self.zero(&option("concurrency_limit"), proxy.concurrency_limit);
        self.zero(&option("response_size_limit"), proxy.response_size_limit);
        self.instant(&option("breaker_pause"), proxy.breaker_pause);
        for (name, headers) in [
            ("http_headers", &proxy.http_headers),
            ("emulated_headers", &proxy.emulated_headers),
        ] {
            for header in headers {
                self.header(&option(name), header);
            }
        }
        for header in proxy.http.static_headers.keys() {
            self.header(&option("http.static_headers"), header);
        }
        for transform in &proxy.http.status_to_code_transforms {
            self.transform(&option("http.status_to_code_transforms"), transform);
        }
    }

    fn header(&mut self, option: &str, name: &str) {
        let wrong = HeaderName::from_bytes(name.as_bytes()).is_err();
        self.when(wrong, option, "has what is no name of a header");
    }

    fn transform(&mut self, option: &str, transform: &StatusTransform) {
        let StatusTransform {
            status_code,
            to_error,
            to_disconnect,
        } = transform;
        let wrong = !(100..600).contains(status_code);
        self.when(wrong, option, "needs a status_code from 100 to 599");
        let wrong = (to_error.code > 0) == (to_disconnect.code > 0);
        self.when(
            wrong,
            option,
            "needs a code of either to_error or to_disconnect",
        );
        let wrong = to_disconnect.code > 0 && !(4_000..5_000).contains(&to_disconnect.code);
        self.when(
            wrong,
            option,
            "needs a to_disconnect.code from 4000 to 4999",
        );
    }

    fn name(&mut self, option: &str, name: &str) {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let wrong = name.len() < 2 || !name.chars().all(fits);
        let message = "must be two or more letters, digits, `-`, `_` and `.`";
        self.when(wrong, option, message);
    }
}
