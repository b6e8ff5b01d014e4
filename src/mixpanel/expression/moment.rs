//! Days and moments as they are written in expressions.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Reads a day, exactly as `2026-01-31`.
pub fn parse_day(text: &str) -> Option<Date> {
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if shaped { text.parse().ok() } else { None }
}

/// Reads a day or a moment (`2026-01-31`, `2026-01-31T10:00:00`, with or without an offset) as milliseconds since the
/// epoch; without an offset it is in UTC.
pub fn parse_moment(text: &str) -> Option<i64> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    let datetime: DateTime = match parse_day(text) {
        Some(day) => day.to_datetime(jiff::civil::Time::midnight()),
        None => text.parse().ok()?,
    };
    let zoned = datetime.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_exactly_one_form() {
        for text in [
            "2026-1-01",
            "20260101",
            "2026-02-30",
            "2026-01-01T00:00:00",
            "",
            "+026-01-01",
        ] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_is_a_day_or_a_time_with_or_without_an_offset() {
        assert_eq!(parse_moment("1970-01-02"), Some(86_400_000));
        assert_eq!(parse_moment("1970-01-01T00:01:00"), Some(60_000));
        assert_eq!(parse_moment("1970-01-01T02:01:00+02:00"), Some(60_000));
        assert_eq!(parse_moment("yesterday"), None);
    }
}
