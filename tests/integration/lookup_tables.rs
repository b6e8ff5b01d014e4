//! The lookup_tables toolset: a table is replaced whole, once confirmed, or not at all.

use serde_json::{Value, json};

use crate::support::TestServer;

const CATALOG: &str = "1297297a-43a7-4cac-82b0-635d2bd88aac";

/// Sample calls of every tool.
pub(crate) fn samples_lookup_tables() -> Vec<(&'static str, Value)> {
    vec![
        ("mixpanel_list_lookup_tables", json!({"limit": 5})),
        (
            "mixpanel_replace_lookup_table",
            json!({"lookup_table_id": CATALOG, "csv": "sku,title\nM-1,\"Mug, \"\"blue\"\"\"\n", "confirm": "Product Catalog"}),
        ),
    ]
}

fn server() -> TestServer {
    TestServer::start(&["--sandbox", "--toolsets", "lookup_tables"], &[])
}

#[test]
fn tables_are_listed_by_id_and_name_and_a_limit_says_that_there_are_more() {
    let server = server();
    let data = server.data("mixpanel_list_lookup_tables", json!({}));
    assert_eq!(
        data["lookup_tables"],
        json!([
            {"lookup_table_id": CATALOG, "name": "Product Catalog"},
            {"lookup_table_id": "55b4fb2b-e8de-466c-930f-8b36640b9b5e", "name": "Campaigns"},
        ])
    );
    assert_eq!(data["truncated"], false);
    let data = server.data("mixpanel_list_lookup_tables", json!({"limit": 1}));
    assert_eq!(
        data["summary"],
        "2 lookup tables in project 12345; the first 1 are here: raise limit (at most 1000)"
    );
    assert_eq!(data["truncated"], true);
}

#[test]
fn a_table_is_replaced_only_once_its_name_is_confirmed_and_never_in_part() {
    let server = server();
    let tool = "mixpanel_replace_lookup_table";
    let replace = |csv: &str, confirm: Option<&str>| {
        let mut arguments = json!({"lookup_table_id": CATALOG, "csv": csv});
        if let Some(confirm) = confirm {
            arguments["confirm"] = confirm.into();
        }
        arguments
    };
    let good = "sku,title\nM-1,Mug\n\nT-7,T-shirt\n";
    for confirm in [None, Some(CATALOG)] {
        let facts = server.failure(tool, replace(good, confirm));
        assert_eq!(facts["confirm"], "Product Catalog");
        let told = facts["error"].as_str().unwrap();
        assert!(
            told.contains("replace all rows of the lookup table \"Product Catalog\"")
                && told.contains("by 2 rows, for good"),
            "{told}"
        );
    }
    let data = server.data(tool, replace(good, Some("Product Catalog")));
    assert_eq!(
        (&data["lookup_table_id"], &data["rows"]),
        (&json!(CATALOG), &json!(2))
    );

    let bad = "sku,title\nM-1,Mug\nM-1,Cup\n";
    let facts = server.failure(tool, replace(bad, Some("Product Catalog")));
    assert_eq!(facts["kind"], "rows_refused");
    assert_eq!(
        facts["rows"],
        json!([{"row": 2, "fault": "primary key 'M-1' is not unique"}])
    );
}

#[test]
fn who_names_an_unknown_table_is_told_those_that_there_are() {
    let arguments =
        json!({"lookup_table_id": "f077cb07-008a-4955-8a4a-b4c163db3a87", "csv": "a,b\n"});
    let facts = server().failure("mixpanel_replace_lookup_table", arguments);
    assert_eq!(facts["kind"], "not_found");
    let told = facts["error"].as_str().unwrap();
    assert!(told.contains("\"Product Catalog\""), "{told}");
}
