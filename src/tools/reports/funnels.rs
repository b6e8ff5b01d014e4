//! Saved funnels: which there are, and how many users go through one. Mixpanel documents no others.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::split::{
    BUCKET_DAYS_MAX, CalendarUnit, SEGMENTS_ASKED, SEGMENTS_MAX, cut_note, heaviest, on_expression,
    segments_max,
};
use crate::mcp::args::{Arg as _, Date, Id, Int, Text, args};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::mixpanel::{
    Buckets, Funnel, FunnelDay, FunnelQuery, FunnelStep, LengthUnit, SavedFunnel,
};
use crate::tools::ask::{
    Ask, bad_arguments, counted, percent, quoted, ratio, span, steps_fault, whole,
};

/// How many saved funnels are listed where the call does not say.
const FUNNELS_DEFAULT: usize = 100;
/// The longest window of a funnel.
const LENGTH_DAYS_MAX: i64 = 90;
/// Mixpanel's name for all segments together.
const OVERALL: &str = "$overall";

pub(super) const LIST: Tool<Ask> = Tool {
    name: "mixpanel_list_saved_funnels",
    title: "Saved funnels",
    about: "Lists the project's saved funnels, for mixpanel_query_funnel. Steps and creator only if Mixpanel sends them. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: ListSavedFunnels::FIELDS,
    output: &[
        Field::always(
            "funnels",
            Shape::list(&Shape::Object(&[
                Field::always("funnel_id", Shape::Id),
                Field::always("name", Shape::Words),
                Field::sometimes("steps", Shape::Words),
                Field::sometimes("creator", Shape::Words),
            ])),
        ),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| list_saved_funnels(ask, ListSavedFunnels::read(arguments)),
};

pub(super) const QUERY: Tool<Ask> = Tool {
    name: "mixpanel_query_funnel",
    title: "Funnel",
    about: "Computes a saved funnel (mixpanel_list_saved_funnels): users at each step, conversion from step to step and overall. Costs 1 query of the 60 an hour.",
    effect: Effect::Reads,
    params: QueryFunnel::FIELDS,
    output: &[
        Field::always("steps", STEPS).about("Everybody; conversion from 0 to 1."),
        Field::sometimes("breakdown", BREAKDOWN),
        Field::always("truncated", Shape::Flag),
    ],
    run: |ask, arguments| query_funnel(ask, QueryFunnel::read(arguments)),
};

const STEPS: Shape = Shape::list(&Shape::Object(&[
    Field::always("event", Shape::Words),
    Field::always("count", Shape::Count),
    Field::always("conversion_from_previous", Shape::Number),
    Field::always("conversion_overall", Shape::Number),
    Field::sometimes("seconds_from_previous", Shape::Number),
    Field::sometimes("seconds_from_start", Shape::Number),
]));

const BREAKDOWN: Shape = Shape::list(&Shape::Object(&[
    Field::always("date", Shape::Words),
    Field::sometimes("segment", Shape::Words),
    Field::always("counts", Shape::list(&Shape::Count)),
    Field::always("conversion", Shape::Number),
]));

args! {
    struct ListSavedFunnels {
        /// Only names with this in them, in any case.
        search: Option<Text<255>>,
        /// Most funnels. Default 100.
        limit: Option<Int<1, 1000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

args! {
    struct QueryFunnel {
        /// Id of a saved funnel.
        funnel_id: Id,
        /// First day: YYYY-MM-DD, or today, 7d, last_week, this_month.
        from_date: Date,
        /// Last day, inclusive.
        to_date: Date,
        /// Time for all steps, in length_unit, at most 90 days. Default: as saved.
        length: Option<Int<1, 7_776_000>>,
        /// Unit of length. Default day.
        length_unit: Option<LengthUnit>,
        /// Divides the range. Default: the whole range at once.
        unit: Option<CalendarUnit>,
        /// Property to split by: a name, or an expression such as user["plan"].
        on: Option<Text<1000>>,
        /// Filter, such as properties["plan"] == "pro".
        r#where: Option<Text<4000>>,
        /// Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

fn list_saved_funnels(ask: &Ask, args: ListSavedFunnels) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let mut funnels = ask.mixpanel()?.query.funnels_list(&project)?;
    let saved = funnels.len();
    let mut asked = format!("saved funnels, project {project}");
    if let Some(Text(search)) = &args.search {
        let wanted = search.to_lowercase();
        funnels.retain(|funnel| funnel.name.to_lowercase().contains(&wanted));
        asked.push_str(&format!(", with {} in the name", quoted(search)));
    }
    let found = funnels.len();
    funnels.truncate(args.limit.map_or(FUNNELS_DEFAULT, |limit| limit.0 as usize));
    let (funnels, _) = ask.fitting(funnels, funnel_json);
    let truncated = funnels.len() < found;

    let mut summary = match (found, saved) {
        (0, 0) => format!("{asked}: none; funnels are saved in Mixpanel's own interface"),
        (0, saved) => format!("{asked}: none of {saved}; ask without search to see all"),
        (found, _) => format!("{asked}: {}", counted(found, "funnel")),
    };
    if truncated {
        summary.push_str(&format!(
            "; truncated, {} of them are here: ask with search or a higher limit",
            funnels.len()
        ));
    }
    let funnels: Vec<Value> = funnels.iter().map(funnel_json).collect();
    let data = Data::of([("funnels", funnels.into()), ("truncated", truncated.into())]);
    Ok(Answer { summary, data })
}

fn funnel_json(funnel: &SavedFunnel) -> Value {
    let mut json = json!({"funnel_id": funnel.funnel_id.to_string(), "name": funnel.name});
    for (name, value) in [("steps", &funnel.steps), ("creator", &funnel.creator)] {
        if let Some(value) = value {
            // Mixpanel documents no shape for these, so what is no text is told as its JSON.
            json[name] = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
                .into();
        }
    }
    json
}

/// One step of several funnels together.
#[derive(Clone, Default)]
struct Step {
    event: String,
    count: u64,
    from_previous: Mean,
    from_start: Mean,
}

/// The mean of means, each weighing as many users as it is of.
#[derive(Clone, Default)]
struct Mean {
    sum: f64,
    users: u64,
}

impl Mean {
    fn add(&mut self, mean: Option<f64>, users: u64) {
        if let Some(mean) = mean {
            self.sum += mean * users as f64;
            self.users += users;
        }
    }

    fn seconds(&self) -> Option<Value> {
        (self.users > 0).then(|| whole((self.sum / self.users as f64).round()))
    }
}

/// One funnel of the answer: a date, a segment if it was split, and its steps.
struct Row<'f> {
    date: &'f str,
    segment: Option<&'f str>,
    steps: &'f [FunnelStep],
}

impl Row<'_> {
    fn started(&self) -> u64 {
        self.steps.first().map_or(0, |step| step.count)
    }

    fn json(&self) -> Value {
        let counts: Vec<u64> = self.steps.iter().map(|step| step.count).collect();
        let ended = counts.last().copied().unwrap_or_default();
        let mut json = json!({
            "date": self.date,
            "counts": counts,
            "conversion": ratio(ended, self.started()),
        });
        if let Some(segment) = self.segment {
            json["segment"] = segment.into();
        }
        json
    }
}

fn query_funnel(ask: &Ask, args: QueryFunnel) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let range = ask.days(&project, &args.from_date, &args.to_date)?;
    let mut faults = faults(&args);
    faults.extend(args.unit.and_then(|unit| steps_fault(range, unit.unit())));
    if !faults.is_empty() {
        return Err(bad_arguments(faults));
    }
    let length = args.length.as_ref().map(|length| {
        let unit = args.length_unit.unwrap_or(LengthUnit::Day);
        (length.0 as u32, unit)
    });
    let on = args.on.as_ref().map(|on| on_expression(&on.0));
    let filter = args
        .r#where
        .as_ref()
        .map(|expression| expression.0.as_str());
    let buckets = match args.unit {
        Some(unit) => Buckets::Unit(unit.unit()),
        // In one bucket each user counts once; dates that are added up count some twice.
        None => Buckets::Days(range.days().min(BUCKET_DAYS_MAX)),
    };
    let funnel = ask.mixpanel()?.query.funnel(
        &project,
        &FunnelQuery {
            funnel_id: args.funnel_id.0.parse().unwrap_or_default(),
            range,
            length,
            buckets,
            on: on.as_deref(),
            filter,
            limit: on.is_some().then_some(SEGMENTS_ASKED),
        },
    )?;

    let mut asked = format!("funnel {}", args.funnel_id.0);
    if let Some((length, unit)) = length {
        asked.push_str(&format!(" within {}", counted(length, unit.as_str())));
    }
    if let Some(filter) = filter {
        asked.push_str(&format!(" where {filter}"));
    }
    if let Some(on) = &on {
        asked.push_str(&format!(" by {on}"));
    }
    let asked = format!("{asked}, {}", span(&project, range));
    let (overall, segments) = rows(&funnel);
    let steps = together(&overall);
    if steps.first().is_none_or(|step| step.count == 0) {
        let summary = format!(
            "{asked}: nobody did the first step; check the days and where, and the funnel with mixpanel_list_saved_funnels"
        );
        return Ok(Answer {
            summary,
            data: Data::of([("steps", json!([]).into()), ("truncated", false.into())]),
        });
    }

    let mut summary = format!("{asked}: {}", in_words(&steps));
    if overall.len() > 1 {
        summary.push_str(&format!(
            "; the figures of {} are added up, so a user who began in several counts in each",
            counted(overall.len(), "date")
        ));
    }
    let mut data = Data::of([("steps", steps_json(&steps).into())]);
    let (breakdown, whole) = if on.is_some() {
        let weights = segments
            .iter()
            .map(|row| (row.segment.unwrap_or_default(), row.started()));
        let numbers_each = overall.len() * steps.len();
        let (kept, whole) = heaviest(weights, segments_max(SEGMENTS_MAX, numbers_each));
        let mut segments = segments;
        segments.retain(|row| kept.contains(row.segment.unwrap_or_default()));
        segments.sort_by(|a, b| a.date.cmp(b.date).then(b.started().cmp(&a.started())));
        (segments, whole)
    } else {
        (overall, true)
    };
    let mut truncated = false;
    if on.is_some() || args.unit.is_some() {
        let (breakdown, fits) = ask.fitting(breakdown, Row::json);
        let rows: Vec<Value> = breakdown.iter().map(Row::json).collect();
        data.insert("breakdown", rows);
        truncated = !(whole && fits);
        summary.push_str(cut_note(!truncated));
    }
    data.insert("truncated", truncated);
    Ok(Answer { summary, data })
}

fn faults(args: &QueryFunnel) -> Vec<String> {
    let mut faults = Vec::new();
    match (&args.length, args.length_unit) {
        (Some(Int(length)), unit) => {
            let unit = unit.unwrap_or(LengthUnit::Day);
            let a_day = match unit {
                LengthUnit::Day => 1,
                LengthUnit::Hour => 24,
                LengthUnit::Minute => 24 * 60,
                LengthUnit::Second => 24 * 60 * 60,
            };
            if *length > LENGTH_DAYS_MAX * a_day {
                faults.push(format!(
                    "length: must be at most {LENGTH_DAYS_MAX} days, got {}",
                    counted(length, unit.as_str())
                ));
            }
        }
        (None, Some(_)) => faults.push("length_unit: needs a length".into()),
        (None, None) => (),
    }
    faults
}

/// The rows of everybody by date, and those of the segments.
fn rows(funnel: &Funnel) -> (Vec<Row<'_>>, Vec<Row<'_>>) {
    let (mut overall, mut segments) = (Vec::new(), Vec::new());
    for (date, day) in &funnel.data {
        match day {
            FunnelDay::Whole { steps } => overall.push(Row {
                date,
                segment: None,
                steps,
            }),
            FunnelDay::Segmented(by_segment) => {
                for (segment, steps) in by_segment {
                    let row = |segment| Row {
                        date,
                        segment,
                        steps,
                    };
                    if segment == OVERALL {
                        overall.push(row(None));
                    } else {
                        segments.push(row(Some(segment)));
                    }
                }
            }
        }
    }
    (overall, segments)
}

/// Funnels of the same steps as one.
fn together(rows: &[Row<'_>]) -> Vec<Step> {
    let mut steps: BTreeMap<usize, Step> = BTreeMap::new();
    for (index, found) in rows.iter().flat_map(|row| row.steps.iter().enumerate()) {
        let step = steps.entry(index).or_default();
        // A custom event has an id for a name, and its name as a label.
        if let Some(name) = found.step_label.as_ref().or(found.event.as_ref()) {
            step.event.clone_from(name);
        }
        step.count += found.count;
        step.from_previous.add(found.avg_time, found.count);
        step.from_start.add(found.avg_time_from_start, found.count);
    }
    steps.into_values().collect()
}

fn steps_json(steps: &[Step]) -> Value {
    let started = steps.first().map_or(0, |step| step.count);
    let mut previous = started;
    let mut json = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let mut one = json!({
            "event": step.event,
            "count": step.count,
            "conversion_from_previous": ratio(step.count, previous),
            "conversion_overall": ratio(step.count, started),
        });
        previous = step.count;
        // The first step has nothing before it, whatever number comes with it.
        if index > 0 {
            for (name, mean) in [
                ("seconds_from_previous", &step.from_previous),
                ("seconds_from_start", &step.from_start),
            ] {
                if let Some(seconds) = mean.seconds() {
                    one[name] = seconds;
                }
            }
        }
        json.push(one);
    }
    json.into()
}

/// `"View" 120 → "Cart" 60 (50.0%) → "Buy" 12 (20.0%), overall 10.0%`
fn in_words(steps: &[Step]) -> String {
    let started = steps.first().map_or(0, |step| step.count);
    let ended = steps.last().map_or(0, |step| step.count);
    let mut previous = None;
    let words: Vec<String> = steps
        .iter()
        .map(|step| {
            let from = previous.replace(step.count);
            match from {
                None => format!("{} {}", quoted(&step.event), step.count),
                Some(from) => format!(
                    "{} {} ({})",
                    quoted(&step.event),
                    step.count,
                    percent(ratio(step.count, from))
                ),
            }
        })
        .collect();
    format!(
        "{}, overall {}",
        words.join(" → "),
        percent(ratio(ended, started))
    )
}
