//! Experiments and their life.

use mixpanel_mcp_server::mixpanel::ExperimentDecision;
use serde_json::json;

use super::{Stand, WORKSPACE, refusal, text};

#[test]
fn an_experiment_goes_from_draft_to_decided_one_step_at_a_time() {
    let stand = Stand::new();
    let app = &stand.clients.app;
    let draft = json!({"name": "Big button", "variants": [{"key": "big"}]});
    let draft = app.create_experiment(WORKSPACE, &draft).unwrap();
    let id = text(&draft, "id");
    assert_eq!(text(&draft, "status"), "draft");

    let success = ExperimentDecision {
        success: true,
        variant: Some("big"),
        message: None,
    };
    let too_early = app.decide_experiment(WORKSPACE, &id, &success);
    let words = "Only a concluded experiment can be decided; this one is draft";
    assert_eq!(refusal(too_early), ("refused_under_200", words.into()));
    let too_early = app.conclude_experiment(WORKSPACE, &id, None);
    assert_eq!(refusal(too_early).0, "refused_under_200");

    let active = app.launch_experiment(WORKSPACE, &id).unwrap();
    assert_eq!(text(&active, "status"), "active");
    assert_eq!(
        refusal(app.launch_experiment(WORKSPACE, &id)).0,
        "refused_under_200"
    );
    let concluded = app
        .conclude_experiment(WORKSPACE, &id, Some("2026-02-01T00:00:00"))
        .unwrap();
    assert_eq!(text(&concluded, "status"), "concluded");
    assert_eq!(text(&concluded, "end_date"), "2026-02-01T00:00:00");
    let decided = app.decide_experiment(WORKSPACE, &id, &success).unwrap();
    assert_eq!(text(&decided, "status"), "success");
    assert_eq!(app.experiment(WORKSPACE, &id), Ok(decided));
    stand.asked();
}

#[test]
fn an_archived_experiment_is_out_of_sight_until_it_is_brought_back() {
    let stand = Stand::new();
    let app = &stand.clients.app;
    let ids = || -> Vec<String> {
        let all = app.experiments(WORKSPACE).unwrap();
        all.iter().map(|one| text(one, "id")).collect()
    };
    let id = ids().remove(0);
    app.archive_experiment(WORKSPACE, &id).unwrap();
    assert_eq!(ids(), Vec::<String>::new());
    assert_eq!(
        refusal(app.launch_experiment(WORKSPACE, &id)).0,
        "refused_under_200"
    );
    app.unarchive_experiment(WORKSPACE, &id).unwrap();
    assert_eq!(ids(), std::slice::from_ref(&id));

    let change = json!({"name": "Other", "tags": ["checkout"]});
    let changed = app.update_experiment(WORKSPACE, &id, &change).unwrap();
    assert_eq!(
        (&changed["name"], &changed["tags"]),
        (&change["name"], &change["tags"])
    );
    let skipped = app.update_experiment(WORKSPACE, &id, &json!({"status": "success"}));
    assert_eq!(refusal(skipped).0, "refused_under_200");

    app.delete_experiment(WORKSPACE, &id).unwrap();
    assert_eq!(refusal(app.experiment(WORKSPACE, &id)).0, "not_found");
    stand.asked();
}
