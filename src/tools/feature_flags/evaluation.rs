//! What flags decide for a user, and the definitions that programs decide by themselves with.

use serde_json::{Map, Value, json};

use crate::mcp::args::{Arg as _, Id, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::tools::ask::{Ask, bad_arguments, counted, quoted};

/// The most bytes of JSON that a context has: it goes into an address, where each may take three.
const CONTEXT_BYTES_MAX: usize = 2_000;

pub(super) const EVALUATE_FEATURE_FLAGS: Tool<Ask> = Tool {
    name: "mixpanel_evaluate_feature_flags",
    title: "Feature flags of a user",
    about: "Tells which variant of each enabled feature flag a user gets. Flags in which the user has no part are left out. Changes nothing; costs no query quota.",
    effect: Effect::Reads,
    params: EvaluateFeatureFlags::FIELDS,
    output: &[
        Field::always("flags", Shape::MapOf(&Shape::MapOf(&Shape::Any)))
            .about("By the flag's key: variant_key, variant_value and more."),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| evaluate_feature_flags(ask, EvaluateFeatureFlags::read(arguments)),
};

pub(super) const GET_FLAG_DEFINITIONS: Tool<Ask> = Tool {
    name: "mixpanel_get_flag_definitions",
    title: "Definitions of feature flags",
    about: "Reads the definitions of all enabled feature flags as Mixpanel's SDKs get them, to decide locally. For managing flags take mixpanel_list_feature_flags. Costs no query quota.",
    effect: Effect::Reads,
    params: GetFlagDefinitions::FIELDS,
    output: &[
        Field::always("definitions", Shape::list(&Shape::MapOf(&Shape::Any))),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| get_flag_definitions(ask, GetFlagDefinitions::read(arguments)),
};

args! {
    struct EvaluateFeatureFlags {
        /// Id of the user.
        distinct_id: Text<255>,
        /// Id of the device, for flags that go by it. Default: that of the user.
        device_id: Option<Text<255>>,
        /// Values by name that rules of flags look at, under 2000 bytes as JSON. Default: none.
        custom_properties: Option<Map<String, Value>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct GetFlagDefinitions {
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn evaluate_feature_flags(ask: &Ask, args: EvaluateFeatureFlags) -> Result<Answer, Failure> {
    let user = args.distinct_id.0;
    let mut context = json!({"distinct_id": user});
    if let Some(device_id) = args.device_id {
        context["device_id"] = device_id.0.into();
    }
    if let Some(properties) = args.custom_properties {
        context["custom_properties"] = properties.into();
    }
    let bytes = context.to_string().len();
    if bytes >= CONTEXT_BYTES_MAX {
        return Err(bad_arguments(vec![format!(
            "custom_properties: are {bytes} bytes as JSON with the ids, must be under {CONTEXT_BYTES_MAX}; give those alone that rules look at"
        )]));
    }
    let project = ask.project(args.project_id.as_ref())?;
    let flags = ask
        .mixpanel()?
        .ingestion
        .evaluate_flags(&project, &context)?;
    let asked = format!("feature flags of {}, project {project}", quoted(&user));
    let found = flags.len();
    let decided = flags
        .into_iter()
        .filter(|(_, decision)| decision.is_object());
    let (flags, _) = ask.fitting(decided, |(key, decision)| json!([key, decision]));
    let truncated = flags.len() < found;
    let mut summary = match found {
        0 => {
            format!("{asked}: none; no flag is enabled, or the user has no part in those that are")
        }
        found => format!("{asked}: {}", counted(found, "flag")),
    };
    if truncated {
        summary += &format!("; truncated, {} are here", flags.len());
    }
    Ok(Answer {
        summary,
        data: Data::of([
            ("flags", Map::from_iter(flags).into()),
            ("truncated", truncated.into()),
        ]),
    })
}

fn get_flag_definitions(ask: &Ask, args: GetFlagDefinitions) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let definitions = ask.mixpanel()?.ingestion.flag_definitions(&project)?;
    let found = definitions.len();
    let (definitions, is_whole) = ask.fitting_values(definitions);
    let mut summary = format!("project {project}: {} enabled", counted(found, "flag"));
    if !is_whole {
        summary += &format!("; truncated, {} are here", definitions.len());
    }
    Ok(Answer {
        summary,
        data: Data::of([
            ("definitions", definitions.into()),
            ("truncated", (!is_whole).into()),
        ]),
    })
}
