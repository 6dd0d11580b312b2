//! The table of results with their bars.

use std::fmt;

/// The lines of the table in the README and the book.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

/// A measured work, with its bar.
pub(crate) struct Row {
    work: String,
    ours: String,
    beside: String,
    measured: String,
    bar: String,
    is_held: bool,
}

impl Table {
    /// Prints and stores the row.
    pub(crate) fn add(&mut self, row: Row) {
        if self.0.is_empty() {
            println!("{HEAD}");
        }
        println!("{row}");
        self.0.push(row);
    }
}

const HEAD: &str = "| work | ours | beside | measured | bar | |\n|---|---|---|---|---|---|";

impl Row {
    /// A ratio of times in seconds, with the maximum `bar`.
    pub(crate) fn ratio(work: &str, ours: f64, (who, theirs): (&str, f64), bar: f64) -> Self {
        let ratio = ours / theirs;
        Row {
            work: work.to_owned(),
            ours: time(ours),
            beside: format!("{who}: {}", time(theirs)),
            measured: times(ratio),
            bar: match bar < 0.1 {
                true => format!("1/{:.0}", 1.0 / bar),
                false => format!("{bar}"),
            },
            is_held: ratio <= bar,
        }
    }

    /// A cost per item in seconds, with the maximum `bar`.
    pub(crate) fn cost(work: &str, each: f64, bar: f64) -> Self {
        Row {
            work: work.to_owned(),
            ours: time(each),
            beside: String::new(),
            measured: time(each),
            bar: time(bar),
            is_held: each <= bar,
        }
    }

    /// A number of things, with the maximum `bar`.
    pub(crate) fn count(work: &str, number: usize, bar: usize) -> Self {
        Row {
            work: work.to_owned(),
            ours: number.to_string(),
            beside: String::new(),
            measured: number.to_string(),
            bar: bar.to_string(),
            is_held: number <= bar,
        }
    }

    /// Removes the bar, for information only.
    pub(crate) fn only_told(mut self) -> Self {
        self.bar.clear();
        self.is_held = true;
        self
    }

    /// Adds the time of another program for equivalent work.
    pub(crate) fn beside(mut self, ours: f64, (who, theirs): (&str, f64)) -> Self {
        self.beside = format!("{who}: {}", time(theirs));
        self.measured = format!("{}, {}", self.measured, times(ours / theirs));
        self
    }

    /// A growth with the size, as an exponent (1 is linear), with the maximum `bar`.
    pub(crate) fn growth(work: &str, exponent: f64, bar: f64) -> Self {
        Row {
            work: work.to_owned(),
            ours: String::new(),
            beside: String::new(),
            measured: format!("n^{exponent:.2}"),
            bar: format!("n^{bar}"),
            is_held: exponent <= bar,
        }
    }

    /// A figure without a bar.
    pub(crate) fn fact(work: &str, figure: String) -> Self {
        Row {
            work: work.to_owned(),
            ours: figure,
            beside: String::new(),
            measured: String::new(),
            bar: String::new(),
            is_held: true,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = match self.is_held {
            true => "",
            false => "missed",
        };
        write!(
            f,
            "| {} | {} | {} | {} | {} | {held} |",
            self.work, self.ours, self.beside, self.measured, self.bar
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

/// Formats a ratio of times.
fn times(ratio: f64) -> String {
    match ratio < 0.1 {
        true => format!("1/{:.0}", 1.0 / ratio),
        false => format!("{ratio:.2}"),
    }
}

/// Formats seconds in a suitable unit.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 10.0 => format!("{s:.1} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-2 => format!("{:.0} ms", s * 1e3),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s if s >= 1e-4 => format!("{:.0} \u{b5}s", s * 1e6),
        s if s >= 1e-6 => format!("{:.1} \u{b5}s", s * 1e6),
        s => format!("{:.0} ns", s * 1e9),
    }
}
