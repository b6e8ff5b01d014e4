//! Figures as Markdown.

use std::fmt;
use std::time::Duration;

use super::stand::Pair;

/// A table with its heading. The first column is words, the others are figures.
pub(crate) struct Table {
    title: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// One with these figures behind its first column, and no rows yet.
    pub(crate) fn new(title: &'static str, figures: &[&'static str]) -> Table {
        let mut columns = vec![""];
        columns.extend(figures);
        Table {
            title,
            columns,
            rows: Vec::new(),
        }
    }

    /// A row of as many figures as there are columns for.
    pub(crate) fn row(&mut self, name: &str, figures: impl IntoIterator<Item = String>) {
        let mut row = vec![name.to_owned()];
        row.extend(figures);
        self.rows.push(row);
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "**{}**\n", self.title)?;
        writeln!(f, "| {} |", self.columns.join(" | "))?;
        let figures = self.columns.len() - 1;
        writeln!(f, "| --- |{}", " --: |".repeat(figures))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

/// Where there is no figure.
pub(crate) const NONE: &str = "–";

/// With about three digits that count.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// The server's figure, the bare one's, and the ratio if there is one.
pub(crate) fn beside(pair: &Pair<f64>) -> [String; 3] {
    let Pair { server, bare } = *pair;
    let ratio = (bare > 0.0).then(|| figure(server / bare));
    [
        figure(server),
        figure(bare),
        ratio.unwrap_or_else(|| NONE.into()),
    ]
}

/// The median of the rounds of both sides; of an even number the lower of the two in the middle. Each needs at least one.
pub(crate) fn middle<T>(rounds: &Pair<Vec<T>>, value: impl Fn(&T) -> f64) -> Pair<f64> {
    rounds.map(|rounds| {
        let mut values: Vec<f64> = rounds.iter().map(&value).collect();
        values.sort_by(f64::total_cmp);
        values[(values.len() - 1) / 2]
    })
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

pub(crate) fn mebibytes(bytes: f64) -> f64 {
    bytes / (1024.0 * 1024.0)
}
