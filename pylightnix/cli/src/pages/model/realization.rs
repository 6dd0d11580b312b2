//! A realization with all that is known of it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::{Query, Reader};
use crate::exit::CommandResult;
use crate::progress::visible;
use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::internal::open_regular;
use pylightnix::realize::why::Why;
use pylightnix::store::{
    BuildRecord, Entry, EntryKind, Realization, Record, RecordedSeries, Remark,
};

/// The number of bytes at the end of a log that are shown.
const TAIL: u64 = 16 << 10;

/// A realization.
pub(crate) struct RealizationPage {
    pub(crate) realization: Realization,
    pub(crate) record: Record,
    pub(crate) config: ConfigJson,
    pub(crate) remarks: Vec<Remark>,
    pub(crate) series: Vec<RecordedSeries>,
    /// The realizations that were made from it; `None` if they were not looked for.
    pub(crate) dependents: Option<Vec<RRefId>>,
    /// The other realizations of its derivation.
    pub(crate) siblings: Vec<RRefId>,
    /// The builds, the newest first, each with whether it has a log.
    pub(crate) builds: Vec<(BuildRecord, bool)>,
    pub(crate) log: Option<LogText>,
    /// Why it was made; an error if that is not known.
    pub(crate) why: Result<Why, String>,
}

/// A log, or its end.
pub(crate) struct LogText {
    pub(crate) text: String,
    /// The number of bytes that are left out before it.
    pub(crate) left_out: u64,
}

impl RealizationPage {
    pub(crate) fn read(reader: &Reader, rref: &RRefId, query: &Query) -> CommandResult<Self> {
        let store = &reader.store;
        let realization = store.realization(rref)?;
        let dependents = match query.first("dependents").is_some() || !reader.is_large()? {
            true => Some(store.dependents_readable(rref)?.0),
            false => None,
        };
        let dependents = dependents.map(|mut all| {
            all.retain(|one| reader.shows(one));
            all
        });
        let logs = realization.builds_newest_first();
        let logs: Vec<_> = logs
            .map(|build| (build.clone(), store.log_of(rref, build)))
            .collect();
        let log = logs.iter().find_map(|(_, log)| log.as_deref());
        let mut siblings = store.rrefs_of(rref.dref())?;
        siblings.retain(|other| other != rref && reader.shows(other));
        Ok(RealizationPage {
            log: log.and_then(|path| LogText::end_of(path, TAIL)),
            builds: logs
                .into_iter()
                .map(|(build, log)| (build, log.is_some()))
                .collect(),
            record: store.record(rref)?,
            config: store.config(rref.dref())?,
            remarks: realization.remarks(),
            series: store.series(rref)?,
            why: why(reader, rref),
            siblings,
            dependents,
            realization,
        })
    }

    pub(crate) fn id(&self) -> &RRefId {
        &self.realization.id
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        self.record.manifest().entries()
    }

    /// Returns the total size of its files in bytes.
    pub(crate) fn size(&self) -> u64 {
        let sizes = self.entries().iter().map(|entry| match entry.kind {
            EntryKind::File { size, .. } => size,
            _ => 0,
        });
        sizes.sum()
    }
}

/// Returns why a realization was made. Where realizations are chosen, it tells of no other.
fn why(reader: &Reader, rref: &RRefId) -> Result<Why, String> {
    let why = reader.store.why(rref).map_err(|error| error.to_string())?;
    let are_shown = why.changes.iter().all(|change| {
        let rrefs = [&change.old.rref, &change.new.rref];
        rrefs.into_iter().flatten().all(|rref| reader.shows(rref))
    });
    match are_shown {
        true => Ok(why),
        false => Err("It differs from a version that is not among the chosen results.".to_owned()),
    }
}

impl LogText {
    /// Reads the last bytes of a log, from the beginning of a line. What cannot be read is not shown.
    pub(crate) fn end_of(path: &Path, most: u64) -> Option<Self> {
        let (mut file, length): (File, u64) = open_regular(path).ok()?;
        let begin = length.saturating_sub(most);
        file.seek(SeekFrom::Start(begin)).ok()?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let (text, left_out) = match (begin, text.split_once('\n')) {
            (0, _) | (_, None) => (&*text, begin),
            (_, Some((cut, rest))) => (rest, begin + cut.len() as u64 + 1),
        };
        let lines = text.lines().map(|line| visible(line, false) + "\n");
        Some(LogText {
            text: lines.collect(),
            left_out,
        })
    }
}
