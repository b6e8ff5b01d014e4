//! The connections to Mixpanel: one agent an API, and which proxy, roots, limits and addresses it has.
//!
//! Nothing is opened here; `http.rs` does that by asking an agent.

use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, Proxy, ProxyProtocol};

use super::api::{Api, BaseUrls, RegionUrls, Timeouts};
use super::clients::Config;
use super::connector::StoppableTcp;
use super::region::Region;
use super::resolver::KeepingResolver;
use super::tls::Tls;

/// Idle connections to each API: as many as there may be workers.
const IDLE_CONNECTIONS_MAX: usize = 32;
const INPUT_BUFFER_BYTES: usize = 16 * 1024;
/// An export is read in few, large pieces; there are hardly any at once.
const EXPORT_INPUT_BUFFER_BYTES: usize = 64 * 1024;
const OUTPUT_BUFFER_BYTES: usize = 8 * 1024;
const USER_AGENT: &str = concat!("mixpanel-mcp-server/", env!("CARGO_PKG_VERSION"));

/// The connections to the four APIs, for all callers: they carry no credentials.
pub(super) struct Lines {
    /// In the order of [`Api::ALL`]. Each has its API's time limits, and its own connections.
    agents: [Agent; 4],
    urls: BaseUrls,
    region_urls: RegionUrls,
    pub(super) timeouts: Timeouts,
}

impl Lines {
    /// # Errors
    ///
    /// A sentence that names the setting that is wrong.
    pub(super) fn new(config: &Config) -> Result<Lines, String> {
        let tls = Tls::new(config.ca_file.as_deref())?;
        let proxy = Proxy::try_from_env();
        if let Some(proxy) = &proxy
            && !matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https)
        {
            return Err(
                "ALL_PROXY or HTTPS_PROXY: only proxies with http:// or https:// are supported"
                    .into(),
            );
        }
        for api in Api::ALL {
            let places = [
                Some(&config.urls),
                config.region_urls.of(Region::Us),
                config.region_urls.of(Region::Eu),
                config.region_urls.of(Region::In),
            ];
            for url in places.into_iter().flatten().filter_map(|urls| urls.of(api)) {
                check_base_url(url).map_err(|what| format!("{}: {what}", api.url_setting()))?;
            }
        }
        let agents = Api::ALL.map(|api| agent(api, config, &tls, proxy.clone()));
        Ok(Lines {
            agents,
            urls: config.urls.clone(),
            region_urls: config.region_urls.clone(),
            timeouts: config.timeouts,
        })
    }

    /// The whole prefix of an API: the setting's, else the region's.
    pub(super) fn base_url(&self, api: Api, region: Region) -> &str {
        let moved = self.region_urls.of(region).and_then(|urls| urls.of(api));
        self.urls
            .of(api)
            .or(moved)
            .unwrap_or_else(|| region.base_url(api))
    }

    /// Whether each region has a place of its own for an API.
    pub(super) fn tells_regions_apart(&self, api: Api) -> bool {
        self.urls.of(api).is_none()
    }

    pub(super) fn agent(&self, api: Api) -> &Agent {
        let [ingestion, export, query, app] = &self.agents;
        match api {
            Api::Ingestion => ingestion,
            Api::Export => export,
            Api::Query => query,
            Api::App => app,
        }
    }
}

fn agent(api: Api, config: &Config, tls: &Tls, proxy: Option<Proxy>) -> Agent {
    let timeouts = &config.timeouts;
    let moved = config.region_urls.0.values().find_map(|urls| urls.of(api));
    let goes_to_loopback = config
        .urls
        .of(api)
        .or(moved)
        .is_some_and(|url| is_loopback(host_of(url)));
    let is_export = api == Api::Export;
    let settings = Agent::config_builder()
        // A refusal carries a body that says why, so it is an answer, not a fault of the transport.
        .http_status_as_error(false)
        // The credentials must not be carried elsewhere; a redirect is told as an error of its own.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy.filter(|_| !goes_to_loopback))
        .no_delay(true)
        .user_agent(USER_AGENT)
        .max_idle_connections(IDLE_CONNECTIONS_MAX)
        .max_idle_connections_per_host(IDLE_CONNECTIONS_MAX)
        .input_buffer_size(match is_export {
            true => EXPORT_INPUT_BUFFER_BYTES,
            false => INPUT_BUFFER_BYTES,
        })
        .output_buffer_size(OUTPUT_BUFFER_BYTES)
        .max_response_header_size(INPUT_BUFFER_BYTES)
        .timeout_resolve(Some(timeouts.connect))
        .timeout_connect(Some(timeouts.connect))
        .timeout_global(timeouts.total(api))
        .timeout_recv_response(is_export.then_some(timeouts.export_first_byte))
        .timeout_per_read(is_export.then_some(timeouts.export_stall))
        .timeout_per_write(is_export.then_some(timeouts.export_stall))
        .build();
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(StoppableTcp)
            .chain(tls.clone());
    Agent::with_parts(settings, connector, KeepingResolver::default())
}

/// `http` or `https`, a host, maybe a port and a path; nothing secret in it, as it is logged.
fn check_base_url(url: &str) -> Result<(), &'static str> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .ok_or("must begin with http:// or https://")?;
    if url.ends_with('/') {
        return Err("must not end with a slash");
    }
    if rest.contains(['?', '#', '@']) {
        return Err("must have no query, no fragment and no user");
    }
    match url.parse::<ureq::http::Uri>() {
        Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => Ok(()),
        _ => Err("is not an address"),
    }
}

/// The host with its port, as it stands in an address.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn is_loopback(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Result<(), &str>) {
        let urls = BaseUrls {
            query: Some(url.into()),
            ..BaseUrls::default()
        };
        let made = Lines::new(&Config {
            urls,
            ..Config::default()
        });
        let expected = expected.map_err(|what| format!("MIXPANEL_QUERY_URL: {what}"));
        assert_eq!(made.map(|_| ()), expected);
    }

    #[test]
    fn a_base_url_is_checked_and_the_setting_is_named() {
        check("http://127.0.0.1:8080/api/query", Ok(()));
        check("https://proxy.example/mixpanel", Ok(()));
        check(
            "ftp://example.com",
            Err("must begin with http:// or https://"),
        );
        check("https://example.com/", Err("must not end with a slash"));
        check(
            "https://user:pass@example.com",
            Err("must have no query, no fragment and no user"),
        );
        check(
            "https://example.com?x=1",
            Err("must have no query, no fragment and no user"),
        );
        check("https://:80", Err("is not an address"));
        check("https://exa mple.com", Err("is not an address"));
    }

    #[test]
    fn only_the_own_machine_is_loopback() {
        let own = [
            "127.0.0.1:80",
            "127.9.9.9",
            "localhost:1",
            "LOCALHOST",
            "[::1]:8080",
        ];
        let others = [
            "mixpanel.com",
            "10.0.0.1:80",
            "localhost.example",
            "[2001:db8::1]:80",
            "127.0.0.1.example",
        ];
        assert_eq!(own.map(is_loopback), [true; 5]);
        assert_eq!(others.map(is_loopback), [false; 5]);
    }

    #[test]
    fn a_ca_file_that_is_missing_or_empty_is_told() {
        let missing = std::env::temp_dir().join("mixpanel-mcp-server-no-such-file.pem");
        let error = Lines::new(&Config {
            ca_file: Some(missing),
            ..Config::default()
        })
        .map(|_| ())
        .unwrap_err();
        assert!(error.starts_with("MIXPANEL_CA_FILE: "), "{error}");
    }
}
