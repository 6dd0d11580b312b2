//! Formats explanations as text.

use jiff::{Timestamp, Unit};
use std::fmt;

use super::change::choice_text;
use super::{Candidate, Cause, Change, Standing, Version, Why};
use crate::config::RRefId;
use crate::store::{BuildKind, EnvironmentChange, RemarkKind};
use crate::units::text;
use crate::visible;

/// Formats a reference, complete or abbreviated for a terminal.
pub(crate) type Names<'a> = &'a dyn Fn(&RRefId) -> String;

/// Formats a time.
pub(crate) type Times = fn(Timestamp) -> String;

impl Why {
    /// Returns a summary: the first changes, in the stage or in its dependencies.
    pub fn in_short(&self) -> String {
        if let Some(carried) = &self.carried {
            return carried.to_string();
        }
        if self.changes.is_empty() {
            return match (self.repeated.is_empty(), &self.action) {
                (true, _) => "the first of its name in the store".to_owned(),
                // Nothing differs, and the stage has to run anyway: give the reason of the run.
                (false, Some(action)) if self.rref.is_none() => match action.split_once(": ") {
                    Some((_, reason)) => reason.to_owned(),
                    None => action.clone(),
                },
                (false, _) => with_environment("rebuilt by the same code", &self.environment),
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
                // The differences of the dependency follow separately.
                Cause::Dependency(dep) if dep.change.is_some() => None,
                Cause::Dependency(dep) => Some(format!(
                    "`{}`{of} is another",
                    dep.field.as_deref().unwrap_or(dep.new.name().as_str())
                )),
                Cause::Choice { old, new } => {
                    let text = choice_text(old, new);
                    Some(format!("of `{}`, {text}", change.new.dref.name()))
                }
                Cause::Nothing => {
                    let what = match at {
                        0 => "rebuilt by the same code".to_owned(),
                        _ => format!("`{}` gave another result", change.new.dref.name()),
                    };
                    Some(with_environment(&what, &change.environment))
                }
            };
            words.extend(change.causes.iter().filter_map(word));
        }
        words.dedup();
        words.join("; ")
    }

    /// Returns the line after the causes of a change, if the environments differ: it explains what nothing else does.
    #[doc(hidden)]
    pub fn environment(&self, at: usize) -> Option<String> {
        let change = self.changes.get(at)?;
        let head = match change.causes[..] {
            [Cause::Nothing] => "environment",
            _ => "also different",
        };
        let listed = environment_text(&change.environment)?;
        Some(format!("{head}: {listed}"))
    }

    /// Returns the lines before the changes: what is explained, and the version that it is compared with.
    #[doc(hidden)]
    pub fn head(&self, name: Names<'_>, when: Times) -> Vec<String> {
        let mut lines = Vec::new();
        let own = self.rref.as_ref().map(name);
        match (own, &self.build) {
            (Some(rref), Some(build)) if build.kind == BuildKind::Build => lines.push(format!(
                "{rref} was built {}, in {}",
                when(build.start),
                text::seconds(build.seconds())
            )),
            (Some(rref), Some(build)) => {
                lines.push(format!("{rref} was imported {}", when(build.stop)));
            }
            (Some(rref), None) => lines.push(format!("{rref} has no build record")),
            (None, _) => lines.push(format!("{} is to be built", self.dref)),
        }
        if let Some(carried) = self.build.as_ref().and_then(|build| build.carried.as_ref()) {
            let why = self
                .carried
                .as_ref()
                .map(|why| format!(": {}", why.reason()));
            lines.push(format!(
                "it was carried here {} from {}{}",
                when(carried.time),
                name(&carried.from),
                why.unwrap_or_default()
            ));
        }
        if let Some(origin) = self.build.as_ref().and_then(|build| build.python.as_ref()) {
            lines.push(format!("it came {}", visible::line(&origin.to_string())));
        }
        if let Some(address) = &self.taken_from {
            lines.push(format!(
                "it was taken from the remote {}",
                visible::line(address)
            ));
        }
        for remark in &self.remarks {
            let kind = match remark.kind {
                RemarkKind::Tag => "tag",
                _ => "note",
            };
            let text = visible::line(&remark.text);
            let by = visible::line(&remark.user);
            lines.push(format!("{kind}: {text} ({by}, {})", when(remark.time)));
        }
        let ahead = self.build.as_ref().filter(|build| build.ended().is_none());
        if let (Some(rref), Some(build)) = (&self.rref, ahead) {
            lines.push(crate::store::ahead(rref, build.stop));
        }
        if let Some(action) = &self.action {
            lines.push(format!("a run would: {action}"));
        }
        if let Some(newest) = self.repeated.first().map(name) {
            let times = match self.repeated.len() {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            };
            lines.push(format!(
                "the same code gave this result from the same inputs {times} before, most recently {newest}"
            ));
        }
        if let Some(listed) = environment_text(&self.environment) {
            lines.push(format!("  the environment was different: {listed}"));
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
                    version(&change.old, name)
                ));
            }
            _ => lines.push(format!(
                "the store has no earlier build with the name `{}`",
                self.dref.name()
            )),
        }
        lines
    }

    /// Returns the heading for the changes of a dependency; the first change has none.
    #[doc(hidden)]
    pub fn title(&self, at: usize, name: Names<'_>) -> Option<String> {
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
        Some(format!(
            "`{}`{by}: {} -> {}",
            new.dref.name(),
            version(old, name),
            version(new, name)
        ))
    }

    /// Returns the lines after the changes: the choices of matchers.
    #[doc(hidden)]
    pub fn tail(&self, name: Names<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        if self.cut {
            lines.push("more dependencies differ than are shown".to_owned());
        }
        if !self.choices.is_empty() {
            lines.push("made from:".to_owned());
        }
        for (dref, choice) in &self.choices {
            let took = match &choice.took[..] {
                [one] => name(one),
                more => format!("{} of `{}`", more.len(), dref.name()),
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
            lines.extend(
                choice
                    .candidates
                    .iter()
                    .map(|one| format!("  {}", candidate(one, name))),
            );
        }
        lines
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        visible::report(f, |f| {
            let name = RRefId::to_string;
            let mut lines = self.head(&name, when);
            for (at, change) in self.changes.iter().enumerate() {
                lines.extend(self.title(at, &name));
                lines.extend(change.causes.iter().map(|cause| format!("  {cause}")));
                lines.extend(self.environment(at).map(|line| format!("  {line}")));
            }
            lines.extend(self.tail(&name));
            f.write_str(&lines.join("\n"))
        })
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&candidate(self, &RRefId::to_string))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&version(self, &RRefId::to_string))
    }
}

fn candidate(one: &Candidate, name: Names<'_>) -> String {
    let standing = match one.standing {
        Standing::Taken => "taken",
        Standing::Seen => "seen, not taken",
        Standing::Stale => "stale",
        Standing::OtherContext => "made from other results of its dependencies",
        Standing::Failed => "failed",
        Standing::Undecided => "undecided until its dependencies are built",
    };
    let why = one.why.as_ref().map(|why| format!(": {why}"));
    format!("{}: {standing}{}", name(&one.rref), why.unwrap_or_default())
}

/// Lists what differs in the environments of two builds.
fn environment_text(changes: &[EnvironmentChange]) -> Option<String> {
    let all: Vec<String> = changes.iter().map(ToString::to_string).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Adds what differs in the environments, if anything does.
fn with_environment(what: &str, changes: &[EnvironmentChange]) -> String {
    match environment_text(changes) {
        Some(listed) => format!("{what} ({listed})"),
        None => what.to_owned(),
    }
}

fn version(one: &Version, name: Names<'_>) -> String {
    match &one.rref {
        Some(rref) => name(rref),
        None => "to be built".to_owned(),
    }
}

fn when(time: Timestamp) -> String {
    time.round(Unit::Second).unwrap_or(time).to_string()
}
