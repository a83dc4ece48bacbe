//! What arguments ask for.

use super::*;

fn action(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Action, Faults> {
    let cli = Cli::try_parse_from([&["tidegate"], arguments].concat()).unwrap();
    cli.action(
        environment
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    )
}

fn served(arguments: &[&str], environment: &[(&str, &str)]) -> Config {
    match action(arguments, environment).unwrap() {
        Action::Serve(loaded) => loaded.config,
        other => panic!("{other:?}"),
    }
}

#[test]
fn arguments_are_well_formed() {
    Cli::command().debug_assert();
    assert!(Cli::try_parse_from(["tidegate", "--set", "client.insecure"]).is_err());
    assert!(Cli::try_parse_from(["tidegate", "token"]).is_err());
    assert!(Cli::try_parse_from(["tidegate", "token", "--user", "u", "--ttl", "60"]).is_err());
}

#[test]
fn help_names_the_program_that_was_asked() {
    for name in ["tidegate", "tidegate-gateway"] {
        let help = of_program(name).render_help().to_string();
        assert!(
            help.contains(&format!("Usage: {name} [OPTIONS] [COMMAND]")),
            "{help}"
        );
        assert!(
            help.contains(&format!("\n  {name} --config tidegate.yaml\n")),
            "{help}"
        );
    }
}

#[test]
fn flags_win_over_the_environment() {
    let environment = [
        ("TIDEGATE_HTTP_SERVER_PORT", "9000"),
        ("TIDEGATE_LOG_LEVEL", "warn"),
    ];
    let arguments = [
        "-p",
        "9001",
        "--nats",
        "nats://localhost:4222",
        "--set",
        "channel.without_namespace.presence=1",
    ];
    let config = served(&arguments, &environment);
    assert_eq!(
        (config.http_server.port, &*config.log.level),
        (9001, "warn")
    );
    assert_eq!(&*config.nats.url, "nats://localhost:4222");
    assert!(config.channel.without_namespace.presence);
}

#[test]
fn faults_name_the_flag() {
    let arguments = [
        "--port",
        "http",
        "--log-level",
        "loud",
        "--set",
        "client.insecur=1",
        "check-config",
    ];
    let faults = action(&arguments, &[]).unwrap_err().to_string();
    let expected = [
        "client.insecur (--set): is not known; nearest: client.insecure",
        "http_server.port (--port): must be a whole number",
        "log.level (--log-level): must be one of none, trace, debug, info, warn, error",
    ];
    assert_eq!(faults.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn commands_ask_for_their_actions() {
    assert!(matches!(
        action(&["check-config"], &[]),
        Ok(Action::Correct(_))
    ));
    match action(&["token", "--user", "u", "--channel", "news"], &[]).unwrap() {
        Action::Token(_, token) => {
            let ttl = Duration::from_secs(3_600);
            assert_eq!(
                token,
                TokenArgs {
                    user: "u".to_owned(),
                    channel: Some("news".to_owned()),
                    ttl
                }
            );
        }
        other => panic!("{other:?}"),
    }
    match action(
        &["default-config", "--format", "toml"],
        &[("TIDEGATE_X", "is not looked at")],
    )
    .unwrap()
    {
        Action::Print(text) => assert!(text.contains("\n[client.token]\n"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_patterns_and_origins_are_examined() {
    let arguments = [
        ["--set", "client.token.rsa_public_key=k"],
        ["--set", "client.token.issuer_regex=("],
        ["--set", "client.allowed_origins=example.com"],
    ];
    let faults = action(&arguments.concat(), &[]).unwrap_err();
    let options: Vec<_> = faults.0.iter().map(|fault| fault.option.as_str()).collect();
    let expected = [
        "client.token.rsa_public_key",
        "client.token.issuer_regex",
        "client.allowed_origins",
    ];
    assert_eq!(options, expected);
}
