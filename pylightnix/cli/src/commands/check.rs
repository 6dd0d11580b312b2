//! `check`: finds damage in a store.

use std::io::Write;

use crate::complete;
use crate::exit::{CommandResult, Exit};
use crate::session::{Session, style};
use crate::text::{count, size};
use pylightnix::store::Fault;

/// Check a store for damage
///
/// Use it when a disk had errors, and now and then. Compares names, configs, records, and the kinds, sizes and modes of
/// artifacts; `--contents` reads every byte as well. Writes nothing. The exit status is 1 if faults were found; `repair`
/// mends them.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: read a tenth of all artifacts, another tenth each time\n  pylightnix check --sample 10"
)]
pub(crate) struct Check {
    /// Restrict it to these: names, or beginnings of references
    #[arg(value_name = "REF", add = complete::references())]
    only: Vec<String>,
    /// Read every artifact, and compare its hash
    #[arg(long, short)]
    contents: bool,
    /// Read this percentage of the artifacts, another part each time
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "contents")]
    sample: Option<f64>,
}

impl Check {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let mut check = store.check();
        if !self.only.is_empty() {
            check = check.only(session.realizations(&self.only)?);
        }
        if self.contents {
            check = check.contents();
        }
        if let Some(percent) = self.sample {
            check = check.sample(percent);
        }
        let report = check.run()?;
        session.print(&report, |report, out| {
            write_faults(session, &report.faults, out)?;
            for note in &report.notes {
                writeln!(out, "{note}")?;
            }
            let found = match report.faults.len() {
                0 => session.paint(style::GOOD, "no faults".to_owned()),
                faults => session.paint(style::BAD, count(faults, "fault", "faults")),
            };
            write!(
                out,
                "{found} in {}",
                count(report.realizations, "realization", "realizations")
            )?;
            match report.files {
                0 => writeln!(out, "; no artifact was read")?,
                files => writeln!(
                    out,
                    "; {} read, {}",
                    count(files as usize, "file", "files"),
                    size(report.bytes)
                )?,
            }
            Ok(())
        })?;
        Ok(if report.is_sound() {
            Exit::Done
        } else {
            Exit::Failed
        })
    }
}

/// Writes faults as text.
pub(super) fn write_faults(
    session: &Session,
    faults: &[Fault],
    out: &mut impl Write,
) -> CommandResult<()> {
    for fault in faults {
        let text = fault.to_string();
        let path = fault.path.display().to_string();
        match text.strip_prefix(&path) {
            Some(rest) => writeln!(out, "{}{rest}", session.paint(style::BAD, path))?,
            None => writeln!(out, "{text}")?,
        }
    }
    Ok(())
}

pub(super) fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse() {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
        _ => Err(format!(
            "`{text}` is not a percentage from 0 to 100, such as `5` or `2.5%`"
        )),
    }
}
