//! The three places where Mixpanel keeps projects, and the hosts of its APIs there.

use std::fmt;

use super::api::Api;

/// Where a project's data lives. A project answers only in its own region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Region {
    /// The United States, where most projects are.
    #[default]
    Us,
    /// The European Union.
    Eu,
    /// India.
    In,
}

impl Region {
    /// Every region.
    pub const ALL: [Region; 3] = [Region::Us, Region::Eu, Region::In];

    /// Reads `us`, `eu` or `in`, in any case. Anything else is nothing: a wrong region must never turn into `us`.
    pub fn parse(text: &str) -> Option<Region> {
        Region::ALL
            .into_iter()
            .find(|region| text.trim().eq_ignore_ascii_case(region.as_str()))
    }

    /// `us`, `eu` or `in`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Region::Us => "us",
            Region::Eu => "eu",
            Region::In => "in",
        }
    }

    /// The region of a project's `domain`, as in `eu.mixpanel.com`.
    pub(super) fn of_domain(domain: &str) -> Option<Region> {
        Region::ALL.into_iter().find(|region| {
            let host = region.base_url(Api::App).trim_start_matches("https://");
            host.split('/').next() == Some(domain)
        })
    }

    /// The whole prefix of an API here, without a slash at its end.
    pub(super) const fn base_url(self, api: Api) -> &'static str {
        match (api, self) {
            (Api::Ingestion, Region::Us) => "https://api.mixpanel.com",
            (Api::Ingestion, Region::Eu) => "https://api-eu.mixpanel.com",
            (Api::Ingestion, Region::In) => "https://api-in.mixpanel.com",
            (Api::Export, Region::Us) => "https://data.mixpanel.com/api/2.0",
            (Api::Export, Region::Eu) => "https://data-eu.mixpanel.com/api/2.0",
            (Api::Export, Region::In) => "https://data-in.mixpanel.com/api/2.0",
            (Api::Query, Region::Us) => "https://mixpanel.com/api/query",
            (Api::Query, Region::Eu) => "https://eu.mixpanel.com/api/query",
            (Api::Query, Region::In) => "https://in.mixpanel.com/api/query",
            (Api::App, Region::Us) => "https://mixpanel.com/api/app",
            (Api::App, Region::Eu) => "https://eu.mixpanel.com/api/app",
            (Api::App, Region::In) => "https://in.mixpanel.com/api/app",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(api: Api, expected: [&str; 3]) {
        assert_eq!(Region::ALL.map(|region| region.base_url(api)), expected);
    }

    #[test]
    fn ingestion_and_export_put_the_region_behind_the_host_name() {
        check(
            Api::Ingestion,
            [
                "https://api.mixpanel.com",
                "https://api-eu.mixpanel.com",
                "https://api-in.mixpanel.com",
            ],
        );
        check(
            Api::Export,
            [
                "https://data.mixpanel.com/api/2.0",
                "https://data-eu.mixpanel.com/api/2.0",
                "https://data-in.mixpanel.com/api/2.0",
            ],
        );
    }

    #[test]
    fn query_and_app_put_the_region_before_the_domain() {
        check(
            Api::Query,
            [
                "https://mixpanel.com/api/query",
                "https://eu.mixpanel.com/api/query",
                "https://in.mixpanel.com/api/query",
            ],
        );
        check(
            Api::App,
            [
                "https://mixpanel.com/api/app",
                "https://eu.mixpanel.com/api/app",
                "https://in.mixpanel.com/api/app",
            ],
        );
    }

    #[test]
    fn a_region_is_one_of_three_words_and_never_guessed() {
        assert_eq!(
            ["us", "EU", " in "].map(Region::parse),
            [Some(Region::Us), Some(Region::Eu), Some(Region::In)]
        );
        assert_eq!(
            ["", "usa", "europe", "de", "u s"].map(Region::parse),
            [None; 5]
        );
    }
}
