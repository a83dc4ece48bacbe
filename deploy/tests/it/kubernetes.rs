//! The manifests of `kubernetes/`.

use std::fs;

use anyhow::Result;
use tidegate_testkit::authority::Authority;

use super::documents::{Documents, file};
use super::metrics;
use super::pod::{Container, Secrets, list};
use super::site::Site;
use tidegate_testkit::binaries::binary;

fn overlay(name: &str) -> Documents {
    Documents::render(&file("kubernetes/overlays").join(name)).expect("an overlay")
}

#[test]
fn overlays_are_valid() {
    for name in ["local", "production"] {
        overlay(name).validate().unwrap();
    }
}

#[test]
fn the_gateway_api_takes_the_place_of_the_ingress() {
    let folder = tempfile::tempdir_in(file("kubernetes/overlays")).unwrap();
    let text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../../base]\n\
                components: [../../components/gateway-api]\n";
    fs::write(folder.path().join("kustomization.yaml"), text).unwrap();
    let documents = Documents::render(folder.path()).unwrap();
    documents.validate().unwrap();
    let route = documents.get("HTTPRoute", "gateway").unwrap();
    let backend = &route["spec"]["rules"][0]["backendRefs"][0];
    let service = documents.get("Service", "gateway").unwrap();
    assert_eq!(backend["name"], "gateway");
    assert_eq!(backend["port"], service["spec"]["ports"][0]["port"]);
}

/// The production overlay with the archive in a cluster.
fn with_cassandra() -> Documents {
    let folder = tempfile::tempdir_in(file("kubernetes/overlays")).expect("a folder");
    let text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../production]\n\
                components: [../../components/cassandra]\n";
    fs::write(folder.path().join("kustomization.yaml"), text).expect("a file in it");
    Documents::render(folder.path()).expect("an overlay")
}

#[test]
fn the_archive_goes_into_a_cluster() {
    let documents = with_cassandra();
    documents.validate().unwrap();
    let history = &documents.get("StatefulSet", "history").unwrap()["spec"];
    assert!(history["replicas"].as_u64().unwrap() >= 2);
    assert!(
        history["volumeClaimTemplates"].is_null(),
        "it has a disk still"
    );
    let cassandra = &documents.get("StatefulSet", "cassandra").unwrap()["spec"];
    // Every node that is named is one of its pods, behind a service that has no address of its own.
    let service = documents.get("Service", "cassandra").unwrap();
    assert_eq!(service["spec"]["clusterIP"], "None");
    assert_eq!(cassandra["serviceName"], "cassandra");
    let arguments = list(&history["template"]["spec"]["containers"][0]["args"]);
    let mut nodes = arguments.filter_map(|it| it.as_str()?.strip_prefix("--cassandra-nodes="));
    let nodes: Vec<_> = nodes.next().unwrap().split(',').collect();
    let pods = 0..cassandra["replicas"].as_u64().unwrap();
    let pods: Vec<_> = pods
        .map(|it| format!("cassandra-{it}.cassandra:9042"))
        .collect();
    assert_eq!(nodes, pods);
    check_pods(&documents, "cassandra", 6);
    check_services(&documents);
}

/// A misspelt option would stop it before it looks for the cluster, of which there is nobody here.
#[test]
fn the_history_service_takes_its_options_of_the_cluster() {
    let (documents, root) = (with_cassandra(), tempfile::tempdir().unwrap());
    let made = Authority::new().unwrap().certificate("localhost").unwrap();
    let secrets: Secrets = [
        ("nats-users/history", "a password"),
        ("history/api-key", "an-api-key-for-tests"),
        ("nats-tls/ca.crt", "an authority"),
        ("cassandra/password", "a password"),
        ("grpc-tls/tls.crt", &made.certificate),
        ("grpc-tls/tls.key", &made.key),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let mut container =
        Container::lay_out(&documents, "StatefulSet", "history", &secrets, root.path()).unwrap();
    let mut named = 0;
    for argument in &mut container.arguments {
        if argument.starts_with("--cassandra-nodes=") {
            "--cassandra-nodes=127.0.0.1:1".clone_into(argument);
            named += 1;
        }
    }
    let mut command = container.command(&binary("tidegate-history").unwrap());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((named, output.status.code()), (1, Some(1)), "{said}");
    assert!(said.contains("127.0.0.1:1"), "{said}");
}

/// A misspelt option or variable would stop the start, so it would be told here.
#[test]
fn the_gateway_takes_its_configuration_without_a_warning() {
    for name in ["local", "production"] {
        let (documents, root) = (overlay(name), tempfile::tempdir().unwrap());
        let secrets: Secrets = [
            ("nats-users/gateway", "a password"),
            ("gateway/token-secret", "a secret for the tokens of tests"),
            ("nats-tls/ca.crt", "an authority"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let container =
            Container::lay_out(&documents, "Deployment", "gateway", &secrets, root.path()).unwrap();
        let mut command = container.command(&binary("tidegate-gateway").unwrap());
        let output = command.arg("check-config").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (said.as_ref(), error.as_ref()),
            ("configuration is correct\n", ""),
            "{name}"
        );
    }
}

async fn runs(name: &str) -> Result<()> {
    let documents = overlay(name);
    let site = Site::start(&documents).await?;
    let outcome = async {
        site.ready().await?;
        site.probe().await?;
        anyhow::ensure!(site.is_grpc_secure().await? == (name == "production"));
        metrics::check(&site.metrics().await?)
    };
    outcome.await.map_err(|error| error.context(site.output()))
}

#[tokio::test]
async fn what_the_local_overlay_renders_runs() {
    runs("local").await.unwrap();
}

#[tokio::test]
async fn what_the_production_overlay_renders_runs() {
    runs("production").await.unwrap();
}

/// A pod that is asked to end has the time that the gateway takes to close its clients.
#[test]
fn pods_have_the_time_to_drain() {
    let documents = overlay("production");
    let files = documents.files("ConfigMap", "gateway").unwrap();
    let text = String::from_utf8(files[0].1.clone()).unwrap();
    let config: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let seconds = |value: &serde_json::Value| -> u64 {
        value
            .as_str()
            .unwrap()
            .trim_end_matches('s')
            .parse()
            .unwrap()
    };
    let gateway = documents.get("Deployment", "gateway").unwrap();
    let grace = gateway["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap();
    let wait = gateway["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]
        ["seconds"]
        .as_u64()
        .unwrap();
    assert!(wait + seconds(&config["shutdown"]["timeout"]) < grace);
    assert!(seconds(&config["shutdown"]["drain"]) < seconds(&config["shutdown"]["timeout"]));
}

#[test]
fn pods_can_do_no_more_than_they_need() {
    for name in ["local", "production"] {
        check_pods(&overlay(name), name, 4);
    }
}

/// Every pod: not root, nothing writable but what is mounted, no rights, no token of the cluster, and bounds.
fn check_pods(documents: &Documents, name: &str, expected: usize) {
    let mut pods = 0;
    for document in documents.all() {
        let pod = &document["spec"]["template"]["spec"];
        for container in list(&pod["containers"]) {
            pods += 1;
            let context = &container["securityContext"];
            assert_eq!(context["readOnlyRootFilesystem"], true);
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["capabilities"]["drop"][0], "ALL");
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(pod["automountServiceAccountToken"], false);
            assert!(container["resources"]["requests"]["cpu"].is_string());
            assert!(container["resources"]["limits"]["memory"].is_string());
            // What ends by itself is not asked how it is.
            let probes = ["startupProbe", "readinessProbe", "livenessProbe"];
            let has_probes = probes.iter().all(|it| container[it].is_object());
            assert!(has_probes || document["kind"] == "Job", "{container}");
            let image = container["image"].as_str();
            assert!(image.is_some_and(|it| it.contains(':')), "{image:?}");
        }
    }
    assert_eq!(pods, expected, "of {name}");
}

/// What a service sends to is a port that its pods have, and a policy lets it in.
#[test]
fn services_reach_their_pods() {
    check_services(&overlay("production"));
}

fn check_services(documents: &Documents) {
    for service in documents.all().iter().filter(|it| it["kind"] == "Service") {
        let app = &service["spec"]["selector"]["app.kubernetes.io/name"];
        let is_its = |it: &&serde_json::Value| {
            it["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == *app
        };
        let workload = documents
            .all()
            .iter()
            .find(is_its)
            .expect("pods of the service");
        let container = &workload["spec"]["template"]["spec"]["containers"][0];
        for port in list(&service["spec"]["ports"]) {
            let has = list(&container["ports"]).any(|it| it["name"] == port["targetPort"]);
            assert!(has, "{app} has no port {}", port["targetPort"]);
        }
        let policies = documents
            .all()
            .iter()
            .filter(|it| it["kind"] == "NetworkPolicy");
        let mut policies = policies.filter(|it| {
            it["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == *app
        });
        assert!(
            policies.any(|it| it["spec"]["ingress"].is_array()),
            "nothing lets {app} be reached"
        );
    }
}
