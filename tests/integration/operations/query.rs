//! Distributions, scripts, and the reads of projects.

use mixpanel_mcp_server::mixpanel::{CountType, DateRange, NumericQuery, PropertyQuery, Unit};

use super::{Stand, WORKSPACE, refusal};

fn last_week() -> DateRange {
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    DateRange {
        from: today.checked_sub(jiff::Span::new().days(7)).unwrap(),
        to: today.yesterday().unwrap(),
    }
}

#[test]
fn the_values_of_a_property_are_counted_over_time() {
    let stand = Stand::new();
    let query = &stand.clients.query;
    let properties = query.event_properties_top(&stand.project, "Purchase Completed", Some(50));
    let property = properties.unwrap().remove(0).name;
    let values = query
        .property_values(&stand.project, "Purchase Completed", &property, Some(2))
        .unwrap();
    let counted = query
        .event_property(
            &stand.project,
            &PropertyQuery {
                event: "Purchase Completed",
                property: &property,
                values: Some(&values),
                range: last_week(),
                unit: Unit::Day,
                count: CountType::General,
                limit: Some(5),
            },
        )
        .unwrap();
    assert_eq!(counted.series.len(), 7);
    assert!(counted.values.keys().all(|value| values.contains(value)));
    stand.asked();
}

#[test]
fn numbers_are_counted_by_ranges() {
    let stand = Stand::new();
    let counted = stand
        .clients
        .query
        .segmentation_numeric(
            &stand.project,
            &NumericQuery {
                event: "Purchase Completed",
                on: r#"number(properties["amount"])"#,
                range: last_week(),
                unit: Unit::Day,
                count: CountType::General,
                filter: Some("true"),
            },
        )
        .unwrap();
    assert!(!counted.values.is_empty());
    assert!(counted.values.keys().all(|range| range.contains(" - ")));
    stand.asked();
}

#[test]
fn a_script_is_sent_as_a_form_and_the_refusal_says_that_none_is_run() {
    let stand = Stand::new();
    let params = serde_json::json!({"event": "Search"});
    let script = "function main() { return Events({}) }";
    let refused = stand
        .clients
        .query
        .jql(&stand.project, script, Some(&params));
    let words = "JQL scripts are not run here";
    assert_eq!(refusal(refused), ("bad_request", words.into()));
    assert_eq!(stand.asked(), ["POST /api/query/jql?project_id=12345"]);
}

#[test]
fn the_workspaces_of_a_project_are_those_that_experiments_and_flags_are_in() {
    let stand = Stand::new();
    let workspaces = stand.clients.app.workspaces(&stand.project).unwrap();
    assert_eq!(workspaces[0].id, Some(WORKSPACE.to_string()));
    assert_eq!(
        stand.asked(),
        ["GET /api/app/projects/12345/workspaces/public"]
    );
}
