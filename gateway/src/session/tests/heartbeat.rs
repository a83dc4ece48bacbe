//! Pings and pongs.

use super::*;

#[test]
fn exactly_one_pong_answers_a_ping() {
    let mut client = Client::connected(|_| {});
    assert_eq!(client.wait(Duration::from_millis(12_499)), [""; 0]);
    assert_eq!(client.wait(Duration::from_millis(1)), ["ping"]);
    assert_eq!(client.send("{}"), [""; 0]);
    assert_eq!(client.wait(Duration::from_secs(25)), ["ping"]);
    assert_eq!(client.send("{}\n{}"), ["close 3501"]);
    assert_eq!(Client::connected(|_| {}).send("{}"), ["close 3501"]);
}

#[test]
fn a_ping_without_its_pong_ends_the_connection() {
    let mut client = Client::connected(|_| {});
    assert_eq!(client.wait(Duration::from_millis(12_500)), ["ping"]);
    assert_eq!(client.wait(Duration::from_millis(7_999)), [""; 0]);
    assert_eq!(client.wait(Duration::from_millis(1)), ["close 3012"]);
}

#[test]
fn frame_pings_are_not_announced_and_stray_pongs_are_fine() {
    let mut client = Client::entering(|config| config.client.insecure = true, "", PingStyle::Frame);
    let lines = client.send(r#"{"id":1,"connect":{}}"#);
    assert!(
        !lines[1].contains("ping") && !lines[1].contains("pong"),
        "{lines:?}"
    );
    client.session.pong_frame();
    assert_eq!(client.wait(Duration::from_millis(12_500)), ["ping"]);
    client.session.pong_frame();
    assert_eq!(client.wait(Duration::from_secs(25)), ["ping"]);
    assert_eq!(client.wait(Duration::from_secs(8)), ["close 3012"]);
}

#[test]
fn pong_frames_do_not_answer_message_pings() {
    let mut client = Client::connected(|_| {});
    assert_eq!(client.wait(Duration::from_millis(12_500)), ["ping"]);
    client.session.pong_frame();
    assert_eq!(client.wait(Duration::from_secs(8)), ["close 3012"]);
}

#[test]
fn no_pings_when_they_are_off() {
    let mut client = Client::connected(|config| config.client.ping_interval = Duration::ZERO);
    assert_eq!(client.session.deadline(), None);
    assert_eq!(client.wait(Duration::from_secs(3_600)), [""; 0]);
}

#[test]
fn the_first_pings_of_many_are_spread_over_half_an_interval() {
    let first_ping = |phase: f64| {
        let mut client = Client::new(|config| config.client.insecure = true);
        client.set_phase(phase);
        client.send(r#"{"id":1,"connect":{}}"#);
        client.session.deadline().unwrap() - client.now.instant
    };
    assert_eq!(first_ping(0.0), Duration::from_millis(12_500));
    assert_eq!(first_ping(0.5), Duration::from_millis(18_750));
    assert_eq!(first_ping(1.0), Duration::from_secs(25));
}
