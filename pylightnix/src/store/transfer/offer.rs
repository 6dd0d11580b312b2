//! What a store offers to another.

use std::fmt::Write as _;
use std::io::{self, Read, Write};

use crate::config::RRefId;
use crate::store::Store;
use crate::store::known::signatures::files_of_builds;
use crate::store::publish::copy::in_order;
use crate::{Error, Result};

/// The first line of an offer.
const FORM: &str = "pylightnix-offer-v1";

/// Realizations that a store offers to another, with everything that they were made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Dependencies first.
    pub(super) all: Vec<Offered>,
}

/// A realization that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offered {
    pub(super) rref: RRefId,
    /// The names of its build records and signatures, without `build-`. Logs come with their records.
    pub(super) builds: Vec<String>,
}

impl Store {
    /// Returns what this store offers of these realizations, with everything that they were made from. Reads no artifacts.
    ///
    /// ```
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{ArchiveFile, BuildKind, BuildRecord, Context, Outcome, Pack, Store, Unpack};
    /// # let folder = tempfile::tempdir()?;
    /// # let mine = Store::open(folder.path().join("mine"))?;
    /// # let theirs = Store::open(folder.path().join("theirs"))?;
    /// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
    /// # let build = BuildRecord::now(BuildKind::Build);
    /// # let rref = mine.plumbing().draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
    /// let offer = mine.offer([&rref])?;
    /// let lacking = theirs.lacking(&offer)?; // on the other side of a connection, say
    /// let mut archive = Vec::new();
    /// Pack::new(&mine).write_lacking_to(&offer, &lacking, &mut archive)?;
    /// Unpack::new(&theirs).thin().read_file(&ArchiveFile::from_stream(&archive[..], "it", None)?)?;
    /// assert!(theirs.has(&rref)?);
    /// assert!(theirs.lacking(&mine.offer([&rref])?)?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails if one is not in the store, or cannot be read.
    pub fn offer<R: AsRef<RRefId>>(&self, roots: impl IntoIterator<Item = R>) -> Result<Offer> {
        let roots: Vec<RRefId> = (roots.into_iter())
            .map(|root| root.as_ref().clone())
            .collect();
        self.use_derivations(roots.iter().map(RRefId::dref))?;
        let mut all = Vec::new();
        for rref in in_order(self, &roots)? {
            let builds = files_of_builds(self, &rref)?;
            all.push(Offered { rref, builds });
        }
        Ok(Offer { all })
    }
}

impl Offer {
    /// Returns the realizations, dependencies first.
    pub fn rrefs(&self) -> impl Iterator<Item = &RRefId> {
        self.all.iter().map(|offered| &offered.rref)
    }

    /// Writes the offer to a connection.
    ///
    /// # Errors
    /// Fails if the connection does.
    pub fn write_to(&self, to: &mut impl Write) -> Result<()> {
        let mut text = format!("{FORM}\n");
        for Offered { rref, builds } in &self.all {
            // Cannot fail: a text takes everything.
            let _ = write!(text, "{rref}");
            for build in builds {
                let _ = write!(text, " {build}");
            }
            text.push('\n');
        }
        super::write(&text, to).map_err(|error| closed(error, "offered"))
    }

    /// Reads an offer from a connection.
    ///
    /// # Errors
    /// Fails if the connection does, or if what comes is no offer.
    pub fn read_from(from: &mut impl Read) -> Result<Self> {
        let text = super::read(from)?;
        let lines = text
            .strip_prefix(FORM)
            .and_then(|text| text.strip_prefix('\n'))
            .ok_or_else(|| super::not_understood("it is no offer of this version"))?;
        let mut all = Vec::new();
        for line in lines.lines() {
            let mut words = line.split(' ').map(str::to_owned);
            let rref = words.next().unwrap_or_default().parse()?;
            let builds = words.collect();
            all.push(Offered { rref, builds });
        }
        Ok(Offer { all })
    }
}

/// Returns the error for a connection that takes nothing more.
pub(super) fn closed(error: io::Error, what: &str) -> Error {
    let text = format!("what is {what} cannot be sent to the other store");
    Error::new(crate::ErrorKind::Remote, text).because(error)
}
