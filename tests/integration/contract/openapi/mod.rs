//! Proves the table against Mixpanel's OpenAPI files: both are brought into one plain form, and compared. And holds
//! recorded answers against the files themselves. The files are not part of this project; `MIXPANEL_OPENAPI_DIR` says
//! where they are.

mod differences;
mod facts;
mod files;
mod specification;

use std::collections::BTreeSet;

use serde_json::Value;

use differences::differences;
use facts::{fact_of_row, facts_of_files, facts_of_table};
use files::{Files, apply, corrected_files, read_files, resolve};

use super::errata::ERRATA;
use super::operation::{self, Operation};

pub(super) use specification::Specification;

/// In no file; the table knows them from Mixpanel's own clients.
const UNDOCUMENTED: [&str; 3] = ["get-me", "get-project", "list-workspaces"];

#[test]
fn the_table_agrees_with_the_openapi_files_but_for_the_errata() {
    let Some(files) = corrected_files() else {
        return;
    };

    let differences = differences(&facts_of_files(&files), &facts_of_table());

    assert!(
        differences.is_empty(),
        "file / table:\n{}",
        differences.join("\n")
    );
}

#[test]
fn each_erratum_is_still_needed() {
    let Some(files) = read_files() else { return };
    let table = facts_of_table();
    let edits = || {
        ERRATA
            .iter()
            .flat_map(|erratum| erratum.edits.iter().map(move |edit| (erratum, edit)))
    };
    for (nth, (left_out, (place, _))) in edits().enumerate() {
        let mut files = files.clone();
        for (other, (erratum, edit)) in edits().enumerate() {
            if other != nth {
                apply(&mut files, erratum.file, edit);
            }
        }
        let (id, why) = (left_out.id, left_out.why);
        assert!(
            !differences(&facts_of_files(&files), &table).is_empty(),
            "{id} ({why}) is no longer needed at {place}"
        );
    }
}

#[test]
fn each_variant_of_an_answer_is_one_that_the_files_do_not_have() {
    let Some(files) = corrected_files() else {
        return;
    };
    let files = facts_of_files(&files);
    for operation in operation::all() {
        let Some((parameter, media)) = operation.answer_with else {
            continue;
        };
        let status = operation.answer.status;
        let variant = operation.gives(status, media);
        let id = operation.id.to_owned();
        let of_variant = [(id.clone(), fact_of_row(&variant))].into();
        let of_file = [(id.clone(), files[&id].clone())].into();
        assert!(
            !differences(&of_file, &of_variant).is_empty(),
            "{id}: what it answers with {parameter} needs no words of its own"
        );
    }
}

#[test]
fn the_examples_of_good_answers_in_the_files_keep_the_table() {
    let Some(files) = corrected_files() else {
        return;
    };
    let mut told = Vec::new();
    let mut count = 0;
    for operation in operation::all() {
        for (media, example) in examples_of(&files, operation) {
            let known = operation.answer.media.iter();
            let kinds: Vec<_> = known.filter(|(name, _)| *name == media).collect();
            for (_, kind) in kinds {
                kind.check_value(operation.id, &example, &mut told);
                count += 1;
            }
        }
    }
    assert_eq!(told, Vec::<String>::new());
    assert!(count > 40, "the files have examples, {count} were found");
}

/// The media type and the value of each example of an operation's good answer.
fn examples_of(files: &Files, operation: &Operation) -> Vec<(String, Value)> {
    let status = operation.answer.status.to_string();
    let mut examples = Vec::new();
    for document in files.values() {
        let items = document["paths"].as_object().into_iter().flatten();
        let operations = items.flat_map(|(_, item)| item.as_object().into_iter().flatten());
        let ours = operations.filter(|(_, said)| said["operationId"] == operation.id);
        let answers = ours.map(|(_, said)| resolve(document, &said["responses"][&status]));
        for (media, content) in answers
            .filter_map(|said| said["content"].as_object())
            .flatten()
        {
            let named = content["examples"].as_object().into_iter().flatten();
            let schema = resolve(document, &content["schema"]);
            let all = named
                .map(|(_, example)| &example["value"])
                .chain(content.get("example"))
                .chain(schema.get("example"));
            examples.extend(all.map(|example| (media.clone(), example.clone())));
        }
    }
    examples
}

#[test]
fn each_operation_stands_in_the_table_once() {
    let ids: Vec<&str> = operation::all().map(|operation| operation.id).collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len());
    for id in UNDOCUMENTED {
        assert!(distinct.contains(id), "{id}");
    }
}
