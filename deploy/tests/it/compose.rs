//! `compose.yaml` and the files that its services read.

use std::process::Command;

use serde_json::Value;
use tidegate_testkit::tools::{nats_server, run};

use super::documents::{file, text};
use super::pod::list;
use tidegate_testkit::binaries::binary;

fn compose() -> Value {
    serde_saphyr::from_str(&text("compose.yaml")).expect("a compose file")
}

#[test]
fn every_file_that_a_service_reads_is_there() {
    for (name, service) in compose()["services"].as_object().unwrap() {
        for volume in list(&service["volumes"]) {
            let (from, _) = volume.as_str().unwrap().split_once(':').unwrap();
            if let Some(path) = from.strip_prefix("./") {
                assert!(file(path).exists(), "{name}: {path}");
            } else {
                assert!(compose()["volumes"][from].is_object(), "{name}: {from}");
            }
        }
    }
}

#[test]
fn gateways_take_their_configuration_without_a_warning() {
    let output = Command::new(binary("tidegate-gateway").unwrap())
        .env_clear()
        .arg("--config")
        .arg(file("compose/gateway.yaml"))
        .arg("check-config")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "configuration is correct\n"
    );
    assert!(output.stderr.is_empty());
}

/// They say what is wrong with a flag that they do not know before they lack the key, which is nowhere on this machine.
#[test]
fn the_services_take_their_flags() {
    let compose = compose();
    for service in ["history", "presence"] {
        let words = list(&compose["services"][service]["command"]).filter_map(Value::as_str);
        let output = Command::new(binary(&format!("tidegate-{service}")).unwrap())
            .env_clear()
            .args(words)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("cannot use the key in /etc/tidegate/api-key"),
            "{said}"
        );
    }
}

#[test]
fn nats_takes_its_configuration() {
    let mut command = Command::new(nats_server().unwrap());
    run(command
        .arg("-t")
        .arg("--config")
        .arg(file("compose/nats.conf")))
    .unwrap();
}

#[test]
fn the_proxy_and_prometheus_name_services_that_there_are() {
    let (compose, proxy) = (compose(), text("compose/nginx.conf"));
    let prometheus: Value = serde_saphyr::from_str(&text("compose/prometheus.yaml")).unwrap();
    let targets = list(&prometheus["scrape_configs"])
        .flat_map(|job| list(&job["static_configs"][0]["targets"]))
        .filter_map(Value::as_str);
    let upstreams = proxy
        .lines()
        .filter_map(|it| it.trim().strip_prefix("server ")?.strip_suffix(';'));
    let mut named = 0;
    for target in targets.chain(upstreams) {
        let (service, port) = target.split_once(':').unwrap();
        assert!(compose["services"][service].is_object(), "{target}");
        let mut words = list(&compose["services"][service]["command"]).filter_map(Value::as_str);
        let own = words.find_map(|it| it.strip_prefix("--metrics-address=0.0.0.0:"));
        // A gateway has one port for everything.
        assert_eq!(port, own.unwrap_or("8000"), "{target}");
        named += 1;
    }
    assert_eq!(named, 6);
}
