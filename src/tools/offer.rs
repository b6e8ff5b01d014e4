//! Which tools a caller is offered: by toolset, by name, only reading ones. A request may narrow what the server was
//! started with, never widen it.

use std::borrow::Cow;

use crate::mcp::headers::Headers;
use crate::mcp::jsonrpc::{self, Fault};
use crate::mcp::tool::Tool;

use super::ask::Ask;
use super::{TOOLSETS, Toolset};

/// The word for the toolsets that are on where nothing is said.
const DEFAULT: &str = "default";
/// The word for every toolset.
const ALL: &str = "all";
/// Narrows to the toolsets that it names.
const TOOLSETS_HEADER: &str = "x-mixpanel-toolsets";
/// `true`: only tools that read.
const READ_ONLY_HEADER: &str = "x-mixpanel-read-only";

/// What is offered.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// One place a row of [`TOOLSETS`].
    toolsets: Vec<bool>,
    /// Tools that are named singly.
    tools: Vec<&'static str>,
    read_only: bool,
}

impl Default for Offer {
    fn default() -> Offer {
        Offer {
            toolsets: TOOLSETS.iter().map(|toolset| toolset.default).collect(),
            tools: Vec::new(),
            read_only: false,
        }
    }
}

impl Offer {
    /// The toolsets of these names (`default` and `all` among them) and single tools. Where only tools are named,
    /// there is nothing beside them; where nothing is named, there are the default toolsets.
    ///
    /// # Errors
    ///
    /// A sentence that names what is unknown, and what is known.
    pub fn of(toolsets: &[String], tools: &[String], read_only: bool) -> Result<Offer, String> {
        let toolsets = match (toolsets, tools) {
            ([], []) => Offer::default().toolsets,
            (toolsets, _) => chosen(toolsets)?,
        };
        let named = |name: &String| {
            let tool = super::named(name).ok_or_else(|| {
                format!("there is no tool {name:?}; the command `tools` lists them")
            });
            tool.map(|tool| tool.name)
        };
        let tools = tools.iter().map(named).collect::<Result<Vec<_>, _>>()?;
        Ok(Offer {
            toolsets,
            tools,
            read_only,
        })
    }

    /// What is left of it for a request with these header fields.
    pub fn narrowed(&self, headers: &Headers) -> Result<Cow<'_, Offer>, Fault> {
        if [TOOLSETS_HEADER, READ_ONLY_HEADER]
            .iter()
            .all(|name| headers.get(name).is_none())
        {
            return Ok(Cow::Borrowed(self));
        }
        let mut offer = self.clone();
        if let Some(wanted) = headers.get(TOOLSETS_HEADER) {
            let names: Vec<String> = listed(wanted).collect();
            let wanted = chosen(&names).map_err(|why| {
                Fault::new(jsonrpc::INVALID_PARAMS, format!("{TOOLSETS_HEADER}: {why}"))
            })?;
            for (toolset, wanted) in offer.toolsets.iter_mut().zip(&wanted) {
                *toolset &= wanted;
            }
            offer.tools.retain(|name| {
                let within = |(toolset, wanted): (&Toolset, &bool)| {
                    *wanted && toolset.tools.iter().any(|tool| tool.name == *name)
                };
                TOOLSETS.iter().zip(&wanted).any(within)
            });
        }
        match headers.get(READ_ONLY_HEADER) {
            None | Some("" | "false" | "0") => (),
            Some("true" | "1") => offer.read_only = true,
            Some(_) => {
                let message = format!("{READ_ONLY_HEADER}: must be true or false");
                return Err(Fault::new(jsonrpc::INVALID_PARAMS, message));
            }
        }
        Ok(Cow::Owned(offer))
    }

    /// The tools, in the order in which they are listed.
    pub fn tools(&self) -> impl Iterator<Item = &'static Tool<Ask>> {
        let by_toolset = TOOLSETS.iter().zip(&self.toolsets);
        by_toolset
            .flat_map(|(toolset, on)| toolset.tools.iter().map(|tool| (tool, *on)))
            .filter(|(tool, on)| *on || self.tools.contains(&tool.name))
            .map(|(tool, _)| tool)
            .filter(|tool| !self.read_only || tool.effect.reads())
    }

    /// Why a tool that there is is not among them, and what to do.
    pub fn why_not(&self, tool: &Tool<Ask>) -> String {
        if self.read_only && !tool.effect.reads() {
            return format!("{} writes, and only reading is allowed here", tool.name);
        }
        let toolset = TOOLSETS
            .iter()
            .find(|set| set.tools.iter().any(|own| own.name == tool.name));
        let toolset = toolset.map_or("?", |toolset| toolset.name);
        format!(
            "{} is not offered here; it is in the toolset {toolset}, which --toolsets switches on",
            tool.name
        )
    }

    /// The names of the toolsets that are on, for the log.
    pub fn toolset_names(&self) -> Vec<&'static str> {
        let on = TOOLSETS.iter().zip(&self.toolsets).filter(|(_, on)| **on);
        on.map(|(toolset, _)| toolset.name).collect()
    }

    /// Whether only tools that read are offered.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }
}

/// The items of a list with commas.
fn listed(list: &str) -> impl Iterator<Item = String> {
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
}

fn chosen(names: &[String]) -> Result<Vec<bool>, String> {
    let mut chosen = vec![false; TOOLSETS.len()];
    for name in names {
        let mut known = false;
        for (toolset, on) in TOOLSETS.iter().zip(&mut chosen) {
            let meant = name == ALL || (name == DEFAULT && toolset.default) || name == toolset.name;
            *on |= meant;
            known |= meant;
        }
        if !known {
            let known: Vec<&str> = TOOLSETS.iter().map(|toolset| toolset.name).collect();
            return Err(format!(
                "there is no toolset {name:?}, only {DEFAULT}, {ALL}, {}",
                known.join(", ")
            ));
        }
    }
    Ok(chosen)
}

/// A model reads about a token in four bytes of JSON.
const BYTES_A_TOKEN: usize = 4;

/// The table of all tools as text: name, toolset, effect, one line; and what each toolset costs in a model's context.
pub fn listing() -> String {
    use crate::mcp::tool::Effect;
    let mut listing = String::new();
    for toolset in TOOLSETS {
        let mut definitions = Vec::new();
        for tool in toolset.tools {
            tool.write_definition(&mut definitions);
        }
        let default = if toolset.default {
            ", on by default"
        } else {
            ""
        };
        listing.push_str(&format!(
            "{} ({}{default}; {} tools, about {} tokens)\n",
            toolset.name,
            toolset.about,
            toolset.tools.len(),
            definitions.len() / BYTES_A_TOKEN
        ));
        for tool in toolset.tools {
            let effect = match tool.effect {
                Effect::Reads => "reads",
                Effect::Adds => "adds",
                Effect::Sets => "sets",
                Effect::Destroys(_) => "may delete",
            };
            let line = tool
                .about
                .split_inclusive(". ")
                .next()
                .unwrap_or_default()
                .trim();
            listing.push_str(&format!("  {:<38} {effect:<10} {line}\n", tool.name));
        }
    }
    listing
}
