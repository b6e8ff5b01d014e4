//! Identities, and profiles of groups.

use mixpanel_mcp_server::mixpanel::DateRange;
use serde_json::json;

use super::{Stand, refusal};

#[test]
fn what_was_done_before_signing_up_belongs_to_the_user() {
    let stand = Stand::new();
    let (ingestion, query) = (&stand.clients.ingestion, &stand.clients.query);
    let anonymous = "8f14e45f-ceea-467f-a6b5-0d2d4f5e8c11";
    let event =
        |user: &str, name: &str| json!({"event": name, "properties": {"distinct_id": user}});
    let events = [
        event(anonymous, "Looked"),
        event("zoe-2", "Bought"),
        event("zoe-3", "Left"),
    ];
    ingestion.track(&stand.token, &events).unwrap();
    ingestion
        .create_identity(&stand.token, "zoe", anonymous)
        .unwrap();
    ingestion
        .create_alias(&stand.token, "zoe", "zoe-2")
        .unwrap();
    let outcome = ingestion.merge_identities(&stand.project, ["zoe", "zoe-3"]);
    assert_eq!(outcome.map(|outcome| outcome.stored), Ok(1));

    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let range = DateRange {
        from: today.yesterday().unwrap(),
        to: today.tomorrow().unwrap(),
    };
    for id in ["zoe", anonymous, "zoe-3"] {
        let events = query.activity_stream(&stand.project, &[id.to_owned()], range);
        let mut names: Vec<String> = events.unwrap().into_iter().map(|one| one.event).collect();
        names.sort();
        assert_eq!(names, ["Bought", "Left", "Looked"], "{id}");
    }
    stand.asked();
}

#[test]
fn ids_that_cannot_be_one_are_refused() {
    let stand = Stand::new();
    let ingestion = &stand.clients.ingestion;
    let refused = ingestion.create_alias(&stand.token, "zoe", "zoe");
    assert_eq!(
        refusal(refused),
        (
            "refused_under_200",
            "'properties.alias' is invalid: must name two different ids".into()
        )
    );
    let outcome = ingestion
        .merge_identities(&stand.project, ["zoe", "null"])
        .unwrap();
    assert_eq!((outcome.stored, outcome.failed.len()), (0, 1));
    stand.asked();
}

#[test]
fn profiles_of_groups_are_changed_and_deleted() {
    let stand = Stand::new();
    let ingestion = &stand.clients.ingestion;
    let update = |operator: &str, value: serde_json::Value| {
        let update = json!({"$group_key": "company", "$group_id": "acme", operator: value});
        ingestion.groups(&stand.token, &[update])
    };
    for (operator, value) in [
        ("$set", json!({"size": 7})),
        ("$set_once", json!({"size": 8})),
        ("$union", json!({"tags": ["new"]})),
        ("$remove", json!({"tags": "new"})),
        ("$unset", json!(["size"])),
        ("$delete", json!("")),
    ] {
        assert_eq!(update(operator, value), Ok(()), "{operator}");
    }
    assert_eq!(stand.asked().len(), 6);
}
