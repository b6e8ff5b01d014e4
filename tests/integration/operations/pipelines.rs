//! Data pipelines.

use mixpanel_mcp_server::mixpanel::{PipelineForm, PipelineStep, Secret};
use serde_json::json;

use super::{Stand, refusal};

fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    fields.iter().map(owned).collect()
}

#[test]
fn a_pipeline_is_made_changed_paused_resumed_and_ended() {
    let stand = Stand::new();
    let (export, project) = (&stand.clients.export, &stand.project);
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let from = today.checked_sub(jiff::Span::new().days(3)).unwrap();
    let form = fields(&[
        ("type", "gcs-raw"),
        ("from_date", &from.to_string()),
        ("gcs_bucket", "bucket"),
        ("gcs_region", "us-east1"),
        ("events", "Sign Up"),
        ("events", "Search"),
    ]);
    let form = PipelineForm {
        fields: &form,
        secrets: &[],
    };
    let name = "events-daily-gcs-raw";
    let made = export.create_pipeline(project, &form).unwrap();
    assert_eq!(made, json!({"pipeline_names": [name]}));
    assert_eq!(
        refusal(export.create_pipeline(project, &form)).0,
        "bad_request"
    );

    let count = |state: &str| {
        let status = export
            .pipeline_status(project, name, true, &[state])
            .unwrap();
        status[state].as_u64().unwrap()
    };
    assert_eq!(count("running"), 1);
    assert_eq!((count("running"), count("succeeded")), (0, 3));
    let timeline = export.pipeline_timeline(project, name).unwrap();
    assert_eq!(timeline["day_syncs"][0]["date"], json!(from.to_string()));

    let change = fields(&[
        ("events", "Search"),
        ("where", "properties[\"plan\"] == \"pro\""),
    ]);
    let change = PipelineForm {
        fields: &change,
        secrets: &[],
    };
    export.update_pipeline(project, name, &change).unwrap();
    let state = || {
        let all = export.pipelines(project).unwrap();
        all["12345"][0]["Dispatcher"].as_str().map(str::to_owned)
    };
    let step = |step: PipelineStep| export.step_pipeline(project, name, step);
    step(PipelineStep::Pause).unwrap();
    assert_eq!(state().as_deref(), Some("paused"));
    step(PipelineStep::Resume).unwrap();
    assert_eq!(state().as_deref(), Some("live"));
    step(PipelineStep::Cancel).unwrap();
    assert_eq!(state(), None);
    assert_eq!(refusal(step(PipelineStep::Pause)).0, "not_found");
    stand.asked();
}

#[test]
fn the_secrets_of_a_pipeline_are_sent_and_not_shown() {
    let stand = Stand::new();
    let (export, project) = (&stand.clients.export, &stand.project);
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let form = fields(&[
        ("type", "azure-raw"),
        ("from_date", &today.to_string()),
        ("storage_account", "a"),
        ("container_name", "c"),
        ("client_id", "i"),
        ("tenant_id", "t"),
    ]);
    let secrets = [("client_secret".to_owned(), Secret::new("hidden-canary"))];
    let form = PipelineForm {
        fields: &form,
        secrets: &secrets,
    };
    assert!(!format!("{form:?}").contains("hidden-canary"));
    let made = export.create_pipeline(project, &form).unwrap();
    assert_eq!(made, json!({"pipeline_names": ["events-daily-azure-raw"]}));
    stand.asked();
}
