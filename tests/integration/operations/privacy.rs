//! Retrievals and deletions of persons' data.

use mixpanel_mcp_server::mixpanel::{DataRetrieval, Error, ProfileQuery, Secret};

use super::{Stand, refusal};

#[test]
fn a_retrieval_ends_with_a_link() {
    let stand = Stand::new();
    let app = &stand.clients.app;
    let users = ["u0001".to_owned()];
    let retrieval = DataRetrieval {
        distinct_ids: &users,
        compliance_type: Some("CCPA"),
        disclosure_type: Some("Sources"),
    };
    let id = app.create_data_retrieval(&stand.token, &retrieval).unwrap();
    let told: Vec<(String, bool)> = (0..3)
        .map(|_| app.data_retrieval(&stand.token, &id).unwrap())
        .map(|job| (job.status, job.results.is_empty()))
        .collect();
    let expected = [("PENDING", true), ("STARTED", true), ("SUCCESS", false)];
    assert_eq!(
        told,
        expected.map(|(status, is_empty)| (status.to_owned(), is_empty))
    );
    stand.asked();
}

#[test]
fn a_deletion_can_be_cancelled_until_it_has_started_and_then_takes_the_profile_away() {
    let stand = Stand::new();
    let app = &stand.clients.app;
    let all = stand
        .clients
        .query
        .engage(&stand.project, &ProfileQuery::default());
    let users = [all.unwrap().results.remove(0).distinct_id];
    let profiles = || {
        let query = ProfileQuery {
            distinct_id: Some(&users[0]),
            ..ProfileQuery::default()
        };
        let page = stand.clients.query.engage(&stand.project, &query);
        page.unwrap().results.len()
    };
    let begin = || {
        app.create_data_deletion(&stand.token, &users, None)
            .unwrap()
    };
    let status = |id: &str| app.data_deletion(&stand.token, id).unwrap().status;

    let cancelled = begin();
    assert_eq!(status(&cancelled), "PENDING");
    app.cancel_data_deletion(&stand.token, &cancelled).unwrap();
    assert_eq!(status(&cancelled), "REVOKED");

    let id = begin();
    assert_eq!([status(&id), status(&id)], ["PENDING", "STARTED"]);
    let too_late = app.cancel_data_deletion(&stand.token, &id).unwrap_err();
    assert_eq!(
        (too_late.kind(), too_late.status()),
        ("bad_request", Some(405))
    );
    assert_eq!(profiles(), 1);
    let done = app.data_deletion(&stand.token, &id).unwrap();
    assert_eq!(
        (
            done.status.as_str(),
            done.project_id.as_str(),
            &done.distinct_ids[..]
        ),
        ("SUCCESS", "12345", &users[..])
    );
    assert_eq!(profiles(), 0);
    stand.asked();
}

#[test]
fn without_an_oauth_token_nothing_is_asked_and_the_error_says_what_is_missing() {
    let stand = Stand::new();
    let users = ["u0001".to_owned()];
    let viewer = stand.viewer();
    let refused = viewer.app.create_data_deletion(&stand.token, &users, None);
    assert_eq!(refused, Err(Error::NoOAuthToken));
    let sentence = Error::NoOAuthToken.to_string();
    assert!(
        sentence.contains("x-mixpanel-oauth-token") && sentence.contains("MIXPANEL_OAUTH_TOKEN")
    );
    assert_eq!(stand.asked(), Vec::<String>::new());

    let other = Secret::new("another-token");
    let refused = stand.clients.app.create_data_deletion(&other, &users, None);
    assert_eq!(refusal(refused).0, "forbidden");
}
