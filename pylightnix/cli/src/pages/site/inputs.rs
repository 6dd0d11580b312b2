//! What a site is made from, as digests: what has the same is not made again.

use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::Site;
use super::addresses::Address;
use super::folder::stamp_of;
use crate::exit::CommandResult;
use crate::pages::model::Reader;
use crate::text::local_second;
use pylightnix::config::{Digest, RRefId};

/// Digests of what a site is made from.
pub(super) struct Inputs {
    /// The program, the options and the time zone.
    base: String,
    whole: String,
}

impl Inputs {
    pub(super) fn read(
        site: &Site<'_>,
        name: &str,
        shown: &BTreeSet<RRefId>,
    ) -> CommandResult<Self> {
        let reader = site.reader;
        // Other versions of the program write other pages.
        let program = std::env::current_exe().and_then(|path| path.metadata());
        let program = program.map(|found| stamp_of(&found));
        let zone = local_second(Timestamp::UNIX_EPOCH);
        let base = format!(
            "{} {:?} {} {name} {:?} {zone}",
            env!("CARGO_PKG_VERSION"),
            program.ok(),
            site.pages,
            site.artifacts
        );
        let mut all = base.clone();
        for rref in reader.chosen().into_iter().flatten() {
            let _ = write!(all, "\n{rref} {}", shown.contains(rref));
        }
        // Why a result was made is told by others, too.
        let drefs = reader.store.drefs_named("*")?;
        for (_, found) in reader.store.realizations_of_each(&drefs) {
            for found in found {
                match found {
                    Ok(one) => {
                        let (builds, ended) = (one.build_count(), one.last_built());
                        let _ = write!(all, "\n{} {builds} {ended:?} {}", one.id, one.is_stub());
                        for remark in one.remarks() {
                            let _ = write!(all, " {}", remark.id);
                        }
                    }
                    Err(unread) => {
                        let _ = write!(all, "\n{}", unread.error);
                    }
                }
            }
        }
        for run in reader.store.runs()? {
            let standing = run.standing().ok();
            let _ = write!(all, "\n{} {standing:?}", run.id());
            for file in run.path().read_dir().into_iter().flatten().flatten() {
                let stamp = file.metadata().ok().map(|found| stamp_of(&found));
                let _ = write!(all, " {:?} {stamp:?}", file.file_name());
            }
        }
        Ok(Inputs {
            whole: digest(&all),
            base,
        })
    }

    /// Returns the digest of what the whole site is made from.
    pub(super) fn whole(&self) -> &str {
        &self.whole
    }

    /// Returns the digest of what the page or the file of an artifact is made from: it never changes. Other pages tell of several results.
    pub(super) fn of(&self, reader: &Reader, address: &Address) -> Option<String> {
        let rref = match address.bytes() {
            Some((rref, _)) => rref,
            None => {
                let (rref, _) = address.path.strip_prefix("/r/")?.split_once("/a/")?;
                rref.parse().ok()?
            }
        };
        let is_there = reader.store.out_dir(&rref).is_dir();
        let Address { path, query } = address;
        Some(digest(&format!("{} {is_there} {path} {query}", self.base)))
    }
}

fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}
