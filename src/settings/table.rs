//! Every setting, once: the parser, `--help` and the README's table are made from these rows.

use std::fmt;
use std::ops::RangeInclusive;

/// One row of the table.
pub struct Setting {
    /// With its dashes; none for what may not stand on a command line, such as secrets.
    pub flag: Option<&'static str>,
    /// The environment variable.
    pub variable: Option<&'static str>,
    /// What its value is called in `--help`; empty for a switch.
    pub value: &'static str,
    /// What holds where it is not set.
    pub default: Default,
    /// For a number: the least and the most that it may be.
    pub bounds: Option<RangeInclusive<usize>>,
    /// What it does.
    pub about: &'static str,
}

impl Setting {
    /// What it is known by: its flag, else its variable.
    pub(super) fn key(&self) -> &'static str {
        self.flag.or(self.variable).unwrap_or_default()
    }

    /// The bounds of a number, in words.
    pub(super) fn bounds(&self) -> Option<String> {
        let bounds = self.bounds.as_ref()?;
        Some(format!("{} to {}", bounds.start(), bounds.end()))
    }
}

/// What holds where a setting is not set.
pub enum Default {
    /// In words.
    Words(&'static str),
    /// A number, within the bounds.
    Number(usize),
}

impl fmt::Display for Default {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Default::Words(words) => f.write_str(words),
            Default::Number(number) => write!(f, "{number}"),
        }
    }
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
        default: Default::Words(default),
        bounds: None,
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
        default: Default::Words(default),
        bounds: None,
        about,
    }
}

const fn switch(flag: &'static str, about: &'static str) -> Setting {
    Setting {
        flag: Some(flag),
        variable: None,
        value: "",
        default: Default::Words("off"),
        bounds: None,
        about,
    }
}

/// A limit of the server: a number with a flag and a variable, which ends like the flag.
const fn limit(
    flag: &'static str,
    variable: &'static str,
    value: &'static str,
    default: usize,
    bounds: RangeInclusive<usize>,
    about: &'static str,
) -> Setting {
    Setting {
        flag: Some(flag),
        variable: Some(variable),
        value,
        default: Default::Number(default),
        bounds: Some(bounds),
        about,
    }
}

/// A number without a flag.
const fn number(
    variable: &'static str,
    value: &'static str,
    default: Default,
    bounds: RangeInclusive<usize>,
    about: &'static str,
) -> Setting {
    Setting {
        flag: None,
        variable: Some(variable),
        value,
        default,
        bounds: Some(bounds),
        about,
    }
}

/// A quarter of an hour and more is patience enough for anything; a day is no limit any more.
const SECONDS: RangeInclusive<usize> = 1..=86_400;
/// More would need more descriptors than a process commonly gets.
const COUNT: RangeInclusive<usize> = 1..=65_536;
/// Memory for all connections together; a system of 32 bits has to be able to count it.
const MEMORY: RangeInclusive<usize> = MIB..=1024 * MIB;
const MIB: usize = 1024 * 1024;

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
    number(
        "MIXPANEL_QUERIES_PER_HOUR",
        "N",
        Default::Words("60; none in the sandbox"),
        // More is no limit any more, and is not counted.
        0..=10_000,
        "queries, and as many exports, that a project may ask an hour; 0: no limit",
    ),
    number(
        "MIXPANEL_CONCURRENT_QUERIES",
        "N",
        Default::Words("5; none in the sandbox"),
        0..=1_000,
        "queries of a project that may run at once, others wait their turn; 0: no limit",
    ),
    number(
        "MIXPANEL_CACHE_SECONDS",
        "SECONDS",
        Default::Number(60),
        0..=86_400,
        "how long answers are given again that may still grow; names and closed ranges at least 10 minutes; 0: never",
    ),
    number(
        "MIXPANEL_CACHE_BYTES",
        "BYTES",
        Default::Number(16 * MIB),
        0..=1024 * MIB,
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
    limit(
        "--workers",
        "MIXPANEL_MCP_SERVER_WORKERS",
        "N",
        256,
        // More calls at once would only wait for Mixpanel, which takes five a project.
        1..=4_096,
        "calls that may run at once; threads are started as they are needed",
    ),
    limit(
        "--waiting-calls",
        "MIXPANEL_MCP_SERVER_WAITING_CALLS",
        "N",
        256,
        1..=4_096,
        "calls that may wait for a worker; one more is answered 503",
    ),
    limit(
        "--streams",
        "MIXPANEL_MCP_SERVER_STREAMS",
        "N",
        256,
        1..=4_096,
        "event streams that may stay open; one more is answered 503; a question that waits on a call's stream counts too",
    ),
    switch(
        "--json-response",
        "always answer with JSON on /mcp, never with an event stream",
    ),
    limit(
        "--connections",
        "MIXPANEL_MCP_SERVER_CONNECTIONS",
        "N",
        1_024,
        COUNT,
        "open connections; one more is answered 503",
    ),
    limit(
        "--connections-per-peer",
        "MIXPANEL_MCP_SERVER_CONNECTIONS_PER_PEER",
        "N",
        256,
        COUNT,
        "open connections from one address (an IPv6 /64 counts as one, this machine is exempt); one more is answered 503",
    ),
    limit(
        "--head-bytes",
        "MIXPANEL_MCP_SERVER_HEAD_BYTES",
        "BYTES",
        16 * 1024,
        1024..=MIB,
        "a request's head; a longer one is answered 431, or 414 if it is the request line",
    ),
    limit(
        "--head-fields",
        "MIXPANEL_MCP_SERVER_HEAD_FIELDS",
        "N",
        64,
        16..=1_024,
        "fields in a request's head; more are answered 431",
    ),
    limit(
        "--head-seconds",
        "MIXPANEL_MCP_SERVER_HEAD_SECONDS",
        "SECONDS",
        10,
        SECONDS,
        "for a head to arrive; then 408",
    ),
    limit(
        "--body-bytes",
        "MIXPANEL_MCP_SERVER_BODY_BYTES",
        "BYTES",
        4 * MIB,
        1024..=256 * MIB,
        "a request's body; a larger one is answered 413",
    ),
    limit(
        "--body-seconds",
        "MIXPANEL_MCP_SERVER_BODY_SECONDS",
        "SECONDS",
        30,
        SECONDS,
        "for a body to arrive; then 408",
    ),
    limit(
        "--bodies-bytes",
        "MIXPANEL_MCP_SERVER_BODIES_BYTES",
        "BYTES",
        64 * MIB,
        MEMORY,
        "bodies held at once over all connections, a quarter of it for small ones only; beyond it 503",
    ),
    limit(
        "--idle-seconds",
        "MIXPANEL_MCP_SERVER_IDLE_SECONDS",
        "SECONDS",
        60,
        SECONDS,
        "a connection may be without a request; then it is closed",
    ),
    limit(
        "--answer-seconds",
        "MIXPANEL_MCP_SERVER_ANSWER_SECONDS",
        "SECONDS",
        15 * 60,
        SECONDS,
        "for a call to begin its answer; then 504, and the call is cancelled; event streams begin at once",
    ),
    limit(
        "--write-stall-seconds",
        "MIXPANEL_MCP_SERVER_WRITE_STALL_SECONDS",
        "SECONDS",
        10,
        SECONDS,
        "a client may take nothing of its answer; then it is cut",
    ),
    limit(
        "--delivery-seconds",
        "MIXPANEL_MCP_SERVER_DELIVERY_SECONDS",
        "SECONDS",
        120,
        SECONDS,
        "for a client to take a whole answer; then it is cut; event streams are exempt",
    ),
    limit(
        "--answers-bytes",
        "MIXPANEL_MCP_SERVER_ANSWERS_BYTES",
        "BYTES",
        64 * MIB,
        MEMORY,
        "answers held at once for slow clients; beyond it their calls are held back, and who takes nothing for a second is cut",
    ),
    limit(
        "--question-seconds",
        "MIXPANEL_MCP_SERVER_QUESTION_SECONDS",
        "SECONDS",
        5 * 60,
        SECONDS,
        "a user may think about a question that a call waits for on its stream; then nothing is done",
    ),
    limit(
        "--stop-seconds",
        "MIXPANEL_MCP_SERVER_STOP_SECONDS",
        "SECONDS",
        10,
        0..=3_600,
        "running calls may go on after SIGTERM or SIGINT; then they are cancelled; a second signal ends at once",
    ),
    both(
        "--log-level",
        "MIXPANEL_MCP_SERVER_LOG_LEVEL",
        "LEVEL",
        "info",
        "error, warn, info or debug; the log goes to standard error",
    ),
];

/// The command that asks a running server whether it is well.
pub(super) const HEALTH: &str = "health";

/// The text of `--help`.
pub(super) fn help() -> String {
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
            "      {} [default: {}{}]\n",
            setting.about,
            setting.default,
            setting
                .bounds()
                .map_or(String::new(), |bounds| format!("; {bounds}")),
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
            "| {} | {} | {}{} | {about} |\n",
            code(setting.flag),
            code(setting.variable),
            setting.default,
            setting
                .bounds()
                .map_or(String::new(), |bounds| format!(" ({bounds})")),
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let help = help();
        let help = help.split_once("Settings").unwrap().1;
        for name in SETTINGS
            .iter()
            .flat_map(|setting| [setting.flag, setting.variable])
            .flatten()
        {
            // What it does, in which others may be named, is indented further.
            let rows = help.lines().filter(|line| {
                let row = line.strip_prefix("  ").filter(|row| !row.starts_with(' '));
                row.is_some_and(|row| row.split([' ', ',']).any(|word| word == name))
            });
            assert_eq!(rows.count(), 1, "{name}");
        }
    }

    #[test]
    fn a_default_is_within_its_bounds() {
        for setting in SETTINGS {
            if let (Default::Number(default), Some(bounds)) = (&setting.default, &setting.bounds) {
                assert!(bounds.contains(default), "{}", setting.key());
            }
        }
    }

    #[test]
    fn the_variable_of_a_limit_ends_like_its_flag() {
        for setting in SETTINGS.iter().filter(|setting| setting.bounds.is_some()) {
            let Some(flag) = setting.flag else { continue };
            let ending = flag
                .trim_start_matches('-')
                .replace('-', "_")
                .to_uppercase();
            let expected = format!("MIXPANEL_MCP_SERVER_{ending}");
            assert_eq!(setting.variable, Some(expected.as_str()));
        }
    }
}
