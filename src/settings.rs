//! Every flag and variable, read once. After this nothing looks at the environment.
//!
//! One table ([`SETTINGS`]) says them all: the parser, `--help` and the README's table are made from it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use log::LevelFilter;

use crate::mixpanel::{BaseUrls, Config, ProjectId, Region, Secret, ServiceAccount};
use crate::tools::{self, Offer};
use crate::transport::gate::Limits;
use crate::transport::{Access, HttpSettings};

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
    /// The least grave log line.
    pub log_level: LevelFilter,
}

/// One row of the table.
pub struct Setting {
    /// With its dashes; none for what may not stand on a command line, such as secrets.
    pub flag: Option<&'static str>,
    /// The environment variable.
    pub variable: Option<&'static str>,
    /// What its value is called in `--help`; empty for a switch.
    pub value: &'static str,
    /// In words.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
}

const fn both(
    flag: &'static str,
    variable: &'static str,
    value: &'static str,
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting {
        flag: Some(flag),
        variable: Some(variable),
        value,
        default,
        about,
    }
}

const fn variable(
    variable: &'static str,
    value: &'static str,
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting {
        flag: None,
        variable: Some(variable),
        value,
        default,
        about,
    }
}

const fn switch(flag: &'static str, about: &'static str) -> Setting {
    Setting {
        flag: Some(flag),
        variable: None,
        value: "",
        default: "off",
        about,
    }
}

/// Every setting, in the order of `--help`.
pub const SETTINGS: &[Setting] = &[
    both(
        "--port",
        "MIXPANEL_MCP_SERVER_PORT",
        "PORT",
        "5000",
        "port to listen on; 0 takes a free one, which the log's first line names",
    ),
    both(
        "--host",
        "MIXPANEL_MCP_SERVER_HOST",
        "ADDRESS",
        "127.0.0.1",
        "address to listen on; 0.0.0.0 for all of the machine's",
    ),
    variable(
        "MIXPANEL_SERVICE_ACCOUNT_USERNAME",
        "NAME",
        "none",
        "service account, for requests that bring no credentials",
    ),
    variable(
        "MIXPANEL_SERVICE_ACCOUNT_SECRET",
        "SECRET",
        "none",
        "its secret",
    ),
    variable(
        "MIXPANEL_PROJECT_ID",
        "ID",
        "none",
        "project that is meant when none is named",
    ),
    variable(
        "MIXPANEL_PROJECT_TOKEN",
        "TOKEN",
        "looked up",
        "token of that project, to send events and profiles with",
    ),
    variable(
        "MIXPANEL_OAUTH_TOKEN",
        "TOKEN",
        "none",
        "a person's OAuth token, for data retrievals and deletions, which take no service account",
    ),
    both(
        "--region",
        "MIXPANEL_REGION",
        "us|eu|in",
        "us",
        "where the projects are stored",
    ),
    variable(
        "MIXPANEL_INGESTION_URL",
        "URL",
        "from the region",
        "prefix of the ingestion API",
    ),
    variable(
        "MIXPANEL_EXPORT_URL",
        "URL",
        "from the region",
        "prefix of the raw export API",
    ),
    variable(
        "MIXPANEL_QUERY_URL",
        "URL",
        "from the region",
        "prefix of the query API",
    ),
    variable(
        "MIXPANEL_APP_URL",
        "URL",
        "from the region",
        "prefix of the app management API",
    ),
    variable(
        "MIXPANEL_QUERIES_PER_HOUR",
        "N",
        "60; none in the sandbox",
        "queries, and as many exports, that a project may ask an hour; 0: no limit",
    ),
    variable(
        "MIXPANEL_CONCURRENT_QUERIES",
        "N",
        "5; none in the sandbox",
        "queries of a project that may run at once, others wait their turn; 0: no limit",
    ),
    variable(
        "MIXPANEL_CACHE_SECONDS",
        "SECONDS",
        "60",
        "how long answers are given again that may still grow; names and closed ranges at least 10 minutes; 0: never",
    ),
    variable(
        "MIXPANEL_CACHE_BYTES",
        "BYTES",
        "16777216",
        "most memory for kept answers; 0: none are kept",
    ),
    both(
        "--ca-file",
        "MIXPANEL_CA_FILE",
        "FILE",
        "none",
        "PEM file with further certificate authorities to trust, such as a company proxy's",
    ),
    switch(
        "--stdio",
        "serve one client on standard input and output; no port is opened",
    ),
    switch(
        "--sandbox",
        "answer from an invented shop in memory instead of Mixpanel",
    ),
    both(
        "--toolsets",
        "MIXPANEL_TOOLSETS",
        "LIST",
        "default",
        "groups of tools to offer, separated by commas; `all` for every one, the command `tools` lists them",
    ),
    both(
        "--tools",
        "MIXPANEL_TOOLS",
        "LIST",
        "none",
        "single tools to offer; without --toolsets nothing beside them",
    ),
    both(
        "--read-only",
        "MIXPANEL_READ_ONLY",
        "",
        "off",
        "offer only tools that read",
    ),
    variable(
        "MIXPANEL_MCP_ACCESS_TOKEN",
        "TOKEN",
        "none",
        "callers bring it as `Authorization: Bearer`, or bring Mixpanel credentials of their own",
    ),
    both(
        "--allowed-origins",
        "MIXPANEL_MCP_ALLOWED_ORIGINS",
        "LIST",
        "this machine's",
        "origins of web pages that may connect, separated by commas",
    ),
    both(
        "--allowed-hosts",
        "MIXPANEL_MCP_ALLOWED_HOSTS",
        "LIST",
        "this machine's",
        "host names under which the server may be asked for, separated by commas",
    ),
    both(
        "--workers",
        "MIXPANEL_MCP_SERVER_WORKERS",
        "N",
        "256",
        "calls that may run at once; threads are started as they are needed",
    ),
    switch(
        "--json-response",
        "always answer with JSON on /mcp, never with an event stream",
    ),
    both(
        "--log-level",
        "MIXPANEL_MCP_SERVER_LOG_LEVEL",
        "LEVEL",
        "info",
        "error, warn, info or debug; the log goes to standard error",
    ),
];

/// Header fields by which a caller brings Mixpanel credentials of its own.
const CREDENTIAL_FIELDS: &[&str] = &["authorization", "x-auth-token", "x-auth-data"];

/// The command beside serving.
const HEALTH: &str = "health";

/// More calls at once would only wait for Mixpanel, which takes five a project.
const WORKERS_MAX: usize = 4_096;

/// More is no limit any more, and is not counted.
const QUERIES_PER_HOUR_MAX: usize = 10_000;
const CONCURRENT_QUERIES_MAX: usize = 1_000;
/// A day.
const CACHE_SECONDS_MAX: usize = 86_400;
const CACHE_BYTES_MAX: usize = 1 << 30;

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
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
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
                other => {
                    return Err(format!(
                        "{}; --help lists what there is",
                        other.unexpected()
                    ));
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

/// What was given, and where, by the setting's name.
struct Given(BTreeMap<&'static str, (String, String)>);

impl Given {
    fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Result<Given, String> {
        let mut given = Given(BTreeMap::new());
        for setting in SETTINGS {
            let Some(name) = setting.variable else {
                continue;
            };
            // Compose files and CI systems pass unset variables on as empty ones.
            if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
                given.insert(setting, name.to_owned(), text(name, value)?);
            }
        }
        Ok(given)
    }

    fn insert(&mut self, setting: &'static Setting, place: String, value: String) {
        self.0.insert(key(setting), (place, value));
    }

    /// The value, and the flag or variable that brought it.
    fn get(&self, key: &str) -> Option<(&str, &str)> {
        self.0
            .get(key)
            .map(|(place, value)| (place.as_str(), value.as_str()))
    }

    fn value(&self, key: &str) -> Option<String> {
        self.get(key).map(|(_, value)| value.to_owned())
    }

    fn is_on(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A switch that a variable may set too, by a word.
    fn switched(&self, key: &str) -> Result<bool, String> {
        self.parsed(key, false, "true or false", |text| match text {
            "on" | "true" | "1" => Some(true),
            "off" | "false" | "0" => Some(false),
            _ => None,
        })
    }

    /// A value that `read` takes, or the default. The error names the setting and what it takes.
    fn parsed<T>(
        &self,
        key: &str,
        default: T,
        takes: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, String> {
        match self.get(key) {
            None => Ok(default),
            Some((place, value)) => {
                read(value).ok_or_else(|| format!("{place}: {value:?} is not {takes}"))
            }
        }
    }

    fn list(&self, key: &str) -> Vec<String> {
        let value = self.value(key).unwrap_or_default();
        value
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// What a setting is known by: its flag, else its variable.
fn key(setting: &Setting) -> &'static str {
    setting.flag.or(setting.variable).unwrap_or_default()
}

fn text(place: &str, value: OsString) -> Result<String, String> {
    value
        .into_string()
        .map_err(|_| format!("{place}: the value is not UTF-8"))
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
        let workers = given.parsed(
            "--workers",
            256,
            &format!("a number from 1 to {WORKERS_MAX}"),
            |text| {
                text.parse()
                    .ok()
                    .filter(|workers| (1..=WORKERS_MAX).contains(workers))
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
                calls_max: workers,
                waiting_max: 256,
                streams_max: 256,
                limits: Limits::default(),
            },
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
    let number = |name: &str, max: usize| {
        given.parsed(name, None, &format!("a number from 0 to {max}"), |text| {
            text.parse().ok().filter(|number| *number <= max).map(Some)
        })
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
        queries_per_hour: number("MIXPANEL_QUERIES_PER_HOUR", QUERIES_PER_HOUR_MAX)?,
        concurrent_queries: number("MIXPANEL_CONCURRENT_QUERIES", CONCURRENT_QUERIES_MAX)?,
        cache_time: number("MIXPANEL_CACHE_SECONDS", CACHE_SECONDS_MAX)?
            .map(|seconds| Duration::from_secs(seconds as u64)),
        cache_bytes: number("MIXPANEL_CACHE_BYTES", CACHE_BYTES_MAX)?,
        ca_file: given.value("--ca-file").map(Into::into),
        ..Config::default()
    })
}

/// The text of `--help`.
fn help() -> String {
    let mut help = format!(
        "{} {}\n{}.\n\nUsage: {name} [--sandbox] [--stdio] [SETTING ...]\n       {name} tools     lists the tools, their toolsets and what these cost in a model's context\n       {name} {HEALTH} [SETTING ...]     asks the server that these settings start whether it is up: exit code 0 or 1\n\n\
         It serves POST /mcp (Streamable HTTP), GET /sse with POST /messages/ (HTTP+SSE) and GET /health; with --stdio,\n\
         one client on standard input and output.\n\n\
         Settings (a flag wins over its variable):\n",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_DESCRIPTION"),
        name = env!("CARGO_PKG_NAME"),
    );
    for setting in SETTINGS {
        let names: Vec<String> = [setting.flag, setting.variable]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect();
        help.push_str(&format!("  {} {}\n", names.join(", "), setting.value).replace(" \n", "\n"));
        help.push_str(&format!(
            "      {} [default: {}]\n",
            setting.about, setting.default
        ));
    }
    help.push_str("  -h, --help\n      this\n  -V, --version\n      the version\n");
    help
}

/// The README's table of settings.
pub fn markdown_table() -> String {
    let mut table =
        String::from("| flag | variable | default | meaning |\n| --- | --- | --- | --- |\n");
    for setting in SETTINGS {
        let code = |name: Option<&str>| name.map_or("–".into(), |name| format!("`{name}`"));
        let about = setting.about.replace('|', "\\|");
        table.push_str(&format!(
            "| {} | {} | {} | {about} |\n",
            code(setting.flag),
            code(setting.variable),
            setting.default
        ));
    }
    table
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
        check_refused(
            &["healthy"],
            &[],
            "unexpected argument \"healthy\"; --help lists what there is",
        );
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

    #[test]
    fn no_secret_has_a_flag() {
        for setting in SETTINGS {
            let secret = setting.variable.is_some_and(|name| {
                ["SECRET", "TOKEN", "USERNAME"]
                    .iter()
                    .any(|word| name.ends_with(word))
            });
            assert!(!(secret && setting.flag.is_some()), "{:?}", setting.flag);
        }
    }

    #[test]
    fn help_lists_every_setting_once() {
        let help = read(&["--help"], &[]).err().unwrap();
        let help = help.split_once("Settings").unwrap().1;
        for name in SETTINGS
            .iter()
            .flat_map(|setting| [setting.flag, setting.variable])
            .flatten()
        {
            let words = help
                .split([' ', ',', '\n'])
                .filter(|word| *word == name)
                .count();
            assert_eq!(words, 1, "{name}");
        }
    }
}
