//! Days as a call names them: a date, or a word for a period that depends on what day it is.
//!
//! What day it is depends on the zone, so a word is resolved by whoever knows that.

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan as _};

/// The words of [`Day::parse`], for people.
pub const DAY_WORDS: &str =
    "today, yesterday, 7d (any number of days), this_ or last_ week, month, quarter, year";
/// The digits of a number of days.
const DIGITS_MAX: usize = 4;

/// A day, or a period of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// This date.
    On(Date),
    /// So many days up to today, with today.
    Last(i32),
    /// The day before today.
    Yesterday,
    /// The period in which today is, up to today.
    This(Period),
    /// The whole period before that.
    Before(Period),
}

/// Periods of the calendar. Weeks begin on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Seven days.
    Week,
    /// A month.
    Month,
    /// Three months.
    Quarter,
    /// A year.
    Year,
}

impl Day {
    /// Reads a date like `2026-01-31`, or one of `today`, `yesterday`, `7d`, `this_week`, `last_month` and so on.
    pub fn parse(text: &str) -> Option<Day> {
        if text.len() == "2026-01-31".len()
            && text.starts_with(|first: char| first.is_ascii_digit())
        {
            return text.parse().ok().map(Day::On);
        }
        if let Some(number) = text.strip_suffix('d') {
            let sound = (1..=DIGITS_MAX).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && !number.starts_with('0');
            return sound.then(|| number.parse().ok().map(Day::Last))?;
        }
        let period = |word| {
            Some(match word {
                "week" => Period::Week,
                "month" => Period::Month,
                "quarter" => Period::Quarter,
                "year" => Period::Year,
                _ => return None,
            })
        };
        match text.split_once('_') {
            None if text == "today" => Some(Day::Last(1)),
            None if text == "yesterday" => Some(Day::Yesterday),
            Some(("this", word)) => period(word).map(Day::This),
            Some(("last", word)) => period(word).map(Day::Before),
            _ => None,
        }
    }

    /// The first and the last day that are meant when it is `today`. As a first day the first counts, as a last day the
    /// last. Nothing before the beginning of the calendar.
    pub fn resolved(self, today: Date) -> Option<(Date, Date)> {
        let back = |from: Date, span: Span| from.checked_sub(span).ok();
        Some(match self {
            Day::On(date) => (date, date),
            Day::Last(days) => (back(today, (days - 1).days())?, today),
            Day::Yesterday => {
                let yesterday = back(today, 1.day())?;
                (yesterday, yesterday)
            }
            Day::This(period) => (period.first(today)?, today),
            Day::Before(period) => {
                let last = back(period.first(today)?, 1.day())?;
                (period.first(last)?, last)
            }
        })
    }
}

impl Period {
    /// Its first day, where `day` is in it.
    fn first(self, day: Date) -> Option<Date> {
        let months_in = match self {
            Period::Week => {
                let days = day.weekday().since(Weekday::Monday);
                return day.checked_sub(i32::from(days).days()).ok();
            }
            Period::Month => 0,
            Period::Quarter => (day.month() - 1) % 3,
            Period::Year => day.month() - 1,
        };
        day.first_of_month()
            .checked_sub(i32::from(months_in).months())
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// The range of a word on Thursday, 2026-01-15.
    #[track_caller]
    fn check(word: &str, first: Date, last: Date) {
        let day = Day::parse(word).unwrap();
        assert_eq!(
            day.resolved(date(2026, 1, 15)),
            Some((first, last)),
            "{word}"
        );
    }

    #[test]
    fn a_word_is_a_range_of_days_that_ends_today_or_before() {
        let today = date(2026, 1, 15);
        check("today", today, today);
        check("1d", today, today);
        check("yesterday", date(2026, 1, 14), date(2026, 1, 14));
        check("7d", date(2026, 1, 9), today);
        check("30d", date(2025, 12, 17), today);
        check("this_week", date(2026, 1, 12), today);
        check("last_week", date(2026, 1, 5), date(2026, 1, 11));
        check("this_month", date(2026, 1, 1), today);
        check("last_month", date(2025, 12, 1), date(2025, 12, 31));
        check("this_quarter", date(2026, 1, 1), today);
        check("last_quarter", date(2025, 10, 1), date(2025, 12, 31));
        check("this_year", date(2026, 1, 1), today);
        check("last_year", date(2025, 1, 1), date(2025, 12, 31));
        check("2020-02-29", date(2020, 2, 29), date(2020, 2, 29));
    }

    #[test]
    fn anything_else_is_no_day() {
        for text in [
            "",
            "Today",
            "0d",
            "07d",
            "10000d",
            "-7d",
            "7",
            "d",
            "last_day",
            "last_",
            "week",
            "2026-02-30",
            "2026-1-1",
            "2026-01-01T00",
            "+026-01-01",
            "tomorrow",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_lies_before_the_calendar_is_no_range() {
        assert_eq!(Day::Last(9999).resolved(Date::MIN), None);
    }
}
