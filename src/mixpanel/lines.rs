//! The connections to Mixpanel: one agent an API, and which proxy, roots, limits and addresses it has.
//!
//! Nothing is opened here; `http.rs` does that by asking an agent.

use std::sync::Arc;

use ureq::http::uri::{Authority, PathAndQuery, Scheme};
use ureq::http::{self, HeaderValue, Uri};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, Proxy, ProxyProtocol};

use super::api::{Api, Timeouts};
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
/// How this server calls itself.
pub(super) const USER_AGENT: &str = concat!("mixpanel-mcp-server/", env!("CARGO_PKG_VERSION"));

/// The connections to the four APIs, for all callers: they carry no credentials.
pub(super) struct Lines {
    /// In the order of [`Api::ALL`]. Each has its API's time limits, and its own connections.
    agents: [Agent; 4],
    /// In the same order, and within each in that of [`Region::ALL`].
    bases: [[Arc<Base>; 3]; 4],
    /// In the same order: whether all regions of an API are at one place.
    moved: [bool; 4],
    pub(super) timeouts: Timeouts,
}

/// Where one API is in one region, in the parts of which addresses are made.
pub(super) struct Base {
    /// The host with its port.
    pub(super) host: String,
    /// Before the path of each request; empty, or a path without a slash at its end.
    pub(super) path: String,
    /// The value of `Host`.
    pub(super) host_header: HeaderValue,
    scheme: Scheme,
    authority: Authority,
}

impl Base {
    /// `url` has a scheme, a host, and maybe a path without a slash at its end.
    fn new(url: &str) -> Result<Base, http::Error> {
        let host = host_of(url);
        let path = url.split_once(host).map_or("", |(_, path)| path);
        let parts = url.parse::<Uri>()?.into_parts();
        let (scheme, authority) = (
            parts.scheme.unwrap_or(Scheme::HTTPS),
            parts.authority.map_or_else(|| host.parse(), Ok)?,
        );
        let default_port = if scheme == Scheme::HTTP { 80 } else { 443 };
        let named = match authority.port_u16() {
            Some(port) if port == default_port => authority.host(),
            _ => authority.as_str(),
        };
        Ok(Base {
            host_header: named.parse()?,
            host: host.to_owned(),
            path: path.to_owned(),
            scheme,
            authority,
        })
    }

    /// The address of what is there under a path with its query.
    pub(super) fn uri(&self, path_and_query: &str) -> Result<Uri, http::Error> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::try_from(path_and_query)?);
        Ok(Uri::from_parts(parts)?)
    }

    /// The whole prefix, without a slash at its end.
    pub(super) fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.path)
    }
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
            bases: bases(config).map_err(|error| error.to_string())?,
            moved: Api::ALL.map(|api| config.urls.of(api).is_some()),
            timeouts: config.timeouts,
        })
    }

    /// Where an API is: where the setting says, else where the region has it.
    pub(super) fn base(&self, api: Api, region: Region) -> &Arc<Base> {
        let [us, eu, india] = of(api, &self.bases);
        match region {
            Region::Us => us,
            Region::Eu => eu,
            Region::In => india,
        }
    }

    /// Whether each region has a place of its own for an API.
    pub(super) fn tells_regions_apart(&self, api: Api) -> bool {
        !of(api, &self.moved)
    }

    pub(super) fn agent(&self, api: Api) -> &Agent {
        of(api, &self.agents)
    }
}

/// Where the APIs are, in the orders of [`Lines`].
fn bases(config: &Config) -> Result<[[Arc<Base>; 3]; 4], http::Error> {
    let base = |api, region| {
        let moved = config.region_urls.of(region).and_then(|urls| urls.of(api));
        let url = config.urls.of(api).or(moved);
        Base::new(url.unwrap_or_else(|| region.base_url(api))).map(Arc::new)
    };
    let of_regions = |api| {
        Ok::<_, http::Error>([
            base(api, Region::Us)?,
            base(api, Region::Eu)?,
            base(api, Region::In)?,
        ])
    };
    Ok([
        of_regions(Api::Ingestion)?,
        of_regions(Api::Export)?,
        of_regions(Api::Query)?,
        of_regions(Api::App)?,
    ])
}

/// What is an API's among what all have, in the order of [`Api::ALL`].
fn of<T>(api: Api, all: &[T; 4]) -> &T {
    let [ingestion, export, query, app] = all;
    match api {
        Api::Ingestion => ingestion,
        Api::Export => export,
        Api::Query => query,
        Api::App => app,
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
        // For proxies: each request brings its own, as it need not be made then.
        .user_agent(USER_AGENT)
        .max_idle_connections(IDLE_CONNECTIONS_MAX)
        .max_idle_connections_per_host(IDLE_CONNECTIONS_MAX)
        .input_buffer_size(match is_export {
            true => EXPORT_INPUT_BUFFER_BYTES,
            false => INPUT_BUFFER_BYTES,
        })
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
    use super::super::api::BaseUrls;
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

    #[track_caller]
    fn check_base(url: &str, host_header: &str) {
        let base = Base::new(url).unwrap();
        assert_eq!(base.url(), url);
        let uri = base.uri(&format!("{}/a%20b?c=d", base.path)).unwrap();
        assert_eq!(uri.to_string(), format!("{url}/a%20b?c=d"));
        assert_eq!(base.host_header, host_header);
    }

    #[test]
    fn an_address_is_made_of_parts_and_names_its_port_where_it_is_not_the_schemes() {
        check_base("https://mixpanel.com/api/query", "mixpanel.com");
        check_base("http://127.0.0.1:8080", "127.0.0.1:8080");
        check_base("http://localhost:80/x", "localhost");
        check_base("https://[::1]:443/x/y", "[::1]");
        check_base("https://[::1]:80", "[::1]:80");
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
