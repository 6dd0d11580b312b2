//! `confirm`: who reproduced a result.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;

use crate::complete;
use crate::exit::{CommandResult, Exit};
use crate::out::Out;
use crate::session::{Session, style};
use crate::text::{count, short_dref, short_rref};
use pylightnix::keys::{KeyId, KeyStanding};
use pylightnix::store::{Confirmation, Independence, Maker, Reproduced, Reproduction};

/// Say who reproduced a result, and where results diverge
///
/// Use it when a result matters, and when two people got different ones. Compares the builds of each stage by the same code that read the same, of the
/// result and of all that it was made from. Names the first stages whose results diverge though they read the same, with the first file that
/// differs, and those that differ as a consequence. Builds are independent if they are signed by different keys that you know, and else if they are from
/// different hosts; what was carried, accepted, imported or copied confirms nothing. The exit status is 1 if results diverge.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: compare also with what a remote has\n  pylightnix confirm train --remote /shared/results"
)]
pub(crate) struct Confirm {
    /// Names, or beginnings of references [default: everything in the store]
    #[arg(value_name = "REF", add = complete::references())]
    references: Vec<String>,
    /// Compare also with the builds that this remote has, of which the records alone are looked at
    #[arg(long, short = 'r', value_name = "REMOTE")]
    remote: Option<String>,
}

impl Confirm {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let remote = match &self.remote {
            Some(name) => Some(store.remote(Some(name))?),
            None => None,
        };
        let mut asking = store.confirm();
        if let Some(remote) = &remote {
            asking = asking.remote(remote);
        }
        let confirmation: Confirmation = match self.references.is_empty() {
            true => asking.run_every()?,
            false => asking.run(session.realizations(&self.references)?)?,
        };
        for error in &confirmation.told {
            session.say_left_out(error);
        }
        let names = names(session)?;
        session.print(&confirmation, |found, out| {
            for stage in &found.stages {
                print(session, &names, stage, out)?;
            }
            Ok(())
        })?;
        let of = |standing| {
            let stages = confirmation.stages.iter();
            stages.filter(|stage| stage.standing == standing).count()
        };
        let (confirmed, diverging) = (of(Reproduced::Confirmed), of(Reproduced::Diverges));
        session.say(format_args!(
            "{confirmed} of {} confirmed{}",
            count(confirmation.stages.len(), "result is", "results are"),
            match diverging {
                0 => String::new(),
                more => format!("; {}", count(more, "stage diverges", "stages diverge")),
            }
        ));
        Ok(match confirmation.agrees() {
            true => Exit::Done,
            false => Exit::Failed,
        })
    }
}

/// Returns what keys are called here.
fn names(session: &Session) -> CommandResult<HashMap<KeyId, String>> {
    let keys = session.store()?.keys();
    let known = keys.map(|keys| keys.list()).transpose()?;
    let known = known.into_iter().flatten();
    let named = known.filter(|known| known.standing != KeyStanding::Revoked);
    Ok(named.map(|known| (known.key.id(), known.name)).collect())
}

/// Who made a result, for people.
struct Shown<'a>(&'a Maker, &'a HashMap<KeyId, String>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown(maker, names) = self;
        let keys = maker.keys.iter();
        let keys = keys.map(|key| names.get(key).cloned().unwrap_or_else(|| key.to_string()));
        let keys: Vec<String> = keys.collect();
        if !keys.is_empty() {
            return f.write_str(&keys.join(" and "));
        }
        let hosts: Vec<&str> = (maker.hosts.iter())
            .map(|host| {
                if host.is_empty() {
                    "an unknown host"
                } else {
                    host
                }
            })
            .collect();
        f.write_str(&hosts.join(" and "))
    }
}

fn shown(makers: &[Maker], names: &HashMap<KeyId, String>) -> String {
    let shown: Vec<String> = (makers.iter())
        .map(|maker| Shown(maker, names).to_string())
        .collect();
    shown.join(", ")
}

/// Returns the words for those who made a result, which say whether they are keys or hosts.
fn by(makers: &[Maker], names: &HashMap<KeyId, String>) -> String {
    let is_signed = makers.iter().any(|maker| !maker.keys.is_empty());
    let what = match (is_signed, makers.len()) {
        (true, 1) => "the key ",
        (true, _) => "",
        (false, 1) => "the host ",
        (false, _) => "the hosts ",
    };
    format!("by {what}{}", shown(makers, names))
}

fn print(
    session: &Session,
    names: &HashMap<KeyId, String>,
    stage: &Reproduction,
    out: &mut Out,
) -> CommandResult<()> {
    let color = match stage.standing {
        Reproduced::Confirmed => style::GOOD,
        Reproduced::Diverges => style::BAD,
        _ => anstyle::Style::new(),
    };
    let standing = session.paint(color, format!("{:9}", stage.standing.word()));
    let Some(first) = stage.results.first() else {
        return Ok(());
    };
    let what = short_rref(&first.rrefs[0]);
    if stage.standing == Reproduced::Diverges {
        writeln!(out, "{standing}  {}", short_dref(&stage.dref))?;
        for result in &stage.results {
            let rref = session.paint(style::REFERENCE, short_rref(&result.rrefs[0]));
            writeln!(out, "    {rref}  {}", by(&result.makers, names))?;
            if let Some(change) = &result.first_difference {
                writeln!(out, "        {change}")?;
            }
        }
        return Ok(());
    }
    let why = match (stage.standing, stage.by) {
        (Reproduced::Confirmed, Some(by)) => {
            let by = match by {
                Independence::Keys => "keys",
                _ => "hosts",
            };
            let makers = shown(&first.makers, names);
            format!("by {} {by}: {makers}", first.makers.len())
        }
        (Reproduced::Follows, _) => {
            let causes: Vec<String> = stage.because.iter().map(short_dref).collect();
            format!("from {}, which diverges", causes.join(" and "))
        }
        (Reproduced::Unbuilt, _) => "no build of it is known".to_owned(),
        _ => by(&first.makers, names),
    };
    let what = session.paint(style::REFERENCE, what);
    Ok(writeln!(out, "{standing}  {what}  {why}")?)
}
