//! Notes and tags: adding them to realizations, and retracting them.

use uuid::Uuid;

use crate::config::RRefId;
use crate::store::Store;
use crate::store::object::attached::{Attached, Remark, RemarkKind};
use crate::{Error, ErrorKind, Result};

/// The maximal length of a note, in bytes.
const LONGEST_NOTE: usize = 64 << 10;
/// The maximal length of a tag, in bytes.
const LONGEST_TAG: usize = 100;

impl Store {
    /// Adds a note to a realization, and returns its identifier. Notes are not part of the identity, and count nowhere: they are
    /// for people. They are copied, packed and unpacked with the build records, so that those of several machines come together,
    /// and are removed with the realization.
    ///
    /// ```
    /// # use pylightnix::prelude::*;
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome};
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # let config = ConfigJson::from_json("{\"name\": \"train\"}")?;
    /// # let build = BuildRecord::now(BuildKind::Build);
    /// # let rref = store.plumbing().draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
    /// let id = store.note(&rref, "the loss has a kink at step 300")?;
    /// store.tag(&rref, "best")?;
    /// let realization = store.realization(&rref)?;
    /// assert_eq!(realization.remarks()[0].text, "the loss has a kink at step 300");
    /// assert_eq!(realization.tags(), ["best"]);
    /// assert_eq!(store.refer_to_realization("train@best")?, rref);
    ///
    /// store.retract(&rref, id)?;
    /// store.untag(&rref, "best")?;
    /// assert!(store.realization(&rref)?.remarks().is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the text is empty or longer than 64 KiB, if the realization is not in the store ([`ErrorKind::Missing`]), or if a
    /// system call fails.
    pub fn note(&self, rref: impl AsRef<RRefId>, text: &str) -> Result<Uuid> {
        let fault = match text.len() {
            _ if text.trim().is_empty() => "a note needs a text".to_owned(),
            length if length > LONGEST_NOTE => {
                format!("the note has {length} bytes, and {LONGEST_NOTE} is the most")
            }
            _ => return self.attach(rref.as_ref(), Attached::note(text)),
        };
        Err(Error::new(ErrorKind::Reference, fault)
            .with_help("a note is for people: keep long texts in an artifact"))
    }

    /// Gives a tag to a realization: a short name by which `find` finds it, and by which it is called `train@best`. Several
    /// realizations may have the same tag. A tag that the realization has already is not added again.
    ///
    /// # Errors
    /// Fails if `name` is no tag: letters, digits, `-`, `_` and `.`, at most 100 bytes, and not only digits. Also fails as
    /// [`note`](Self::note) does.
    pub fn tag(&self, rref: impl AsRef<RRefId>, name: &str) -> Result<()> {
        if !is_tag(name) {
            let message = format!("{name:?} is not a tag");
            return Err(Error::new(ErrorKind::Reference, message).with_help(
                "a tag has letters, digits, `-`, `_` and `.`, at most 100 bytes, and is not a number, as `train@2` is the second \
                 newest `train`; `note` takes any text",
            ));
        }
        let rref = rref.as_ref();
        if self.with_tag(rref, name)?.is_empty() {
            self.attach(rref, Attached::tag(name))?;
        }
        Ok(())
    }

    /// Removes a tag from a realization. Returns whether it had the tag.
    ///
    /// # Errors
    /// Fails if the realization is not in the store ([`ErrorKind::Missing`]), or if a system call fails.
    pub fn untag(&self, rref: impl AsRef<RRefId>, name: &str) -> Result<bool> {
        let rref = rref.as_ref();
        let ids = self.with_tag(rref, name)?;
        let had = !ids.is_empty();
        if had {
            self.attach(rref, Attached::retracting(ids))?;
        }
        Ok(had)
    }

    /// Retracts a note or a tag of a realization by its identifier. The record of it stays, so that copies of it elsewhere are
    /// retracted, too, when they come together with the retraction.
    ///
    /// # Errors
    /// Fails if the realization is not in the store or has no such remark ([`ErrorKind::Missing`]), or if a system call fails.
    pub fn retract(&self, rref: impl AsRef<RRefId>, id: Uuid) -> Result<()> {
        let rref = rref.as_ref();
        let remarks = self.realization(rref)?.remarks();
        if !remarks.iter().any(|remark| remark.id == id) {
            let message = format!("{rref} has no note or tag {id}");
            return Err(Error::new(ErrorKind::Missing, message)
                .with_help("`note REF` lists them with their identifiers"));
        }
        self.attach(rref, Attached::retracting(vec![id]))?;
        Ok(())
    }

    fn with_tag(&self, rref: &RRefId, name: &str) -> Result<Vec<Uuid>> {
        let is_it = |remark: &Remark| remark.kind == RemarkKind::Tag && remark.text == name;
        let remarks = self.realization(rref)?.remarks();
        let with = remarks.iter().filter(|remark| is_it(remark));
        Ok(with.map(|remark| remark.id).collect())
    }

    fn attach(&self, rref: &RRefId, attached: Attached) -> Result<Uuid> {
        let builds = self.builds(rref)?;
        let record = attached.into_record(builds.last());
        self.add_build(rref, &record, None)?;
        Ok(record.id)
    }
}

/// Whether a text can be a tag.
pub(in crate::store) fn is_tag(name: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    (1..=LONGEST_TAG).contains(&name.len())
        && name.chars().all(is_plain)
        && !name.chars().all(char::is_numeric)
}
