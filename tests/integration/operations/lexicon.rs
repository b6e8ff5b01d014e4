//! Lexicon's schemas.

use mixpanel_mcp_server::mixpanel::{Error, SchemaEntry, SchemaScope, SchemaUpload};
use serde_json::{Value, json};

use super::{Stand, refusal};

fn entry(entity_type: &str, name: &str) -> SchemaEntry {
    SchemaEntry {
        entity_type: entity_type.into(),
        name: name.into(),
        schema_json: json!({"description": name, "properties": {"a": {"type": "string"}}}),
    }
}

#[test]
fn schemas_are_uploaded_listed_by_scope_and_deleted() {
    let stand = Stand::new();
    let (app, project) = (&stand.clients.app, &stand.project);
    let entries = [entry("event", "Buy / Sell"), entry("profile", "$user")];
    let upload = app.upload_schemas(project, &entries, false).unwrap();
    assert_eq!(
        upload,
        SchemaUpload {
            added: 2,
            deleted: 0
        }
    );

    let listed = |scope: SchemaScope<'_>| -> Vec<String> {
        let schemas = app.schemas(project, scope).unwrap();
        schemas.into_iter().map(|entry| entry.name).collect()
    };
    let all = ["Buy / Sell", "Purchase Completed", "$user"];
    assert_eq!(listed(SchemaScope::Project), all);
    assert_eq!(listed(SchemaScope::EntityType("profile")), ["$user"]);
    assert_eq!(
        listed(SchemaScope::Entity("event", "Buy / Sell")),
        ["Buy / Sell"]
    );
    let schema = app.schema(project, "event", "Buy / Sell").unwrap();
    assert_eq!(schema, entries[0].schema_json);

    let other = json!({"description": "other"});
    app.upload_schema(project, "event", "Buy / Sell", &other)
        .unwrap();
    assert_eq!(app.schema(project, "event", "Buy / Sell"), Ok(other));

    let delete = |scope: SchemaScope<'_>| app.delete_schemas(project, scope).unwrap();
    assert_eq!(delete(SchemaScope::Entity("event", "Buy / Sell")), 1);
    assert_eq!(delete(SchemaScope::EntityType("profile")), 1);
    assert_eq!(listed(SchemaScope::Project), ["Purchase Completed"]);
    let replaced = app.upload_schemas(project, &entries, true).unwrap();
    assert_eq!(
        replaced,
        SchemaUpload {
            added: 2,
            deleted: 1
        }
    );
    assert_eq!(delete(SchemaScope::Project), 2);
    assert_eq!(listed(SchemaScope::Project), Vec::<String>::new());
    stand.asked();
}

#[test]
fn an_entity_without_a_name_never_means_all_of_them() {
    let stand = Stand::new();
    for name in ["", ".", ".."] {
        let refused = stand
            .clients
            .app
            .delete_schemas(&stand.project, SchemaScope::Entity("event", name));
        let what = "the entity's name";
        assert_eq!(refused, Err(Error::InvalidPathPart { what }), "{name:?}");
    }
    assert_eq!(stand.asked(), Vec::<String>::new());
}

#[test]
fn a_schema_that_is_none_is_refused_and_nothing_of_its_upload_is_kept() {
    let stand = Stand::new();
    let (app, project) = (&stand.clients.app, &stand.project);
    let mut wrong = entry("event", "Wrong");
    // The contract does not allow it either, so this is not held to it.
    wrong.schema_json["properties"]["a"]["type"] = Value::from("text");
    let (kind, words) =
        refusal(app.upload_schemas(project, &[entry("event", "Good"), wrong], false));
    assert_eq!(kind, "bad_request");
    assert!(
        words.starts_with("body.entries[1].schemaJson.properties.a.type must be one of"),
        "{words}"
    );
    assert_eq!(refusal(app.schema(project, "event", "Good")).0, "not_found");
}
