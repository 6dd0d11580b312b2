//! Two or more realizations side by side.

use std::io::Read as _;

use super::artifact::is_picture;
use super::{Query, Reader};
use crate::exit::{CommandError, CommandResult};
use pylightnix::config::RRefId;
use pylightnix::store::{Comparison, Diff, EntryKind};

/// The most realizations side by side.
const MOST: usize = 16;
/// The most bytes of a text of which a diff is made.
const TEXT: u64 = 256 << 10;
/// The most files of which diffs are made.
const FILES: usize = 20;

/// Realizations side by side.
pub(crate) struct Compared {
    pub(crate) rrefs: Vec<RRefId>,
    pub(crate) table: Comparison,
    /// What differs between the first two, if there are two.
    pub(crate) diff: Option<Diff>,
    /// The files that differ between them, as far as they can be shown.
    pub(crate) files: Vec<FilePair>,
}

/// A file that both of two realizations have, with other bytes.
pub(crate) struct FilePair {
    pub(crate) path: String,
    /// The texts of both; `None` of anything but text.
    pub(crate) texts: Option<(String, String)>,
    pub(crate) is_picture: bool,
}

impl Compared {
    pub(crate) fn read(reader: &Reader, query: &Query) -> CommandResult<Self> {
        let store = &reader.store;
        let words = query.all("r").take(MOST);
        let rrefs: Vec<RRefId> = words
            .map(|word| store.refer_to_realization(word))
            .collect::<pylightnix::Result<_>>()?;
        if rrefs.len() < 2 {
            return Err(CommandError::Usage(
                "mark two realizations or more in the table of a stage to compare them".to_owned(),
            ));
        }
        let table = store.compare(&rrefs)?;
        let diff = match rrefs.as_slice() {
            [one, other] => Some(store.diff(one, other)?),
            _ => None,
        };
        let mut files = Vec::new();
        for change in diff.iter().flat_map(|diff| &diff.files) {
            let (Some(EntryKind::File { size: old, .. }), Some(EntryKind::File { size: new, .. })) =
                (&change.old, &change.new)
            else {
                continue;
            };
            let is_picture = is_picture(&change.path);
            let is_small = *old.max(new) <= TEXT && files.len() < FILES;
            let read = |rref: &RRefId| {
                let (_, file, _) = reader.open(rref, &change.path).ok()?;
                let mut text = String::new();
                file.take(TEXT).read_to_string(&mut text).ok()?;
                Some(text)
            };
            let texts = match (is_picture, is_small) {
                (false, true) => read(&rrefs[0]).zip(read(&rrefs[1])),
                _ => None,
            };
            files.push(FilePair {
                path: change.path.clone(),
                texts,
                is_picture,
            });
        }
        Ok(Compared {
            rrefs,
            table,
            diff,
            files,
        })
    }
}
