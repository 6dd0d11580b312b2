//! Fetching the files of stubs before a stage or a program reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Result;
use crate::config::{DRefId, RRefId};
use crate::lens::AnyRRef;
use crate::plan::{PlanGraph, Target};
use crate::realize::decide::decision::DecisionInput;
use crate::realize::options::Realize;
use crate::realize::report::event::Event;
use crate::store::{Read, Reads};

impl Realize<'_> {
    /// Returns what was chosen for a target, whose files are here then.
    pub(in crate::realize) fn hand_out<'c, T: Target + ?Sized>(
        &self,
        graph: &PlanGraph,
        target: &T,
        chosen: impl Fn(usize) -> Option<&'c Arc<[AnyRRef]>>,
    ) -> Result<T::Output> {
        let mut stubs = Vec::new();
        target.visit(&mut |dref| {
            let rrefs = graph.place(dref.id()).and_then(&chosen);
            let all = rrefs.into_iter().flat_map(|rrefs| rrefs.iter());
            stubs.extend(all.filter(is_stub));
        });
        self.fetch_files(stubs)?;
        Ok(graph.collect(target, chosen))
    }

    /// Fetches the files that a stage reads before it runs: those of its direct dependencies, and where it cannot fetch by itself, as its
    /// process has no network, what its earlier runs read further below.
    pub(in crate::realize) fn fetch_for(&self, input: &DecisionInput<'_>) -> Result<()> {
        let direct = input.chosen.iter().flat_map(|(_, rrefs)| rrefs.iter());
        let mut wanted: Vec<AnyRRef> = direct.filter(is_stub).cloned().collect();
        let stage = input.dref;
        if self.sealing(stage.node()).is_some() || self.elsewhere(stage).is_some() {
            wanted.extend(read_below(input)?);
        }
        self.fetch_files(&wanted)
    }

    /// Fetches the files of these realizations, as far as they are not here, and tells observers what came.
    pub(in crate::realize) fn fetch_files<'r>(
        &self,
        rrefs: impl IntoIterator<Item = &'r AnyRRef>,
    ) -> Result<()> {
        let stubs = rrefs.into_iter().map(AnyRRef::realization);
        let stubs = stubs.filter(|known| known.is_stub());
        let stubs: Vec<RRefId> = stubs.map(|known| known.id.clone()).collect();
        if stubs.is_empty() {
            return Ok(());
        }
        for fetched in self.store.fetch_telling(&stubs)? {
            let mut of_each: BTreeMap<&DRefId, Vec<&RRefId>> = BTreeMap::new();
            for rref in &fetched.rrefs {
                of_each.entry(rref.dref()).or_default().push(rref);
            }
            let mut bytes = fetched.bytes;
            for (dref, rrefs) in of_each {
                self.notify(&Event::Fetched {
                    dref,
                    rrefs: &rrefs,
                    remote: &fetched.remote,
                    // They came together.
                    bytes: std::mem::take(&mut bytes),
                });
            }
        }
        Ok(())
    }
}

fn is_stub(rref: &&AnyRRef) -> bool {
    rref.realization().is_stub()
}

/// Returns the stubs that runs of the stage in any context looked at, below its direct dependencies.
fn read_below(input: &DecisionInput<'_>) -> Result<Vec<AnyRRef>> {
    let mut found: BTreeMap<RRefId, AnyRRef> = BTreeMap::new();
    for earlier in input.store.realizations_of(input.dref.id())? {
        let reads = earlier
            .builds()
            .iter()
            .filter_map(|build| build.reads.as_ref());
        for read in reads.flat_map(Reads::iter).filter(|read| reads_files(read)) {
            let mut at: Option<&AnyRRef> = None;
            for (dref, position) in &read.of {
                let chosen = at.map_or(input.chosen, AnyRRef::chosen);
                let mut deps = chosen.iter();
                let of_dref = deps.find(|(id, _)| id == dref);
                at = of_dref.and_then(|(_, rrefs)| rrefs.get(*position));
                if at.is_none() {
                    break;
                }
            }
            if let Some(stub) = at.filter(is_stub) {
                found.insert(stub.id().clone(), stub.clone());
            }
        }
    }
    Ok(found.into_values().collect())
}

fn reads_files(read: &Read) -> bool {
    read.all || !read.artifacts.is_empty() || !read.paths.is_empty()
}
