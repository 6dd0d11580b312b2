//! One run of a stage for comparison with the store. Publishes nothing.

use std::path::PathBuf;

use super::runs::{keep_failed, rehearse};
use crate::config::RRefId;
use crate::realize::decide::decision::DecisionInput;
use crate::realize::options::Realize;
use crate::realize::report::event::Event;
use crate::store::{Draft, FileChange, Manifest, Store, TreeDigest, compare};
use crate::{BoxError, Error, Result};

/// The output of such a run, in a folder of its own, which is removed when this is dropped.
pub(in crate::realize) struct Rehearsal {
    draft: Draft,
    manifest: Manifest,
}

/// Makes run `index` of the stage with index `at` again. The inner error is that of the stage.
pub(in crate::realize) fn rehearsed(
    options: &Realize<'_>,
    at: usize,
    input: &DecisionInput<'_>,
    index: usize,
) -> Result<Result<Rehearsal, Error>> {
    let dref = input.dref.id();
    options.notify(&Event::Started { dref, index });
    let mut draft = input.store.draft_of(dref, index)?;
    let run = rehearse(options, at, input, &mut draft, index);
    let made = run.and_then(|()| draft.manifest().map_err(BoxError::from));
    Ok(match made {
        Ok(manifest) => Ok(Rehearsal { draft, manifest }),
        Err(cause) => Err(keep_failed(draft, input.titled(), index, 1, cause, None)),
    })
}

impl Rehearsal {
    pub(in crate::realize) fn tree(&self) -> TreeDigest {
        self.manifest.digest()
    }

    /// Compares the output with a realization, file by file.
    pub(in crate::realize) fn differences(
        &self,
        store: &Store,
        stored: &RRefId,
    ) -> Result<Vec<FileChange>> {
        let record = store.record(stored)?;
        let mut files = compare(record.manifest(), &self.manifest);
        for change in &mut files {
            change.read_contents(&store.out_dir(stored), self.draft.out())?;
        }
        Ok(files)
    }

    /// Keeps the folder of the output with the failed builds, and returns it.
    pub(in crate::realize) fn keep(self, stored: &RRefId) -> Result<PathBuf> {
        self.draft.keep_failed(stored.name())
    }
}
