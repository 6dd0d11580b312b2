//! The operations into which faults are injected, and the invariants afterwards.

use pylightnix::config::RRefId;
use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::actor::{self, Ended};
use crate::invariants::{Expected, Violated, faults, holds, holds_after};
use crate::scene::Scene;

/// An operation.
#[derive(Debug)]
pub struct Operation {
    /// The name in figures.
    pub name: &'static str,
    /// The arguments of the actor; a name in braces is a path in the scene or a reference.
    words: &'static [&'static str],
    leaves: Leaves,
    /// Whether another process uses a realization meanwhile.
    pub held: bool,
}

/// The expected content of the store afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    /// Everything.
    All,
    /// What is protected.
    Kept,
    /// What is protected, and a complete archive or none.
    Archive,
    /// A new store.
    New,
    /// Damage, at most as much as before.
    Damage,
}

const fn operation(
    name: &'static str,
    words: &'static [&'static str],
    leaves: Leaves,
    held: bool,
) -> Operation {
    Operation {
        name,
        words,
        leaves,
        held,
    }
}

/// All operations.
pub const OPERATIONS: &[Operation] = &[
    operation(
        "publish",
        &["publish", "{store}", "new", "2"],
        Leaves::All,
        false,
    ),
    operation(
        "publish again",
        &["publish", "{store}", "garbage", "2"],
        Leaves::All,
        false,
    ),
    operation(
        "publish another",
        &["publish another", "{store}", "garbage"],
        Leaves::All,
        false,
    ),
    operation(
        "carry",
        &["carry", "{store}", "garbage"],
        Leaves::All,
        false,
    ),
    operation(
        "make a store",
        &["publish", "{fresh}", "new", "1"],
        Leaves::New,
        false,
    ),
    operation(
        "realize",
        &["realize", "{store}", "2", "100"],
        Leaves::All,
        false,
    ),
    operation("fail", &["fail", "{store}"], Leaves::All, false),
    operation("gc", &["gc", "{store}"], Leaves::Kept, false),
    operation("gc beside a lease", &["gc", "{store}"], Leaves::Kept, true),
    operation("check", &["check", "{store}"], Leaves::All, false),
    operation(
        "pack",
        &["pack", "{store}", "{new.zip}"],
        Leaves::Archive,
        false,
    ),
    operation(
        "pack again",
        &["pack", "{peer}", "{old.zip}"],
        Leaves::Archive,
        false,
    ),
    operation(
        "unpack",
        &["unpack", "{store}", "{peer.zip}"],
        Leaves::All,
        false,
    ),
    operation("copy", &["copy", "{store}", "{peer}"], Leaves::All, false),
    operation(
        "link",
        &["link", "{store}", "{garbage 1}", "{new-link}"],
        Leaves::All,
        false,
    ),
    operation(
        "link again",
        &["link", "{store}", "{kept 0}", "{old-link}"],
        Leaves::All,
        false,
    ),
    operation(
        "root",
        &["root", "{store}", "{garbage 1}", "another"],
        Leaves::All,
        false,
    ),
    operation("note", &["note", "{store}", "{kept 0}"], Leaves::All, false),
    operation("journal", &["journal", "{store}"], Leaves::All, false),
    operation(
        "remove",
        &["remove", "{store}", "{garbage 1}"],
        Leaves::Kept,
        false,
    ),
    operation(
        "repair",
        &["repair", "{broken}", "{peer}"],
        Leaves::Damage,
        false,
    ),
];

impl Operation {
    /// Returns the arguments of the actor.
    #[must_use]
    pub fn arguments(&self, scene: &Scene) -> Vec<String> {
        let filled = |word: &&str| {
            let Some(inner) = word
                .strip_prefix('{')
                .and_then(|word| word.strip_suffix('}'))
            else {
                return (*word).to_owned();
            };
            match inner.split_once(' ') {
                Some(("kept", at)) => scene.kept[at.parse::<usize>().unwrap_or(0)].to_string(),
                Some((_, at)) => scene.garbage[at.parse::<usize>().unwrap_or(0)].to_string(),
                None => scene.text(inner),
            }
        };
        self.words.iter().map(filled).collect()
    }

    fn root(&self, scene: &Scene) -> PathBuf {
        PathBuf::from(&self.arguments(scene)[1])
    }

    /// Checks the invariants after the actor has ended. `held` is the realization that another process uses.
    ///
    /// # Errors
    /// Fails with the violation.
    pub fn verify(
        &self,
        scene: &Scene,
        program: &std::path::Path,
        ended: &Ended,
        held: Option<&RRefId>,
    ) -> Violated {
        if !ended.is_orderly() {
            return Err(format!("it ended with {ended:?}"));
        }
        let root = self.root(scene);
        let acknowledged = ended.acknowledged.iter().cloned();
        let mut expected = Expected::default();
        expected.kept.extend(held.cloned());
        match self.leaves {
            Leaves::Damage => return self.verify_repaired(scene, program, &root),
            Leaves::New => {}
            // The other archive is that of the peer, which has the same chain and no root.
            Leaves::Archive if root.ends_with("peer") => {}
            _ => expected.kept.extend(scene.kept.iter().cloned()),
        }
        if matches!(self.leaves, Leaves::All | Leaves::Archive) && root.ends_with("store") {
            expected.there.clone_from(&scene.all);
        }
        match self.words[0] {
            "link" | "root" => expected.kept.extend(acknowledged),
            _ => expected.there.extend(acknowledged),
        }
        if self.leaves == Leaves::Archive {
            self.verify_archive(scene, program, ended)?;
        }
        holds(&root, &expected)?;
        holds_after(program, &root, &expected, usize::from(held.is_some()))
    }

    /// Checks that an archive is complete or missing; an old one stays until it is replaced.
    fn verify_archive(&self, scene: &Scene, program: &std::path::Path, ended: &Ended) -> Violated {
        let archive = &self.arguments(scene)[2];
        let must = ended.done || archive.ends_with("old.zip");
        if !must && !PathBuf::from(archive).exists() {
            return Ok(());
        }
        let root = scene.text("unpacked");
        let unpacked = actor::run(program, &["unpack", &root, archive]);
        let unpacked = unpacked.map_err(|error| error.to_string())?;
        if !unpacked.is_good() || unpacked.acknowledged.is_empty() {
            return Err(format!("the archive is not whole: {unpacked:?}"));
        }
        let there: BTreeSet<RRefId> = unpacked.acknowledged.into_iter().collect();
        let kept = BTreeSet::new();
        holds(&PathBuf::from(root), &Expected { there, kept })
    }

    /// Checks that the damage has not increased, and that another repair completes.
    fn verify_repaired(
        &self,
        scene: &Scene,
        program: &std::path::Path,
        root: &std::path::Path,
    ) -> Violated {
        let damaged = [&scene.kept[0], &scene.kept[1], &scene.garbage[2]];
        for fault in faults(root)? {
            // A dependent of a quarantined realization misses it until it is restored.
            let known = fault
                .rref
                .as_ref()
                .is_some_and(|rref| damaged.contains(&rref) || rref == &scene.kept[2]);
            if !known && fault.kind != pylightnix::store::FaultKind::Root {
                return Err(format!("repair made it worse: {fault}"));
            }
        }
        let (text, peer) = (root.to_string_lossy(), scene.text("peer"));
        let again = actor::run(program, &["repair", &text, &peer]);
        let again = again.map_err(|error| error.to_string())?;
        if !again.is_good() {
            return Err(format!("repairing again: {again:?}"));
        }
        let kept: BTreeSet<RRefId> = scene.kept.iter().cloned().collect();
        let there = scene.all.iter().filter(|rref| **rref != scene.garbage[2]);
        let expected = Expected {
            there: there.cloned().collect(),
            kept,
        };
        holds(root, &expected)?;
        holds_after(program, root, &expected, 0)
    }
}
