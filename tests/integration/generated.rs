//! What is generated from the tables of tools and settings is as it would be generated now.
//! `make docs` (which sets `UPDATE_GENERATED`) renews it.

use std::fs;
use std::path::{Path, PathBuf};

use mixpanel_mcp_server::mcp::tool::Effect;
use mixpanel_mcp_server::settings;
use mixpanel_mcp_server::tools::{self, TOOLSETS};

use crate::support::definition;

/// Writes what is expected where that is asked for; else fails with the command that does.
#[track_caller]
fn check(path: &Path, expected: &str) {
    let found = fs::read_to_string(path).unwrap_or_default();
    if found == expected {
        return;
    }
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, expected).unwrap();
    } else {
        panic!(
            "{} is not what would be generated now: run `make docs` and read the difference",
            path.display()
        );
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The text with what stands between two markers replaced.
fn with_section(text: &str, name: &str, section: &str) -> String {
    let begin = format!("<!-- {name}: generated, `make docs` renews it -->\n");
    let end = format!("<!-- end of {name} -->");
    let start = text
        .find(&begin)
        .unwrap_or_else(|| panic!("the README has no marker for {name}"))
        + begin.len();
    let stop = start
        + text[start..]
            .find(&end)
            .unwrap_or_else(|| panic!("{name} has no end"));
    format!("{}{section}{}", &text[..start], &text[stop..])
}

fn tool_tables() -> String {
    let mut tables = String::new();
    for toolset in TOOLSETS {
        let default = if toolset.default {
            " (on by default)"
        } else {
            ""
        };
        tables.push_str(&format!(
            "\n**{}**: {}{default}\n\n",
            toolset.name, toolset.about
        ));
        tables.push_str(
            "| tool | takes (**required**) | effect | what it does |\n| --- | --- | --- | --- |\n",
        );
        for tool in toolset.tools {
            let takes: Vec<String> = tool
                .params
                .iter()
                .map(|field| {
                    if field.required {
                        format!("**{}**", field.name)
                    } else {
                        field.name.to_owned()
                    }
                })
                .collect();
            let effect = match tool.effect {
                Effect::Reads => "reads",
                Effect::Adds => "adds",
                Effect::Sets => "sets",
                Effect::Destroys(_) => "may delete",
            };
            // The first sentence is for people; the rest guides models.
            let about = tool
                .about
                .split_inclusive(". ")
                .next()
                .unwrap_or_default()
                .trim();
            let takes = if takes.is_empty() {
                "–".into()
            } else {
                takes.join(", ")
            };
            tables.push_str(&format!(
                "| `{}` | {takes} | {effect} | {about} |\n",
                tool.name
            ));
        }
    }
    tables.push('\n');
    tables
}

#[test]
fn generated_tables_in_the_readme_are_those_of_the_code() {
    let path = root().join("README.md");
    let found = fs::read_to_string(&path).unwrap();
    let with_tools = with_section(&found, "tools", &tool_tables());
    let expected = with_section(&with_tools, "settings", &settings::markdown_table());
    check(&path, &expected);
}

#[test]
fn generated_snapshots_show_each_tool_as_it_is_published() {
    let folder = root().join("tests/snapshots");
    for tool in tools::all() {
        let pretty = serde_json::to_string_pretty(&definition(tool)).unwrap() + "\n";
        check(&folder.join(format!("{}.json", tool.name)), &pretty);
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = tools::all().any(|tool| format!("{}.json", tool.name) == name);
        assert!(known, "tests/snapshots/{name} belongs to no tool");
    }
}
