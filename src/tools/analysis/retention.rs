//! Who comes back after an event, by the day, week or month in which they began.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::{Value, json};

use super::conditions::{self, Condition};
use super::funnel::percent;
use super::users::{Moment, Users, Walk, user_number};
use crate::mcp::args::{Arg as _, Date as Day, Id, Int, Text, args, choice};
use crate::mcp::data::Data;
use crate::mcp::shape::{Field, Shape};
use crate::mcp::tool::{Answer, Effect, Failure, Tool};
use crate::tools::ask::{Ask, bad_arguments, counted, quoted};
use crate::tools::stream::{Plan, Reading, Wanted, place, read, start_ms};

const DAY_MS: i64 = 86_400_000;
/// Intervals are bits of one number.
const INTERVALS_MAX: i64 = 60;
const INTERVALS_DEFAULT: i64 = 7;
const COHORTS_MAX: usize = 400;

pub(super) const ANALYZE_RETENTION: Tool<Ask> = Tool {
    name: "mixpanel_analyze_retention",
    title: "Retention between filtered events",
    about: "Counts who comes back: users by the day, week or month of their first born_event in the range, and how many of them did event again 0, 1, 2, … units after it (rolling: interval 1 of unit day is 24 to 48 hours after). For whole events without filters mixpanel_query_retention is quicker. Reads one raw export: costs 1 export of the 60 an hour and no query.",
    effect: Effect::Reads,
    params: AnalyzeRetention::FIELDS,
    output: &[
        Field::always("overall", RETAINED),
        Field::always(
            "cohorts",
            Shape::List {
                item: &RETAINED,
                min: 0,
                max: COHORTS_MAX,
            },
        ),
        Field::always("sampled_1_in", Shape::Count),
        Reading::FIELD,
    ],
    run: |ask, arguments| analyze_retention(ask, AnalyzeRetention::read(arguments)),
};

const RETAINED: Shape = Shape::Object(&[
    Field::sometimes("date", Shape::Words).about("First day of the cohort's unit."),
    Field::always("users", Shape::Count),
    Field::always(
        "returned",
        Shape::list(&Shape::Count),
    ),
    Field::always(
        "percent",
        Shape::list(&Shape::Number),
    )
    .about("Of the intervals that are over for all users of the cohort; overall, of the cohorts for which they are."),
]);

args! {
    struct AnalyzeRetention {
        /// First day on which users begin, in UTC, or the project's zone for projects from before 2023.
        from_date: Day,
        /// Last day on which users begin, inclusive, not after today.
        to_date: Day,
        /// Event that begins, exact.
        born_event: Text<255>,
        /// Filter of the first event, such as properties["plan"] == "pro". Default: none.
        born_where: Option<Text<4000>>,
        /// Event that counts as coming back. Default: any event.
        event: Option<Text<255>>,
        /// Filter of the returning event. Default: none.
        r#where: Option<Text<4000>>,
        /// Length of an interval. Default day. A month is 30 days.
        unit: Option<Step>,
        /// How many intervals after the 0th. Default 7.
        interval_count: Option<Int<1, INTERVALS_MAX>>,
        /// Project id. Default: the server's or the request's project.
        project_id: Option<Id>,
    }
}

choice! {
    enum Step {
        Day = "day",
        Week = "week",
        Month = "month",
    }
}

impl Step {
    fn days(self) -> i64 {
        match self {
            Step::Day => 1,
            Step::Week => 7,
            Step::Month => 30,
        }
    }

    /// The first day of the calendar's unit in which a day lies. Weeks begin on Monday.
    fn first_day(self, day: Date) -> Date {
        match self {
            Step::Day => day,
            Step::Week => day
                .checked_sub(i64::from(day.weekday().to_monday_zero_offset()).days())
                .unwrap_or(day),
            Step::Month => day.first_of_month(),
        }
    }
}

const BORN: u32 = 1;
const RETURNS: u32 = 2;

struct Retention {
    interval_ms: i64,
    /// With the 0th.
    intervals: i64,
}

/// A user who has begun.
#[derive(Default)]
struct Life {
    born_ms: Option<i64>,
    /// The intervals in which they came back, as bits.
    returned: u64,
}

impl Walk for Retention {
    type State = Life;

    fn begins(&self, moment: &Moment) -> bool {
        moment.what & BORN != 0
    }

    fn step(&self, life: &mut Life, moment: &Moment) {
        let Some(born_ms) = life.born_ms else {
            life.born_ms = Some(moment.time_ms);
            return;
        };
        let interval = (moment.time_ms - born_ms) / self.interval_ms;
        if moment.what & RETURNS != 0 && (0..self.intervals).contains(&interval) {
            life.returned |= 1 << interval;
        }
    }

    /// At the same time, users are taken to have begun first.
    fn order(&self, a: &Moment, b: &Moment) -> std::cmp::Ordering {
        let key = |moment: &Moment| (moment.what & BORN == 0, moment.what);
        key(a).cmp(&key(b))
    }
}

/// The users who began in one unit of the calendar.
struct Cohort {
    first_day: Date,
    users: u64,
    returned: Vec<u64>,
    /// How many intervals are over for each of them.
    complete: usize,
}

impl Cohort {
    fn json(&self, scaled: impl Fn(u64) -> u64) -> Value {
        let returned: Vec<u64> = self.returned.iter().map(|users| scaled(*users)).collect();
        let over = self.returned.iter().take(self.complete);
        let percent: Vec<Value> = over.map(|users| percent(*users, self.users)).collect();
        json!({
            "date": self.first_day.to_string(),
            "users": scaled(self.users),
            "returned": returned,
            "percent": percent,
        })
    }
}

fn analyze_retention(ask: &Ask, args: AnalyzeRetention) -> Result<Answer, Failure> {
    let project = ask.project(args.project_id.as_ref())?;
    let range = ask.export_days(&project, &args.from_date, &args.to_date)?;
    let unit = args.unit.unwrap_or(Step::Day);
    let intervals = args
        .interval_count
        .map_or(INTERVALS_DEFAULT, |count| count.0)
        + 1;
    let text = |text: &Option<Text<4000>>| text.as_ref().map(|text| text.0.clone());
    let event = args.event.as_ref().map(|event| event.0.as_str());
    let mut faults = Vec::new();
    if i64::from(range.days()) / unit.days() >= COHORTS_MAX as i64 {
        faults.push(format!(
            "unit: at most {COHORTS_MAX} cohorts can be told; take a longer unit or fewer days"
        ));
    }
    let conditions = [
        Condition::new(
            "born_where",
            Some(&args.born_event.0),
            text(&args.born_where).as_deref(),
        ),
        Condition::new("where", event, text(&args.r#where).as_deref()),
    ];
    let [born, returns] = match conditions {
        [Ok(born), Ok(returns)] if faults.is_empty() => [born, returns],
        conditions => {
            faults.extend(conditions.into_iter().filter_map(Result::err));
            return Err(bad_arguments(faults));
        }
    };
    let mut plan = Plan::over(range, 0, intervals * unit.days());
    plan.names = conditions::names([&born, &returns]);
    plan.filter = conditions::filter([&born, &returns], None);
    plan.wanted = Wanted::new(born.properties().chain(returns.properties()));
    let (_, end_ms) = plan.asked_ms();

    let fresh = || {
        Users::new(Retention {
            interval_ms: unit.days() * DAY_MS,
            intervals,
        })
    };
    let (users, reading) = read(ask, &project, &mut plan, fresh, |users, event| {
        let mut what = 0;
        if event.time_ms < end_ms && born.holds(event) {
            what |= BORN;
        }
        if returns.holds(event) {
            what |= RETURNS;
        }
        if let Some(user) = event.user().filter(|_| what != 0) {
            let moment = Moment {
                time_ms: event.time_ms,
                what,
                label: 0,
            };
            users.note(user_number(&user), moment);
        }
    })?;

    let (_, outcome) = users.finish();
    let scaled = |users| outcome.scaled(users);
    let mut cohorts = cohorts(unit, range.from, range.to, intervals as usize, |last_day| {
        let known_until_ms = start_ms(plan.days.to)
            .saturating_add(DAY_MS)
            .min(Timestamp::now().as_millisecond());
        let over_ms = known_until_ms - (start_ms(last_day) + DAY_MS);
        usize::try_from(over_ms / (unit.days() * DAY_MS)).unwrap_or(0)
    });
    for life in &outcome.states {
        let first_day = life
            .born_ms
            .and_then(|born_ms| Timestamp::from_millisecond(born_ms).ok())
            .map(|born| unit.first_day(TimeZone::UTC.to_datetime(born).date()));
        let found = cohorts.binary_search_by_key(&first_day, |cohort| Some(cohort.first_day));
        let Some(cohort) = found.ok().and_then(|at| cohorts.get_mut(at)) else {
            continue;
        };
        cohort.users += 1;
        for (interval, users) in cohort.returned.iter_mut().enumerate() {
            *users += life.returned >> interval & 1;
        }
    }

    let users: u64 = cohorts.iter().map(|cohort| cohort.users).sum();
    let sums = |interval: usize, only_complete: bool| -> (u64, u64) {
        cohorts
            .iter()
            .filter(|cohort| !only_complete || cohort.complete > interval)
            .fold((0, 0), |(returned, users), cohort| {
                let more = cohort.returned.get(interval).copied().unwrap_or(0);
                (returned + more, users + cohort.users)
            })
    };
    let returned: Vec<u64> = (0..intervals as usize)
        .map(|interval| scaled(sums(interval, false).0))
        .collect();
    let shares: Vec<Value> = (0..intervals as usize)
        .map(|interval| sums(interval, true))
        .take_while(|(_, users)| *users > 0)
        .map(|(returned, users)| percent(returned, users))
        .collect();
    let back = event.map_or_else(|| "any event".to_owned(), quoted);
    let mut summary = match users {
        0 => format!(
            "nobody began with {} in {}; {}",
            quoted(&args.born_event.0),
            place(&project, range),
            ask.about_events(&project, &[&args.born_event.0])
        ),
        _ => format!(
            "{} began with {} in {}, and {} came back with {back} one {} later",
            counted(scaled(users), "user"),
            quoted(&args.born_event.0),
            place(&project, range),
            match shares.get(1) {
                Some(share) => format!("{share} %"),
                None => "a number that is not yet known".into(),
            },
            unit.word(),
        ),
    };
    if plan.days.to > range.to {
        summary += &format!("; returns were looked for until {}", plan.days.to);
    }
    summary += &outcome.notes();
    summary += &reading.notes();
    let overall = json!({"users": scaled(users), "returned": returned, "percent": shares});
    let items: Vec<Value> = cohorts.iter().map(|cohort| cohort.json(scaled)).collect();
    Ok(Answer {
        summary,
        data: Data::of([
            ("overall", overall.into()),
            ("cohorts", items.into()),
            ("sampled_1_in", outcome.each_stands_for.into()),
            ("read", reading.json().into()),
        ]),
    })
}

/// Empty cohorts, one for each unit of the calendar. `complete` tells how many intervals are over for who began on a day.
fn cohorts(
    unit: Step,
    from: Date,
    to: Date,
    intervals: usize,
    complete: impl Fn(Date) -> usize,
) -> Vec<Cohort> {
    let mut cohorts: Vec<Cohort> = Vec::new();
    let mut day = from;
    loop {
        let first_day = unit.first_day(day);
        match cohorts.last_mut() {
            Some(cohort) if cohort.first_day == first_day => {
                cohort.complete = complete(day).min(intervals)
            }
            _ => cohorts.push(Cohort {
                first_day,
                users: 0,
                returned: vec![0; intervals],
                complete: complete(day).min(intervals),
            }),
        }
        match day.tomorrow() {
            Ok(next) if next <= to => day = next,
            _ => return cohorts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::random::Random;

    /// The first birth, and every interval in which there is a return that is not it: said plainly.
    fn plainly(retention: &Retention, moments: &[Moment]) -> Option<(i64, u64)> {
        let born = moments
            .iter()
            .filter(|moment| moment.what & BORN != 0)
            .min_by_key(|moment| moment.time_ms)?;
        // Of several at the time of the first birth, one is the birth: rather one that is no return.
        let at_birth = moments
            .iter()
            .filter(|moment| moment.time_ms == born.time_ms);
        let is_only_birth = at_birth.clone().any(|moment| moment.what == BORN);
        let mut spare = at_birth.filter(|moment| moment.what & RETURNS != 0).count();
        if !is_only_birth {
            spare -= 1;
        }
        let mut bits = u64::from(spare > 0);
        for moment in moments
            .iter()
            .filter(|moment| moment.what & RETURNS != 0 && moment.time_ms > born.time_ms)
        {
            let interval = (moment.time_ms - born.time_ms) / retention.interval_ms;
            if interval < retention.intervals {
                bits |= 1 << interval;
            }
        }
        Some((born.time_ms, bits))
    }

    #[test]
    fn births_and_returns_are_those_of_the_definition_in_any_order() {
        let mut random = Random::new(5);
        let mut born = 0;
        for _ in 0..20_000 {
            let retention = Retention {
                interval_ms: random.between(1, 12),
                intervals: random.between(1, 6),
            };
            let number = random.below(9);
            let moments: Vec<Moment> = (0..number)
                .map(|_| Moment {
                    time_ms: random.between(0, 40),
                    what: 1 + random.below(3) as u32,
                    label: 0,
                })
                .collect();
            let expected = plainly(&retention, &moments);
            let mut users = Users::new(retention);
            for moment in &moments {
                users.note(3, *moment);
            }
            let (_, outcome) = users.finish();
            let found = outcome
                .states
                .first()
                .and_then(|life| Some((life.born_ms?, life.returned)));
            assert_eq!(found, expected, "{moments:?}");
            born += usize::from(found.is_some());
        }
        assert!(born > 10_000);
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let (from, to) = (Date::constant(2026, 1, 29), Date::constant(2026, 2, 9));
        let dates = |unit| -> Vec<String> {
            let cohorts = cohorts(unit, from, to, 1, |_| 1);
            cohorts
                .iter()
                .map(|cohort| cohort.first_day.to_string())
                .collect()
        };
        assert_eq!(
            dates(Step::Week),
            ["2026-01-26", "2026-02-02", "2026-02-09"]
        );
        assert_eq!(dates(Step::Month), ["2026-01-01", "2026-02-01"]);
        assert_eq!(dates(Step::Day).len(), 12);
    }
}
