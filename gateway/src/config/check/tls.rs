//! What is wrong with `http_server.tls.*`.

use super::Findings;
use crate::config::ServerTlsConfig;

impl Findings {
    pub(super) fn server_tls(&mut self, tls: &ServerTlsConfig) {
        let enabled = "http_server.tls.enabled";
        let certificate = ("http_server.tls.cert_pem_file", tls.cert_pem_file.is_some());
        let key = ("http_server.tls.key_pem_file", tls.key_pem_file.is_some());
        for (option, given) in [certificate, key] {
            let wrong = tls.enabled && !given;
            self.between(wrong, &[enabled, option], &format!("needs {option}"));
        }
        let versions = ["1.2", "1.3"];
        self.one_of("http_server.tls.min_version", &tls.min_version, &versions);
    }
}
