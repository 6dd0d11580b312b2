//! `note` and `tag`: what people say of results.

use serde::Serialize;
use std::io::Write as _;

use crate::complete;
use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::{Session, style};
use crate::text::local_second;
use crate::visible;
use pylightnix::config::RRefId;
use pylightnix::store::{Remark, RemarkKind};

/// The number of digits of an identifier that are shown: those at its end, which are random.
const SHORT: usize = 12;

/// Write a note on a result
///
/// Use it when you want to remember something about a result. Notes and tags are kept beside the build records, go with the
/// result when it is packed or copied, and count nowhere. Without a text, those of the result are listed.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: on the newest `train`\n  pylightnix note train the loss has a kink at step 300"
)]
pub(crate) struct Note {
    /// A name, the beginning of a reference, or a link to a result
    #[arg(value_name = "REF", add = complete::references())]
    reference: String,
    /// The text
    #[arg(value_name = "TEXT")]
    text: Vec<String>,
    /// Retract the note or the tag with this identifier, or the end of one, as the list shows it
    #[arg(long, value_name = "ID", conflicts_with = "text")]
    remove: Option<String>,
}

/// Give a result a tag, by which it is found
///
/// Use it when you want to call a result by a name, as in `train@best`. Several results may have the same tag: `find --where
/// tag:best` finds all. Without a name, the notes and tags of the result are listed.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: the second newest `train`\n  pylightnix tag train@2 best")]
pub(crate) struct Tag {
    /// A name, the beginning of a reference, or a link to a result
    #[arg(value_name = "REF", add = complete::references())]
    reference: String,
    /// The tags: letters, digits, `-`, `_` and `.`
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Remove these tags
    #[arg(long, requires = "names")]
    remove: bool,
}

/// The JSON answer.
#[derive(Serialize)]
struct Answer {
    rref: RRefId,
    remarks: Vec<Remark>,
}

impl Note {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let rref = session.realization(&self.reference)?;
        if let Some(end) = &self.remove {
            let remarks = store.realization(&rref)?.remarks();
            let mut ending = remarks.iter().map(|remark| remark.id);
            let mut ending = ending.by_ref().filter(|id| id.to_string().ends_with(end));
            match (ending.next(), ending.next()) {
                (Some(id), None) => store.retract(&rref, id)?,
                (None, _) => {
                    return Err(CommandError::Usage(format!(
                        "no note or tag of {rref} has an identifier that ends with `{end}`: `note {}` lists them",
                        self.reference
                    )));
                }
                (Some(_), Some(_)) => {
                    return Err(CommandError::Usage(format!(
                        "several identifiers end with `{end}`: give more of one"
                    )));
                }
            }
        } else if !self.text.is_empty() {
            store.note(&rref, &self.text.join(" "))?;
        }
        list(session, rref)
    }
}

impl Tag {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let rref = session.realization(&self.reference)?;
        for name in &self.names {
            if !self.remove {
                store.tag(&rref, name)?;
            } else if !store.untag(&rref, name)? {
                session.say(format_args!("{rref} has no tag `{name}`"));
                return Ok(Exit::Failed);
            }
        }
        list(session, rref)
    }
}

/// Lists the notes and tags of a result.
fn list(session: &Session, rref: RRefId) -> CommandResult {
    let remarks = session.store()?.realization(&rref)?.remarks();
    session.print(&Answer { rref, remarks }, |answer, out| {
        for remark in &answer.remarks {
            let id = remark.id.to_string();
            let id = session.paint(style::REFERENCE, &id[id.len() - SHORT..]);
            writeln!(out, "{id}  {}", line(remark))?;
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

/// Formats a note or a tag for people.
pub(super) fn line(remark: &Remark) -> String {
    let text = visible::line(&remark.text);
    let said = match remark.kind {
        RemarkKind::Tag => format!("[{text}]"),
        _ => text.into_owned(),
    };
    let by = format!("by {} on {}", remark.user, remark.host);
    format!(
        "{}  {said}  {}",
        local_second(remark.time),
        visible::line(&by)
    )
}

/// Formats the name of a result with its tags.
pub(super) fn with_tags(name: &str, tags: &[String]) -> String {
    match tags.is_empty() {
        true => name.to_owned(),
        false => format!("{name} [{}]", visible::line(&tags.join(", "))),
    }
}
