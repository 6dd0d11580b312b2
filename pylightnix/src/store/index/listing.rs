//! The packed list of one derivation's realizations.

use std::sync::Arc;

use uuid::Uuid;

use super::SharedBytes;
use crate::config::{DRefId, Digest, Name, RRefId};
use crate::store::disk::bytes::{Reader, put_sized, put_text, put_u64};
use crate::store::object::build_mark::RawMark;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::builds::{BuildHead, Builds, pack_builds, packed};
use crate::store::object::context::Context;
use crate::store::object::realization::{LoadedRealization, Realization};
use crate::store::object::record::{Outcome, RecordHead};
use crate::store::object::tree::TreeDigest;
use crate::{Error, ErrorKind, Result};

/// The content of a derivation's folder, packed.
#[derive(Clone)]
pub(in crate::store) struct Listing(pub(super) SharedBytes);

/// One realization in a listing.
pub(in crate::store) struct Listed<'a> {
    listing: &'a Listing,
    hash: [u8; 16],
    outcome: Outcome,
    lacks_a_promise: bool,
    is_stub: bool,
    tree: TreeDigest,
    context: &'a [u8],
    unreadable: &'a [u8],
    /// The range of the builds in the bytes of the listing.
    builds: std::ops::Range<usize>,
}

/// Encodings of the outcome.
const FAILED: u8 = 0;
const KEEPS_ITS_PROMISES: u8 = 1;
/// Possible only for realizations from earlier versions, or added by other means.
const LACKS_A_PROMISE: u8 = 2;
/// A success that keeps its promises, and whose files are not here.
const STUB: u8 = 3;

impl Listing {
    /// Packs the realizations and marks of a derivation.
    pub(super) fn of(mut found: Vec<LoadedRealization>, marks: &[RawMark]) -> Self {
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut to = Vec::new();
        put_sized(&mut to, |to| {
            for (name, bytes) in marks {
                put_text(to, name.as_bytes());
                put_text(to, bytes);
            }
        });
        for one in &found {
            let ended = match one.head.outcome {
                Outcome::Failed => FAILED,
                Outcome::Ok if one.lacks_a_promise => LACKS_A_PROMISE,
                Outcome::Ok if one.is_stub => STUB,
                Outcome::Ok => KEEPS_ITS_PROMISES,
            };
            put_one(
                &mut to,
                &one.id,
                &one.head,
                ended,
                &one.unreadable,
                (&one.builds, &one.attached),
            );
        }
        Listing(SharedBytes::new(to))
    }

    /// Packs a realization that was just published, and keeps its promises unless it is a failure.
    pub(in crate::store) fn of_published(
        id: &RRefId,
        head: &RecordHead,
        build: &BuildRecord,
        attached: &[BuildRecord],
    ) -> Self {
        let ended = match head.outcome {
            Outcome::Failed => FAILED,
            Outcome::Ok => KEEPS_ITS_PROMISES,
        };
        let mut to = Vec::new();
        put_sized(&mut to, |_| ());
        let builds = std::slice::from_ref(build);
        put_one(&mut to, id, head, ended, &[], (builds, attached));
        // It may stay in memory until the end of the run.
        to.shrink_to_fit();
        Listing(SharedBytes::new(to))
    }

    /// Unpacks the only realization of `dref`, which was made from `context`; `None` if there are several.
    pub(in crate::store) fn only(
        &self,
        dref: &DRefId,
        context: &Context,
        objects: &Arc<std::path::Path>,
    ) -> Option<Realization> {
        let mut listed = self.iter();
        let only = listed.next().filter(|_| listed.next().is_none())?;
        Some(only.realization(dref, context, objects))
    }

    pub(in crate::store) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Iterates over the marks of the derivation: names and contents.
    pub(in crate::store) fn marks(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = Reader(Reader(self.0.get()).bytes().unwrap_or_default());
        std::iter::from_fn(move || Some((rest.text()?, rest.bytes()?)))
    }

    /// Iterates over the realizations made from this context, sorted by reference.
    pub(in crate::store) fn made_from<'l>(
        &'l self,
        context: &'l Context,
    ) -> impl Iterator<Item = Listed<'l>> {
        let from = || {
            let rrefs = context.realizations();
            rrefs.map(|rref| (rref.hash(), rref.dref().hash()))
        };
        self.iter().filter(move |one| one.is_made_from(from()))
    }

    /// Iterates over the realizations, sorted by reference.
    pub(in crate::store) fn iter(&self) -> impl Iterator<Item = Listed<'_>> {
        let mut rest = Reader(self.0.get());
        let _marks = rest.bytes();
        std::iter::from_fn(move || {
            let hash = rest.array()?;
            let ended = rest.u8()?;
            let outcome = match ended {
                FAILED => Outcome::Failed,
                _ => Outcome::Ok,
            };
            let tree = TreeDigest {
                digest: Digest(rest.array()?),
                size: rest.u64()?,
            };
            let (context, unreadable) = (rest.bytes()?, rest.bytes()?);
            let builds = rest.bytes()?.len();
            let end = self.0.at.end - rest.0.len();
            Some(Listed {
                listing: self,
                hash,
                outcome,
                lacks_a_promise: ended == LACKS_A_PROMISE,
                is_stub: ended == STUB,
                tree,
                context,
                unreadable,
                builds: end - builds..end,
            })
        })
    }
}

impl Listed<'_> {
    /// Returns the reference, given the derivation.
    pub(in crate::store) fn id(&self, dref: &DRefId) -> RRefId {
        RRefId::new(self.hash, dref.clone())
    }

    /// Whether `rref` is a direct dependency.
    pub(in crate::store) fn uses(&self, rref: &RRefId) -> bool {
        let mut rest = Reader(self.context);
        let mut next = || Some((rest.take(16)?, rest.take(16)?, rest.bytes()?));
        std::iter::from_fn(&mut next)
            .any(|(hash, dref, _)| hash == rref.hash() && dref == rref.dref().hash())
    }
}

impl Listing {
    /// Iterates over the hashes of the realizations.
    pub(in crate::store) fn hashes(&self) -> impl Iterator<Item = [u8; 16]> {
        self.iter().map(|one| one.hash)
    }
}

/// Encodes a realization, to be read by [`Listing::iter`].
fn put_one(
    to: &mut Vec<u8>,
    id: &RRefId,
    head: &RecordHead,
    ended: u8,
    unreadable: &[String],
    (builds, attached): (&[BuildRecord], &[BuildRecord]),
) {
    to.extend_from_slice(id.hash());
    to.push(ended);
    to.extend_from_slice(&head.tree.digest.0);
    put_u64(to, head.tree.size);
    put_sized(to, |to| put_context(to, &head.context));
    put_text(to, unreadable.join("\n").as_bytes());
    put_sized(to, |to| pack_builds(to, builds, attached));
}

/// Encodes a context, to be read by [`Listed::is_made_from`] and [`Listed::context`].
fn put_context(to: &mut Vec<u8>, context: &Context) {
    for rref in context.realizations() {
        to.extend_from_slice(rref.hash());
        to.extend_from_slice(rref.dref().hash());
        put_text(to, rref.name().as_str().as_bytes());
    }
}

impl Listed<'_> {
    /// Returns the hash of the reference.
    pub(in crate::store) fn hash(&self) -> &[u8; 16] {
        &self.hash
    }

    /// Returns whether the build succeeded.
    pub(in crate::store) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether it can be a candidate: it keeps all promises, or is a failure.
    pub(in crate::store) fn is_candidate(&self) -> bool {
        !self.lacks_a_promise
    }

    /// Whether it was made from exactly this context, given as the hashes of each realization and of its derivation, in the
    /// order of contexts. The hashes cover the names too.
    pub(in crate::store) fn is_made_from<'a>(
        &self,
        mut context: impl Iterator<Item = (&'a [u8; 16], &'a [u8; 16])>,
    ) -> bool {
        let mut rest = Reader(self.context);
        let mut is_next = |(rref, dref): (&[u8; 16], &[u8; 16])| {
            rest.take(16).is_some_and(|hash| hash == rref)
                && rest.take(16).is_some_and(|hash| hash == dref)
                && rest.bytes().is_some()
        };
        context.all(&mut is_next) && rest.0.is_empty()
    }

    /// Iterates over the build fields that decisions need, oldest first.
    pub(in crate::store) fn heads(&self) -> impl Iterator<Item = BuildHead<'_>> {
        let bytes = self.listing.0.bytes.get(self.builds.clone());
        packed(bytes.unwrap_or_default()).map(|(_, head)| head)
    }

    /// Iterates over the same, with the identifiers of the records.
    pub(in crate::store) fn identified(&self) -> impl Iterator<Item = (Uuid, BuildHead<'_>)> {
        let bytes = self.listing.0.bytes.get(self.builds.clone());
        packed(bytes.unwrap_or_default())
    }

    /// Returns the builds.
    pub(in crate::store) fn builds(&self) -> Builds {
        Builds::packed(self.listing.0.bytes.clone(), self.builds.clone())
    }

    /// Decodes the context.
    pub(in crate::store) fn context(&self, dref: &DRefId) -> Result<Context> {
        let broken = || {
            let message = format!("the index entry of {dref} is not a context");
            Error::new(ErrorKind::Store, message)
                .with_help("delete the folder `cache/index` of the store")
        };
        let mut rest = Reader(self.context);
        let mut rrefs = Vec::new();
        while !rest.0.is_empty() {
            let mut next = || Some((rest.array()?, rest.array()?, rest.text()?));
            let (hash, dref_hash, name) = next().ok_or_else(broken)?;
            let name = Name::new(name).map_err(|error| broken().because(error))?;
            rrefs.push(RRefId::new(hash, DRefId::new(dref_hash, name)));
        }
        Ok(rrefs.into_iter().collect())
    }

    /// Unpacks the realization of `dref`, which was made from `context`.
    pub(in crate::store) fn realization(
        &self,
        dref: &DRefId,
        context: &Context,
        objects: &Arc<std::path::Path>,
    ) -> Realization {
        let unreadable = match self.unreadable {
            [] => Vec::new(),
            names => String::from_utf8_lossy(names)
                .split('\n')
                .map(str::to_owned)
                .collect(),
        };
        Realization {
            id: RRefId::new(self.hash, dref.clone()),
            context: context.clone(),
            outcome: self.outcome,
            tree: self.tree,
            builds: self.builds(),
            unreadable,
            objects: objects.clone(),
            is_stub: self.is_stub,
        }
    }
}
