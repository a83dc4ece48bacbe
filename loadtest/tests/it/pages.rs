//! Pages of runs, and of servers side by side.

use std::fs;

use crate::load::{end, program, run};
use crate::server::{Fault, start};

const SCENARIO: &str = "fanout --clients 4 --rate 20 --duration 1s --warm-up 0s --drain 2s";

#[tokio::test]
async fn runs_are_shown_alone_and_side_by_side() {
    let (right, wrong) = (start(Fault::None).await, start(Fault::Drop).await);
    let names = ["right", "wrong"].map(|name| format!("{SCENARIO} --name small/{name}"));
    let (right, wrong) = tokio::join!(run(&names[0], &right), run(&names[1], &wrong));
    let page = right.page();
    assert!(
        page.contains("Every delivery came, once and in order."),
        "{page}"
    );
    for plot in [
        "Latency by percentile",
        "Deliveries",
        "CPU",
        "Server memory",
    ] {
        assert!(page.contains(plot), "no {plot}");
    }
    assert!(
        !page.contains("NaN") && !page.contains("http://"),
        "it needs nothing else"
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.html");
    let mut command = program();
    command.arg("report").args([right.json(), wrong.json()]);
    command.arg("--output").arg(&file);
    let (status, output) = end(command).await;
    assert_eq!(status, 0, "{output}");
    let page = fs::read_to_string(file).unwrap();
    assert!(page.contains("<h2>small</h2>"), "{page}");
    assert!(page.contains("<th>right</th><th>wrong</th>"), "{page}");
    assert!(page.contains("wrong: 8 deliveries are missing"), "{page}");
    assert!(page.contains("<rect"), "{page}");
}

#[tokio::test]
async fn a_comparison_starts_servers_and_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args([
        "compare",
        "--server",
        "ws",
        "--repeats",
        "2",
        "--allow-foreign-cpu",
    ]);
    command.args(["--scenario", &format!("small={SCENARIO}"), "--output"]);
    command.arg(folder.path());
    let (status, output) = end(command).await;
    assert_eq!(status, 0, "{output}");
    let page = fs::read_to_string(folder.path().join("index.html")).unwrap();
    assert!(page.contains("Server CPU per delivery"), "{page}");
    assert!(folder.path().join("small-ws-2.json").is_file());
}
