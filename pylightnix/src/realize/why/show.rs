//! Reasons as text.

use jiff::{Timestamp, Unit};
use std::fmt;
use std::time::Duration;

use super::{Candidate, Cause, Change, Standing, Why};
use crate::store::{BuildKind, BuildRecord};
use crate::units::time;

impl Why {
    /// In a few words: what changed first, in it and in what it depends on.
    pub fn in_short(&self) -> String {
        if self.changes.is_empty() {
            return match self.repeated.is_empty() {
                true => "the first of its name".to_owned(),
                false => "made again by the same code".to_owned(),
            };
        }
        let mut words = Vec::new();
        for (at, change) in self.changes.iter().enumerate() {
            let of = match at {
                0 => String::new(),
                _ => format!(" of `{}`", change.new.dref.name()),
            };
            let word = |cause: &Cause| match cause {
                Cause::Field(field) => Some(format!("`{}`{of} changed", field.path)),
                Cause::Default { field, .. } => {
                    Some(format!("the default of `{field}`{of} changed"))
                }
                Cause::Code(_) if at == 0 => Some("its code changed".to_owned()),
                Cause::Code(_) => Some(format!("the code{of} changed")),
                // What it comes to is told for itself.
                Cause::Dependency(dep) if dep.change.is_some() => None,
                Cause::Dependency(dep) => Some(format!(
                    "`{}`{of} is another",
                    dep.field.as_deref().unwrap_or(dep.new.name().as_str())
                )),
                Cause::Nothing if at == 0 => Some("made again by the same code".to_owned()),
                Cause::Nothing => Some(format!("`{}` gave another result", change.new.dref.name())),
            };
            words.extend(change.causes.iter().filter_map(word));
        }
        words.dedup();
        words.join("; ")
    }

    /// The lines before the changes: what is asked about, and what it is compared with.
    pub(crate) fn head(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match (&self.rref, &self.build) {
            (Some(rref), Some(build)) if build.kind == BuildKind::Build => lines.push(format!(
                "{rref} was built {}, in {}",
                when(build.start),
                time(lasted(build))
            )),
            (Some(rref), Some(build)) => {
                lines.push(format!("{rref} was brought here {}", when(build.stop)));
            }
            (Some(rref), None) => lines.push(format!("{rref}: nothing says who built it")),
            (None, _) => lines.push(format!("{} is to be built", self.dref)),
        }
        if let Some(action) = &self.action {
            lines.push(format!("a run would: {action}"));
        }
        if let Some(newest) = self.repeated.first() {
            let times = match self.repeated.len() {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            };
            lines.push(format!(
                "the same code made the same from the same {times} before, {newest} last"
            ));
        }
        match (&self.nearest, self.changes.first()) {
            (Some(nearest), Some(change)) => {
                let how = match nearest.fields {
                    0 => "the same config".to_owned(),
                    1 => "1 field differs".to_owned(),
                    more => format!("{more} fields differ"),
                };
                let among = match nearest.compared < nearest.there {
                    true => format!(
                        ", of {} that were compared, of {}",
                        nearest.compared, nearest.there
                    ),
                    false => String::new(),
                };
                lines.push(format!(
                    "compared with {}, the nearest before it ({how}{among}):",
                    change.old
                ));
            }
            _ => lines.push(format!(
                "nothing else of the name `{}` was built before",
                self.dref.name()
            )),
        }
        lines
    }

    /// What stands over the changes of a dependency; the first has nothing.
    pub(crate) fn title(&self, at: usize) -> Option<String> {
        let Change { old, new, .. } = self.changes.get(at).filter(|_| at > 0)?;
        let mut leading = self.changes.iter().filter_map(|change| {
            let mut deps = change.causes.iter().filter_map(|cause| match cause {
                Cause::Dependency(dep) if dep.change == Some(at) => dep.field.as_deref(),
                _ => None,
            });
            deps.next()
                .map(|field| format!("{field} of `{}`", change.new.dref.name()))
        });
        let by = leading.next().map_or(String::new(), |by| format!(", {by}"));
        Some(format!("`{}`{by}: {old} -> {new}", new.dref.name()))
    }

    /// The lines after the changes: what matchers chose.
    pub(crate) fn tail(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.cut {
            lines.push("more dependencies differ: they are too many to be told".to_owned());
        }
        if !self.choices.is_empty() {
            lines.push("made from:".to_owned());
        }
        for (dref, choice) in &self.choices {
            let took = match &choice.took[..] {
                [one] => one.to_string(),
                more => format!("{} of {dref}", more.len()),
            };
            lines.push(format!(
                "  {took}, taken by `{}` from {}",
                choice.matcher, choice.from
            ));
        }
        if let Some(choice) = &self.choice {
            let there = choice.candidates.len();
            lines.push(format!(
                "its matcher `{}` chooses from:{}",
                choice.matcher,
                if there == 0 { " nothing" } else { "" }
            ));
            lines.extend(choice.candidates.iter().map(|one| format!("  {one}")));
        }
        lines
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.head();
        for (at, change) in self.changes.iter().enumerate() {
            lines.extend(self.title(at));
            lines.extend(change.causes.iter().map(|cause| format!("  {cause}")));
        }
        lines.extend(self.tail());
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = match self.standing {
            Standing::Taken => "taken",
            Standing::Seen => "seen, not taken",
            Standing::Stale => "stale",
            Standing::OtherContext => "made from other results of its dependencies",
            Standing::Failed => "failed",
            Standing::Undecided => "undecided until its dependencies are built",
        };
        write!(f, "{}: {standing}", self.rref)?;
        match &self.why {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}

fn when(time: Timestamp) -> Timestamp {
    time.round(Unit::Second).unwrap_or(time)
}

fn lasted(build: &BuildRecord) -> Duration {
    // A clock that was set back gives less than nothing.
    Duration::try_from_secs_f64(build.seconds()).unwrap_or_default()
}
