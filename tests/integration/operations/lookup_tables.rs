//! Lookup tables.

use super::{Stand, refusal};

#[test]
fn a_table_is_replaced_whole_or_not_at_all() {
    let stand = Stand::new();
    let (ingestion, project) = (&stand.clients.ingestion, &stand.project);
    let tables = ingestion.lookup_tables(project).unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["Product Catalog", "Campaigns"]);
    let id = &tables[0].id;
    let replace = |csv: &str| ingestion.replace_lookup_table(project, id, csv.to_owned());
    assert_eq!(replace("sku,title\nM-1,Mug\n"), Ok(Vec::new()));

    let failed = replace("sku,title\nM-1,Mug\nM-1,Cup\n,Nothing\n").unwrap();
    let told: Vec<(u64, &str)> = failed
        .iter()
        .map(|row| (row.index, row.message.as_str()))
        .collect();
    let expected = [
        (1, "primary key 'M-1' is not unique"),
        (2, "primary key is required and cannot be blank"),
    ];
    assert_eq!(told, expected);
    assert_eq!(refusal(replace("")).0, "bad_request");

    let unknown = "f077cb07-008a-4955-8a4a-b4c163db3a87";
    let (kind, words) = refusal(ingestion.replace_lookup_table(project, unknown, "a,b\n".into()));
    assert_eq!(
        (kind, words.as_str()),
        (
            "not_found",
            "Lookup table with id 'f077cb07-008a-4955-8a4a-b4c163db3a87' was not found."
        )
    );
    assert_eq!(stand.asked().len(), 5);
}
