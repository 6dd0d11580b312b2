//! Who reproduced a result: the builds of a derivation are compared, as far as they are by the same code and read the same.

mod compare;
mod evidence;
mod makers;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::config::{DRefId, RRefId};
use crate::keys::KeyId;
use crate::store::remote::Remote;
use crate::store::{FileChange, Store};
use crate::{Error, Result};
use compare::compare;
use evidence::Evidence;

/// A question who reproduced results. See [`Store::confirm`].
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `run` is called"]
pub struct Confirm<'a> {
    store: &'a Store,
    remote: Option<&'a Remote>,
}

/// Who reproduced results.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Confirmation {
    /// What is known of each stage; dependencies first.
    pub stages: Vec<Reproduction>,
    /// Why parts of what a remote has were passed over.
    #[serde(skip)]
    pub told: Vec<Error>,
}

/// The builds of one derivation by one code that read the same, and what they gave.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Reproduction {
    /// The derivation.
    pub dref: DRefId,
    /// The fingerprint of the code.
    pub fingerprint: Option<String>,
    /// The index of the run, of a stage with several.
    pub index: Option<usize>,
    /// What follows from the results.
    pub standing: Reproduced,
    /// By what the builds are independent; `None` if fewer than two are.
    pub by: Option<Independence>,
    /// The different results. More than one if they diverge.
    pub results: Vec<ReproducedResult>,
    /// If it follows from others, the derivations that diverge among those that it was made from.
    pub because: Vec<DRefId>,
}

/// What the builds of a stage say about its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Reproduced {
    /// Independent builds gave the same result.
    Confirmed,
    /// No independent build is known that read the same.
    Alone,
    /// Builds that read the same gave different results: the difference begins here.
    Diverges,
    /// Others read something else, as a stage before it diverges.
    Follows,
    /// No build of it is known: it was imported, accepted, or carried from another context, or by code without a fingerprint.
    Unbuilt,
}

impl Reproduced {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Reproduced::Confirmed => "confirmed",
            Reproduced::Alone => "alone",
            Reproduced::Diverges => "diverges",
            Reproduced::Follows => "follows",
            Reproduced::Unbuilt => "unbuilt",
        }
    }
}

/// By what builds are independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Independence {
    /// Each is signed, by another key.
    Keys,
    /// They are from different hosts, as not all are signed. A build record may say any host.
    Hosts,
}

/// A result, and who made it.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct ReproducedResult {
    /// The realizations with this result: several if they were made from others that read alike.
    pub rrefs: Vec<RRefId>,
    /// Those who made it, each independent of the others.
    pub makers: Vec<Maker>,
    /// The first file that differs from the first result, by path, with the place in it if both are here; `None` of the first.
    pub first_difference: Option<FileChange>,
}

/// Somebody who made a result: builds that are not independent of each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Maker {
    /// The keys that signed the builds and that are known here; none if there are none.
    #[serde(serialize_with = "as_texts")]
    pub keys: Vec<KeyId>,
    /// The names of the machines, as the build records say them.
    pub hosts: Vec<String>,
    /// The builds.
    pub builds: Vec<Uuid>,
}

fn as_texts<S: Serializer>(keys: &[KeyId], to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_seq(keys.iter().map(KeyId::to_string))
}

impl Store {
    /// Prepares the question who reproduced results.
    ///
    /// Builds are compared that are of the same derivation, by the same code, and that read the same, by digests: what a run did not look at does
    /// not matter. Only builds count: what was carried, accepted or imported confirms nothing, and a build record that was copied is still the
    /// same build. Builds are independent if they are signed by different keys that are [known](Self::keys) here, and else if they are from different
    /// hosts. A build that two keys signed does not tell which of them made it, and is independent of neither.
    ///
    /// ```
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
    /// use pylightnix::store::Reproduced;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
    /// # let mut build = BuildRecord::now(BuildKind::Build);
    /// # build.fingerprint = Some("0123".to_owned());
    /// # let rref = store.plumbing().draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
    /// let confirmation = store.confirm().run([&rref])?;
    /// assert_eq!(confirmation.stages[0].standing, Reproduced::Alone);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn confirm(&self) -> Confirm<'_> {
        Confirm {
            store: self,
            remote: None,
        }
    }
}

impl<'a> Confirm<'a> {
    /// Compares also with the builds that a remote has: the records of what is not here are fetched, and verified. Nothing is published.
    pub fn remote(mut self, remote: &'a Remote) -> Self {
        self.remote = Some(remote);
        self
    }

    /// Asks about realizations and everything that they were made from.
    ///
    /// # Errors
    /// Fails if one is not in the store or is corrupt; if the remote cannot be reached; or if a system call fails.
    pub fn run<R: AsRef<RRefId>>(self, roots: impl IntoIterator<Item = R>) -> Result<Confirmation> {
        let mut asked = Vec::new();
        for root in roots {
            asked.extend(self.store.closure(root.as_ref())?);
        }
        self.of(Some(&asked))
    }

    /// Asks about all realizations in the store.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_every(self) -> Result<Confirmation> {
        self.of(None)
    }

    fn of(self, asked: Option<&[RRefId]>) -> Result<Confirmation> {
        let evidence = Evidence::gather(self.store, self.remote, asked)?;
        compare(self.store, evidence, asked)
    }
}

impl Confirmation {
    /// Whether no builds diverge.
    pub fn agrees(&self) -> bool {
        let mut stages = self.stages.iter();
        stages.all(|stage| stage.standing != Reproduced::Diverges)
    }
}
