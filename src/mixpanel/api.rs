//! The four APIs, where they are found, and how long each may take. Who calls them, and how, is left to `http.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::region::Region;

/// One of Mixpanel's APIs: each has its own host, quota and time limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// Events and profiles go in here.
    Ingestion,
    /// Raw events come out here.
    Export,
    /// Reports over events and profiles.
    Query,
    /// Projects and what belongs to them.
    App,
}

impl Api {
    /// Every API, in the order of its variants.
    pub(super) const ALL: [Api; 4] = [Api::Ingestion, Api::Export, Api::Query, Api::App];

    /// The word for it in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Api::Ingestion => "ingestion",
            Api::Export => "export",
            Api::Query => "query",
            Api::App => "app",
        }
    }

    /// The most bytes of an answer that is read whole, after it is unpacked. An export is a stream instead, but a
    /// refusal of it is read whole.
    pub(super) const fn answer_bytes_max(self) -> u64 {
        match self {
            Api::Query | Api::App => 32 * 1024 * 1024,
            Api::Ingestion | Api::Export => 1024 * 1024,
        }
    }

    /// The setting that moves this API to another place.
    pub(super) const fn url_setting(self) -> &'static str {
        match self {
            Api::Ingestion => "MIXPANEL_INGESTION_URL",
            Api::Export => "MIXPANEL_EXPORT_URL",
            Api::Query => "MIXPANEL_QUERY_URL",
            Api::App => "MIXPANEL_APP_URL",
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Other places for the APIs than the region's hosts: each a full prefix, `http` or `https`, without a slash at its end.
#[derive(Debug, Clone, Default)]
pub struct BaseUrls {
    /// Instead of `https://api.mixpanel.com`.
    pub ingestion: Option<String>,
    /// Instead of `https://data.mixpanel.com/api/2.0`.
    pub export: Option<String>,
    /// Instead of `https://mixpanel.com/api/query`.
    pub query: Option<String>,
    /// Instead of `https://mixpanel.com/api/app`.
    pub app: Option<String>,
}

impl BaseUrls {
    /// The place that is set for an API, if one is.
    pub(super) fn of(&self, api: Api) -> Option<&str> {
        match api {
            Api::Ingestion => self.ingestion.as_deref(),
            Api::Export => self.export.as_deref(),
            Api::Query => self.query.as_deref(),
            Api::App => self.app.as_deref(),
        }
    }
}

/// Other places for the APIs of single regions. A setting that moves an API for all regions wins.
#[derive(Debug, Clone, Default)]
pub struct RegionUrls(pub BTreeMap<Region, BaseUrls>);

impl RegionUrls {
    pub(super) fn of(&self, region: Region) -> Option<&BaseUrls> {
        self.0.get(&region)
    }
}

/// How long a request may take. All tries of one request together stay within the total.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until a connection stands, encryption included.
    pub connect: Duration,
    /// One request of the query API in all.
    pub query_total: Duration,
    /// One request of the app API in all.
    pub app_total: Duration,
    /// One request of the ingestion API in all.
    pub ingestion_total: Duration,
    /// Until an export begins to answer. The export itself may run as long as bytes come.
    pub export_first_byte: Duration,
    /// The longest pause within an export.
    pub export_stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(10),
            query_total: Duration::from_secs(120),
            app_total: Duration::from_secs(60),
            ingestion_total: Duration::from_secs(60),
            export_first_byte: Duration::from_secs(120),
            export_stall: Duration::from_secs(60),
        }
    }
}

impl Timeouts {
    /// The limit of a whole request, if the API has one.
    pub(super) fn total(&self, api: Api) -> Option<Duration> {
        match api {
            Api::Ingestion => Some(self.ingestion_total),
            Api::Query => Some(self.query_total),
            Api::App => Some(self.app_total),
            Api::Export => None,
        }
    }
}
