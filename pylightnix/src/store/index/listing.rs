//! The realizations of one derivation, packed.

use std::sync::Arc;

use super::Slice;
use crate::config::{DRefId, Digest, RRefId};
use crate::store::builds::{Builds, pack_builds};
use crate::store::bytes::{Reader, put_text, put_u32, put_u64};
use crate::store::context::Context;
use crate::store::realization::{Found, Realization};
use crate::store::record::Outcome;
use crate::store::tree::TreeDigest;
use crate::{Error, ErrorKind, Result};

/// What a look into a derivation's folder gave.
#[derive(Clone)]
pub(in crate::store) struct Listing(pub(super) Slice);

/// One of its realizations.
pub(in crate::store) struct Listed<'a> {
    listing: &'a Listing,
    hash: [u8; 16],
    outcome: Outcome,
    tree: TreeDigest,
    context: &'a [u8],
    unreadable: &'a [u8],
    /// Where its builds lie in the bytes of the listing.
    builds: std::ops::Range<usize>,
}

impl Listing {
    /// Packs what was found.
    pub(super) fn of(mut found: Vec<Found>) -> Self {
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut to = Vec::new();
        for one in &found {
            to.extend_from_slice(one.id.hash());
            to.push(u8::from(one.head.outcome == Outcome::Ok));
            to.extend_from_slice(&one.head.tree.digest.0);
            put_u64(&mut to, one.head.tree.size);
            put_text(&mut to, one.head.context.lines().as_bytes());
            put_text(&mut to, one.unreadable.join("\n").as_bytes());
            let length = to.len();
            put_u32(&mut to, 0);
            pack_builds(&mut to, &one.builds);
            let size = (to.len() - length - 4) as u32;
            to[length..length + 4].copy_from_slice(&size.to_le_bytes());
        }
        let at = 0..to.len();
        Listing(Slice {
            bytes: to.into(),
            at,
        })
    }

    pub(in crate::store) fn is_empty(&self) -> bool {
        self.0.at.is_empty()
    }

    /// Those in it, sorted by reference.
    pub(in crate::store) fn iter(&self) -> impl Iterator<Item = Listed<'_>> {
        let mut rest = Reader(self.0.get());
        std::iter::from_fn(move || {
            let hash = rest.array()?;
            let outcome = match rest.u8()? {
                1 => Outcome::Ok,
                _ => Outcome::Failed,
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
                tree,
                context,
                unreadable,
                builds: end - builds..end,
            })
        })
    }
}

impl Listed<'_> {
    /// Whether it was made from this.
    pub(in crate::store) fn is_made_from(&self, context: &Context) -> bool {
        self.context == context.lines().as_bytes()
    }

    /// What it was made from.
    pub(in crate::store) fn context(&self, dref: &DRefId) -> Result<Context> {
        let broken = || {
            let message = format!("what is known of {dref} is no context");
            Error::new(ErrorKind::Store, message)
                .help("delete the folder `cache/index` of the store")
        };
        let lines = std::str::from_utf8(self.context).map_err(|_| broken())?;
        let mut rrefs = Vec::new();
        for line in lines.lines() {
            let words = line.split(' ').skip(2);
            for word in words {
                rrefs.push(
                    word.parse()
                        .map_err(|error: Error| broken().because(error))?,
                );
            }
        }
        Ok(rrefs.into_iter().collect())
    }

    /// It, as a realization of `dref` that was made from `context`.
    pub(in crate::store) fn realization(
        &self,
        dref: &DRefId,
        context: &Context,
        objects: &Arc<std::path::Path>,
    ) -> Realization {
        let bytes = self.listing.0.bytes.clone();
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
            builds: Builds::packed(bytes, self.builds.clone()),
            unreadable,
            objects: objects.clone(),
        }
    }
}
