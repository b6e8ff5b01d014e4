//! What the command line and the environment ask for, understood and checked.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use log::LevelFilter;

use crate::mixpanel::{BaseUrls, Config, ProjectId, Region, Secret, ServiceAccount};
use crate::tools::{self, Offer};
use crate::transport::gate::Limits;
use crate::transport::{Access, HttpSettings};

use super::given::{Given, text};
use super::table::{HEALTH, SETTINGS, help};

/// What the command line asks for.
pub enum Command {
    /// Serve.
    Serve(Box<Settings>),
    /// Ask the server that these settings start whether it is well.
    Health(SocketAddr),
    /// Print this and end.
    Print(String),
}

/// Everything that can be set, read and checked.
pub struct Settings {
    /// How the HTTP server listens, and what it allows.
    pub http: HttpSettings,
    /// What is known of Mixpanel.
    pub mixpanel: Config,
    /// Whether to serve one client on standard input and output, instead of HTTP.
    pub stdio: bool,
    /// Whether to answer from an invented Mixpanel in memory.
    pub sandbox: bool,
    /// Which tools are offered.
    pub offer: Offer,
    /// How long a client's user may think about a question, where it is asked on a stream.
    pub question_time: Duration,
    /// How long running calls may go on after a signal.
    pub stop_time: Duration,
    /// The least grave log line.
    pub log_level: LevelFilter,
}

/// Header fields by which a caller brings Mixpanel credentials of its own.
const CREDENTIAL_FIELDS: &[&str] = &[
    "authorization",
    "x-auth-token",
    "x-auth-data",
    "x-mixpanel-oauth-token",
];

impl Command {
    /// Reads the command line (without the program's name) and the environment, which `variable` looks up.
    ///
    /// # Errors
    ///
    /// One line that names the setting that is wrong. It never repeats a secret.
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Command, String> {
        let mut given = Given::from_environment(variable)?;
        let mut asks_health = false;
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next().map_err(|error| unread(&error))? {
            let flag = match argument {
                lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                    return Ok(Command::Print(help()));
                }
                lexopt::Arg::Short('V') | lexopt::Arg::Long("version") => {
                    let line =
                        format!("{} {}\n", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
                    return Ok(Command::Print(line));
                }
                lexopt::Arg::Value(command) if command == "tools" => {
                    return Ok(Command::Print(tools::listing()));
                }
                lexopt::Arg::Value(command) if command == HEALTH => {
                    asks_health = true;
                    continue;
                }
                lexopt::Arg::Long(name) => format!("--{name}"),
                lexopt::Arg::Short(letter) => {
                    return Err(format!("there is no setting -{letter}; --help lists them"));
                }
                // Not repeated: it may be a variable with its secret, in the wrong place.
                lexopt::Arg::Value(_) => {
                    return Err("there is an argument that is neither a setting nor a command; --help lists them".into());
                }
            };
            let Some(setting) = SETTINGS
                .iter()
                .find(|setting| setting.flag == Some(flag.as_str()))
            else {
                return Err(format!("there is no setting {flag}; --help lists them"));
            };
            let value = match setting.value {
                "" => "on".into(),
                _ => text(
                    &flag,
                    parser
                        .value()
                        .map_err(|_| format!("{flag} needs a value: {}", setting.value))?,
                )?,
            };
            given.insert(setting, flag, value);
        }
        let settings = Settings::from_given(&given)?;
        Ok(if asks_health {
            Command::Health(settings.http.address)
        } else {
            Command::Serve(Box::new(settings))
        })
    }
}

/// What is wrong with a flag, without the value that it came with.
fn unread(error: &lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedValue { option, .. } => format!("{option} takes no value"),
        _ => "the command line cannot be read; --help lists the settings".into(),
    }
}

impl Settings {
    fn from_given(given: &Given) -> Result<Settings, String> {
        let port = given.parsed("--port", 5000, "a port from 0 to 65535", |text| {
            text.parse().ok()
        })?;
        let host = given.parsed(
            "--host",
            IpAddr::from([127, 0, 0, 1]),
            "an address such as 127.0.0.1, 0.0.0.0 or ::1",
            |text| match text {
                "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
                text => text.trim_matches(['[', ']']).parse().ok(),
            },
        )?;
        let log_level = given.parsed(
            "--log-level",
            LevelFilter::Info,
            "one of error, warn, info, debug",
            |text| match text {
                "error" => Some(LevelFilter::Error),
                "warn" => Some(LevelFilter::Warn),
                "info" => Some(LevelFilter::Info),
                "debug" => Some(LevelFilter::Debug),
                _ => None,
            },
        )?;
        Ok(Settings {
            http: HttpSettings {
                address: SocketAddr::new(host, port),
                access: Access {
                    loopback: host.is_loopback(),
                    allowed_origins: given.list("--allowed-origins"),
                    allowed_hosts: given.list("--allowed-hosts"),
                    token: given.value("MIXPANEL_MCP_ACCESS_TOKEN"),
                    credential_fields: CREDENTIAL_FIELDS,
                },
                json_response: given.is_on("--json-response"),
                calls_max: limit(given, "--workers")?,
                waiting_max: limit(given, "--waiting-calls")?,
                streams_max: limit(given, "--streams")?,
                limits: limits(given)?,
            },
            question_time: limit_time(given, "--question-seconds")?,
            stop_time: limit_time(given, "--stop-seconds")?,
            mixpanel: mixpanel(given)?,
            stdio: given.is_on("--stdio"),
            sandbox: given.is_on("--sandbox"),
            offer: Offer::of(
                &given.list("--toolsets"),
                &given.list("--tools"),
                given.switched("--read-only")?,
            )
            .map_err(|why| format!("--toolsets, --tools: {why}"))?,
            log_level,
        })
    }
}

/// What the gate allows.
fn limits(given: &Given) -> Result<Limits, String> {
    let limits = Limits {
        connections: limit(given, "--connections")?,
        connections_per_peer: limit(given, "--connections-per-peer")?,
        head_bytes: limit(given, "--head-bytes")?,
        head_fields: limit(given, "--head-fields")?,
        head_time: limit_time(given, "--head-seconds")?,
        body_bytes: limit(given, "--body-bytes")?,
        body_time: limit_time(given, "--body-seconds")?,
        idle_time: limit_time(given, "--idle-seconds")?,
        write_stall: limit_time(given, "--write-stall-seconds")?,
        answer_time: limit_time(given, "--answer-seconds")?,
        delivery_time: limit_time(given, "--delivery-seconds")?,
        bodies_bytes: limit(given, "--bodies-bytes")?,
        answers_bytes: limit(given, "--answers-bytes")?,
        ..Limits::default()
    };
    if limits.large_bodies_bytes() < limits.body_bytes {
        return Err(format!(
            "--bodies-bytes: three quarters of {} are less than one body of --body-bytes, {}",
            limits.bodies_bytes, limits.body_bytes
        ));
    }
    Ok(limits)
}

/// A number that has a default.
fn limit(given: &Given, key: &str) -> Result<usize, String> {
    given.number(key)?.ok_or_else(|| format!("{key}: not set"))
}

fn limit_time(given: &Given, key: &str) -> Result<Duration, String> {
    Ok(Duration::from_secs(limit(given, key)? as u64))
}

fn mixpanel(given: &Given) -> Result<Config, String> {
    let region = given.parsed("--region", Region::Us, "one of us, eu, in", Region::parse)?;
    let name = given.value("MIXPANEL_SERVICE_ACCOUNT_USERNAME");
    let secret = given
        .value("MIXPANEL_SERVICE_ACCOUNT_SECRET")
        .map(Secret::new);
    let account = match (name, secret) {
        (Some(username), Some(secret)) => Some(ServiceAccount { username, secret }),
        (None, None) => None,
        (Some(_), None) => {
            return Err("MIXPANEL_SERVICE_ACCOUNT_SECRET: not set, though MIXPANEL_SERVICE_ACCOUNT_USERNAME is".into());
        }
        (None, Some(_)) => {
            return Err("MIXPANEL_SERVICE_ACCOUNT_USERNAME: not set, though MIXPANEL_SERVICE_ACCOUNT_SECRET is".into());
        }
    };
    Ok(Config {
        region,
        urls: BaseUrls {
            ingestion: given.value("MIXPANEL_INGESTION_URL"),
            export: given.value("MIXPANEL_EXPORT_URL"),
            query: given.value("MIXPANEL_QUERY_URL"),
            app: given.value("MIXPANEL_APP_URL"),
        },
        account,
        project_id: given.parsed("MIXPANEL_PROJECT_ID", None, "a project's number", |text| {
            ProjectId::parse(text).map(Some)
        })?,
        project_token: given.value("MIXPANEL_PROJECT_TOKEN").map(Secret::new),
        oauth_token: given.value("MIXPANEL_OAUTH_TOKEN").map(Secret::new),
        queries_per_hour: given.number("MIXPANEL_QUERIES_PER_HOUR")?,
        concurrent_queries: given.number("MIXPANEL_CONCURRENT_QUERIES")?,
        cache_time: given
            .number("MIXPANEL_CACHE_SECONDS")?
            .map(|seconds| Duration::from_secs(seconds as u64)),
        cache_bytes: given.number("MIXPANEL_CACHE_BYTES")?,
        ca_file: given.value("--ca-file").map(Into::into),
        ..Config::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| OsString::from(value))
        };
        match Command::read(arguments.iter().map(OsString::from), variable)? {
            Command::Serve(settings) => Ok(*settings),
            Command::Print(text) => Err(text),
            Command::Health(address) => Err(address.to_string()),
        }
    }

    #[track_caller]
    fn check_refused(arguments: &[&str], variables: &[(&str, &str)], expected: &str) {
        assert_eq!(read(arguments, variables).err().as_deref(), Some(expected));
    }

    #[test]
    fn the_defaults_are_a_server_on_port_5000_of_this_machine() {
        let settings = read(&[], &[]).unwrap();
        assert_eq!(settings.http.address, "127.0.0.1:5000".parse().unwrap());
        assert!(settings.http.access.loopback);
        assert!(!settings.stdio && !settings.sandbox && !settings.http.json_response);
        assert_eq!(settings.mixpanel.region, Region::Us);
        assert_eq!(settings.mixpanel.account, None);
        assert_eq!(settings.log_level, LevelFilter::Info);
    }

    #[test]
    fn a_flag_wins_over_its_variable() {
        let variables = [
            ("MIXPANEL_MCP_SERVER_PORT", "6000"),
            ("MIXPANEL_REGION", "in"),
        ];
        let settings = read(&["--port=7000"], &variables).unwrap();
        assert_eq!(settings.http.address.port(), 7000);
        assert_eq!(settings.mixpanel.region, Region::In);
    }

    #[test]
    fn health_asks_where_the_same_settings_would_serve() {
        let variables = [("MIXPANEL_MCP_SERVER_HOST", "0.0.0.0")];
        for arguments in [&["health", "--port", "6000"], &["--port", "6000", "health"]] {
            check_refused(arguments, &variables, "0.0.0.0:6000");
        }
    }

    #[test]
    fn an_empty_variable_is_an_unset_one() {
        let settings = read(&[], &[("MIXPANEL_REGION", ""), ("MIXPANEL_PROJECT_ID", "")]).unwrap();
        assert_eq!(settings.mixpanel.region, Region::Us);
        assert_eq!(settings.mixpanel.project_id, None);
    }

    #[test]
    fn a_bad_value_is_told_with_the_name_of_its_setting() {
        check_refused(
            &["--port", "70000"],
            &[],
            "--port: \"70000\" is not a port from 0 to 65535",
        );
        check_refused(
            &[],
            &[("MIXPANEL_MCP_SERVER_PORT", "five")],
            "MIXPANEL_MCP_SERVER_PORT: \"five\" is not a port from 0 to 65535",
        );
        check_refused(
            &["--region", "uk"],
            &[],
            "--region: \"uk\" is not one of us, eu, in",
        );
        check_refused(
            &["--host", "example.com"],
            &[],
            "--host: \"example.com\" is not an address such as 127.0.0.1, 0.0.0.0 or ::1",
        );
        check_refused(
            &["--workers", "0"],
            &[],
            "--workers: \"0\" is not a number from 1 to 4096",
        );
        check_refused(
            &["--log-level", "loud"],
            &[],
            "--log-level: \"loud\" is not one of error, warn, info, debug",
        );
        check_refused(
            &[],
            &[("MIXPANEL_PROJECT_ID", "shop")],
            "MIXPANEL_PROJECT_ID: \"shop\" is not a project's number",
        );
        check_refused(
            &["--prot", "1"],
            &[],
            "there is no setting --prot; --help lists them",
        );
        check_refused(&["--port"], &[], "--port needs a value: PORT");
        check_refused(
            &["--idle-seconds", "0"],
            &[],
            "--idle-seconds: \"0\" is not a number from 1 to 86400",
        );
        check_refused(
            &[],
            &[("MIXPANEL_MCP_SERVER_BODY_BYTES", "4 MiB")],
            "MIXPANEL_MCP_SERVER_BODY_BYTES: \"4 MiB\" is not a number from 1024 to 268435456",
        );
        check_refused(
            &["--body-bytes", "64000000"],
            &[],
            "--bodies-bytes: three quarters of 67108864 are less than one body of --body-bytes, 64000000",
        );
    }

    #[test]
    fn the_limits_are_the_gates_own_unless_they_are_set() {
        assert_eq!(read(&[], &[]).unwrap().http.limits, Limits::default());
        let flags = [
            "--connections=9",
            "--head-seconds=8",
            "--bodies-bytes=7340032",
        ];
        let expected = Limits {
            connections: 9,
            head_time: Duration::from_secs(8),
            bodies_bytes: 7 * 1024 * 1024,
            ..Limits::default()
        };
        assert_eq!(read(&flags, &[]).unwrap().http.limits, expected);
    }

    #[test]
    fn what_is_neither_a_setting_nor_a_command_is_not_repeated() {
        let expected =
            "there is an argument that is neither a setting nor a command; --help lists them";
        check_refused(&["MIXPANEL_SERVICE_ACCOUNT_SECRET=canary"], &[], expected);
        check_refused(&["--sandbox=canary"], &[], "--sandbox takes no value");
        let flag = "--mixpanel-service-account-secret";
        let expected = format!("there is no setting {flag}; --help lists them");
        check_refused(&[&format!("{flag}=canary")], &[], &expected);
    }

    #[test]
    fn half_an_account_is_told_without_its_secret() {
        check_refused(
            &[],
            &[("MIXPANEL_SERVICE_ACCOUNT_SECRET", "canary")],
            "MIXPANEL_SERVICE_ACCOUNT_USERNAME: not set, though MIXPANEL_SERVICE_ACCOUNT_SECRET is",
        );
        check_refused(
            &[],
            &[("MIXPANEL_SERVICE_ACCOUNT_USERNAME", "name")],
            "MIXPANEL_SERVICE_ACCOUNT_SECRET: not set, though MIXPANEL_SERVICE_ACCOUNT_USERNAME is",
        );
    }
}
