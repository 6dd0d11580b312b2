//! What is to be reached, and what was.

use std::fmt;

/// The lines of the table that the README and the book show.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

/// One measured work, with its bar.
pub(crate) struct Row {
    work: String,
    ours: String,
    beside: String,
    measured: String,
    bar: String,
    is_held: bool,
}

impl Table {
    /// Prints the row, and keeps it.
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
    /// Ours against theirs, in seconds: at most `bar` times as long.
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

    /// What one of many costs, in seconds: at most `bar`.
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

    /// The same without its bar: for what is only told.
    pub(crate) fn only_told(mut self) -> Self {
        self.bar.clear();
        self.is_held = true;
        self
    }

    /// The same, with what another program takes for the like of it.
    pub(crate) fn beside(mut self, ours: f64, (who, theirs): (&str, f64)) -> Self {
        self.beside = format!("{who}: {}", time(theirs));
        self.measured = format!("{}, {}", self.measured, times(ours / theirs));
        self
    }

    /// How something grows with the size, as an exponent: 1 is linear, and at most `bar`.
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

    /// A figure that has no bar.
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

/// So many times as long.
fn times(ratio: f64) -> String {
    match ratio < 0.1 {
        true => format!("1/{:.0}", 1.0 / ratio),
        false => format!("{ratio:.2}"),
    }
}

/// Seconds in a unit that fits.
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
