//! Annotations and their tags.

use mixpanel_mcp_server::mixpanel::AnnotationChange;

use super::{Stand, refusal};

#[test]
fn an_annotation_is_made_found_by_day_changed_and_deleted() {
    let stand = Stand::new();
    let (app, project) = (&stand.clients.app, &stand.project);
    let tag = app.create_annotation_tag(project, "Release").unwrap();
    assert_eq!(tag.name, "Release");
    let made = app
        .create_annotation(project, "2026-01-15 12:00:00", "v2 is out", &[tag.id])
        .unwrap();
    assert_eq!(
        (made.date.as_str(), made.description.as_str(), &made.tags),
        ("2026-01-15 12:00:00", "v2 is out", &vec![tag.clone()])
    );
    let between = |from: &str, to: &str| {
        let days = (from.parse().unwrap(), to.parse().unwrap());
        app.annotations(project, Some(days.0), Some(days.1))
            .unwrap()
    };
    assert_eq!(
        between("2026-01-15", "2026-01-15"),
        std::slice::from_ref(&made)
    );
    assert_eq!(between("2026-01-16", "2026-01-20"), []);

    let change = AnnotationChange {
        description: Some("v2 is out, v1 is gone"),
        tags: None,
    };
    let changed = app.update_annotation(project, made.id, &change).unwrap();
    assert_eq!(changed.description, "v2 is out, v1 is gone");
    assert_eq!(changed.tags, [tag]);
    assert_eq!(app.annotation(project, made.id), Ok(changed));

    app.delete_annotation(project, made.id).unwrap();
    let gone = app.annotation(project, made.id);
    assert_eq!(refusal(gone).0, "not_found");
    assert_eq!(stand.asked().len(), 8);
}

#[test]
fn tags_are_listed_and_unknown_ones_refused() {
    let stand = Stand::new();
    let (app, project) = (&stand.clients.app, &stand.project);
    app.create_annotation_tag(project, "Release").unwrap();
    let names: Vec<String> = app
        .annotation_tags(project)
        .unwrap()
        .into_iter()
        .map(|tag| tag.name)
        .collect();
    assert_eq!(names, ["Campaign", "Release"]);
    let refused = app.create_annotation(project, "2026-01-15 12:00:00", "x", &[1]);
    assert_eq!(
        refusal(refused),
        ("bad_request", "there is no annotation tag with id 1".into())
    );
    stand.asked();

    // This one the contract does not allow either.
    let refused = app.create_annotation(project, "2026-01-15T12:00", "x", &[]);
    let (kind, words) = refusal(refused);
    assert_eq!(kind, "bad_request");
    assert!(words.contains("2022-02-15 12:00:00"), "{words}");
}

#[test]
fn who_may_only_look_changes_nothing() {
    let stand = Stand::new();
    let viewer = stand.viewer();
    let all = viewer.app.annotations(&stand.project, None, None).unwrap();
    assert_eq!(all.len(), 1);
    let refused = viewer.app.delete_annotation(&stand.project, all[0].id);
    assert_eq!(refusal(refused).0, "forbidden");
    let left = viewer.app.annotations(&stand.project, None, None).unwrap();
    assert_eq!(left, all);
    stand.asked();
}
