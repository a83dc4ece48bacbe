//! What is wrong with `….tls.*` of a port, and with who is let in.

use std::net::IpAddr;

use tidegate_service::TlsVersion;

use super::Findings;
use crate::config::ServerTlsConfig;

impl Findings {
    pub(super) fn server_tls(&mut self, section: &str, tls: &ServerTlsConfig) {
        let option = |name: &str| format!("{section}.{name}");
        let enabled = option("enabled");
        for (name, given) in [
            ("cert_pem_file", tls.cert_pem_file.is_some()),
            ("key_pem_file", tls.key_pem_file.is_some()),
        ] {
            let (wrong, option) = (tls.enabled && !given, option(name));
            self.between(wrong, &[&enabled, &option], &format!("needs {option}"));
        }
        let authorities = option("client_ca_pem_file");
        let wrong = tls.client_ca_pem_file.is_some() && !tls.enabled;
        let message = format!("needs {enabled}");
        self.between(wrong, &[&authorities, &enabled], &message);
        let version = option("min_version");
        self.one_of(&version, &tls.min_version, &TlsVersion::NAMES);
    }

    /// Where a port of gRPC can be reached from other machines, callers must show something.
    pub(super) fn grpc_access(
        &mut self,
        [address, key]: [&str; 2],
        (ip, is_key_set): (IpAddr, bool),
        (section, tls): (&str, &ServerTlsConfig),
    ) {
        let asks_clients = tls.enabled && tls.client_ca_pem_file.is_some();
        let wrong = !ip.is_loopback() && !is_key_set && !asks_clients;
        let message = format!(
            "needs {key}, {section}.client_ca_pem_file, or an address of this machine only"
        );
        self.between(wrong, &[address, key], &message);
    }
}
