//! In which region a project is, looked for with the caller's own credentials when a region says that it is not there.

use std::time::Duration;

use super::api::Api;
use super::app::MixpanelAppApiClient;
use super::credentials::ProjectId;
use super::http::Http;
use super::region::Region;

/// The longest look into one region: the caller waits for an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// The region of a project that `asked` does not have. Costs up to one request of the app API a region; nothing where
/// all regions are at one address, as with a setting, or none knows the project.
pub(super) fn region_of(http: &Http, asked: Region, project: &ProjectId) -> Option<Region> {
    if !http.tells_regions_apart(Api::App) {
        return None;
    }
    let others = Region::ALL.into_iter().filter(|region| *region != asked);
    // What the account sees where it asked may name the right place already.
    [asked].into_iter().chain(others).find_map(|region| {
        let app = MixpanelAppApiClient::new(http.in_region(region));
        let me = app.me_within(Some(PATIENCE)).ok()?;
        let known = me.projects.get(project.as_str())?;
        let named = known.domain.as_deref().and_then(Region::of_domain);
        Some(named.unwrap_or(region)).filter(|found| *found != asked)
    })
}
