//! The words of chosen realizations, which a search in files looks through.

use super::Reader;
use crate::exit::CommandResult;
use pylightnix::config::RRefId;

/// A realization with what a search finds it by, beside its reference: fields, tags and notes.
pub(crate) struct WordsOf {
    pub(crate) rref: RRefId,
    pub(crate) words: String,
}

impl WordsOf {
    pub(crate) fn read(reader: &Reader, rref: &RRefId) -> CommandResult<Self> {
        let realization = reader.store.realization(rref)?;
        let config = reader.store.config(rref.dref())?;
        let mut words = config.text().to_owned();
        for remark in realization.remarks() {
            words.push('\n');
            words.push_str(&remark.text);
        }
        let rref = rref.clone();
        Ok(WordsOf { rref, words })
    }
}
