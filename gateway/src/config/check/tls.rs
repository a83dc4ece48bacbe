//! What is wrong with `http_server.tls.*`.

use super::Findings;
use crate::config::ServerTlsConfig;

impl Findings {
    pub(super) fn server_tls(&mut self, section: &str, tls: &ServerTlsConfig) {
        let option = |name| format!("{section}.{name}");
        let enabled = option("enabled");
        for (name, file) in [
            ("cert_pem_file", &tls.cert_pem_file),
            ("key_pem_file", &tls.key_pem_file),
        ] {
            let (option, wrong) = (option(name), tls.enabled && file.is_none());
            self.between(wrong, &[&enabled, &option], &format!("needs {option}"));
        }
        let versions = ["1.2", "1.3"];
        self.one_of(&option("min_version"), &tls.min_version, &versions);
    }
}
