//! The auto traits of the public types, whatever their type parameters are. A lint of the library ensures that each is
//! `Debug`.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::config::{ConfigJson, DRefId, Digest, Name, RRefId};
use pylightnix::lens::{AnyRRef, Artifact, Build, Failure, Output};
use pylightnix::plan::{AnyDRef, Code, Limits};
use pylightnix::prelude::*;
use pylightnix::realize::{
    Cancel, Determinism, DryPlan, FindStage, FindingStage, Paused, Report, Stepping,
};
use pylightnix::store::{
    BuildRecord, Check, CheckReport, Comparison, Diff, Draft, Find, Finding, FollowLog, Gc,
    GcReport, Lens, Manifest, Pack, Realization, Record, Removal, Repair, RepairReport, Unpack,
};
use pylightnix::{ndarray as arrays, serde_json as json};
use tests::library::Shared;
use tests::runs::scratch;

const fn is_sent<T: Send>() {}

const fn is_shared<T: Send + Sync>() {}

/// Builders: they may be created on one thread and run on another.
const BUILDERS: () = {
    is_shared::<Realize<'static>>();
    is_sent::<Stepping<'static, DRef<Shared>>>();
    is_shared::<Pack<'static>>();
    is_shared::<Unpack<'static>>();
    is_sent::<Gc<'static>>();
    is_shared::<Check<'static>>();
    is_shared::<Repair<'static>>();
    is_sent::<Find<'static>>();
    is_sent::<Finding<'static>>();
    is_sent::<FindStage<'static, Shared>>();
    is_sent::<FindingStage<'static, Shared>>();
    is_sent::<Draft>();
    is_sent::<FollowLog>();
    is_shared::<Limits>();
    is_shared::<Cancel>();
};

/// Values: results of searches and runs.
const VALUES: () = {
    is_shared::<Store>();
    is_shared::<pylightnix::Error>();
    is_shared::<DRef<Shared>>();
    is_shared::<DRef<Shared, Many>>();
    is_shared::<AnyDRef>();
    is_shared::<RRef<Shared>>();
    is_shared::<AnyRRef>();
    is_shared::<RefPath<Text>>();
    is_shared::<Build<Shared>>();
    is_shared::<Output<Text, ()>>();
    is_shared::<Artifact<Text>>();
    is_shared::<Failure>();
    is_shared::<Code>();
    is_shared::<ConfigJson>();
    is_shared::<(DRefId, RRefId, Digest, Name)>();
    is_shared::<(DryPlan, Report, Determinism, Paused)>();
    is_shared::<(Realization, Record, BuildRecord, Manifest, Removal)>();
    is_shared::<(CheckReport, GcReport, RepairReport)>();
    is_shared::<(Comparison, Diff)>();
    is_shared::<Lens>();
};

#[test]
fn a_run_is_asked_for_here_and_made_there() {
    let ((), ()) = (BUILDERS, VALUES);
    let (_folder, store) = scratch();
    let plan = instantiate(Shared::new(3)).unwrap();
    let run = Realize::new(&store).observer(|_: &pylightnix::realize::Event<'_>| ());
    let shown = format!("{run:?}");
    assert!(shown.starts_with("Realize { store: Store("), "{shown}");
    let there = std::thread::spawn(move || run.run(&plan).unwrap().out.load().unwrap());
    assert_eq!(there.join().unwrap(), 3);
}

/// The re-exported versions are those in the signatures.
#[test]
fn crates_in_signatures_are_reexported() {
    let (_folder, store) = scratch();
    let rref = store
        .realize(&instantiate(Shared::new(4)).unwrap())
        .unwrap();
    let at: Option<pylightnix::jiff::Timestamp> = rref.built_at();
    assert!(at.is_some());
    let builds = rref.builds();
    let id: pylightnix::uuid::Uuid = builds[0].id;
    assert!(!id.is_nil());
    let left_out: Option<&json::Value> = builds[0].omitted.get("none");
    assert_eq!(left_out, None);
    let array: arrays::Array1<f64> = ndarray::array![1.];
    assert_eq!(array.sum(), 1.);
}
