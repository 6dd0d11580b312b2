//! Stubs: realizations of which a store has the records, and whose files come when somebody needs them.

use pylightnix::ErrorKind;
use pylightnix::plan::matcher::{all, some};
use pylightnix::prelude::*;
use pylightnix::store::remote::{Pull, Push, Remote};
use pylightnix::store::{BuildKind, Pack, Unpack};
use std::fs;
use std::time::Duration;
use tests::remotes::Watched;

use crate::group::{self, Group, Throw, Told};

/// More than what lies in a bundle.
const LARGE: usize = 100_000;

/// What stands above it, and looks at what lies below.
#[derive(Config)]
struct Weighed {
    #[selfref("weight.txt")]
    weight: SelfRef<Text>,
    #[dref]
    told: DRef<Told>,
    /// Whether it looks deep.
    deep: bool,
}

#[stage]
fn weighed(b: &Build<Weighed>) -> Result<WeighedOutputs> {
    let mut weight = b.told.told.load()?.len();
    if b.deep {
        weight += fs::read(b.told.throw.rest.path())?.len();
    }
    Ok(WeighedOutputs {
        weight: b.weight.save(&weight.to_string())?,
    })
}

/// How many throws there were.
#[derive(Config)]
struct Counted {
    #[selfref("count.txt")]
    count: SelfRef<Text>,
    #[dref]
    throws: DRef<Throw, Many>,
}

#[stage]
fn counted(b: &Build<Counted>) -> Result<CountedOutputs> {
    Ok(CountedOutputs {
        count: b.count.save(&b.throws.len().to_string())?,
    })
}

fn thrown() -> DRef<Throw> {
    group::thrown(LARGE)
}

fn plan() -> DRef<Told> {
    instantiate(Told::new(thrown())).unwrap()
}

fn weighing(deep: bool) -> DRef<Weighed> {
    instantiate(Weighed::new(plan(), deep)).unwrap()
}

impl Group {
    /// Ada's results are at the remote, and Ben took the upper one from there.
    fn with_a_stub() -> (Self, RRef<Told>) {
        let group = Group::new();
        let made = group.ada.realize(&plan()).unwrap();
        group.push([&made]);
        let (taken, report) = group.run(&plan());
        assert_eq!((report.fetched, report.built), (2, 0));
        assert_eq!(taken.id(), made.id());
        (group, taken)
    }

    /// Nobody finds the remote any more.
    fn lose_the_remote(&self) {
        fs::rename(self.place(), self.folder.path().join("elsewhere")).unwrap();
    }

    fn find_the_remote(&self) {
        fs::rename(self.folder.path().join("elsewhere"), self.place()).unwrap();
    }

    /// Ben's store as another process finds it, without a cache.
    fn anew(&self) -> Store {
        let _ = fs::remove_dir_all(self.ben.root().join("cache"));
        Store::open(self.ben.root()).unwrap()
    }
}

fn is_sound(store: &Store) -> bool {
    let report = store.check().contents().run().unwrap();
    assert!(report.is_sound(), "{report}");
    true
}

#[test]
fn what_lies_below_a_result_stays_at_the_remote_until_somebody_looks() {
    let group = Group::new();
    let made = group.ada.realize(&plan()).unwrap();
    group.push([&made]);
    let watched = Watched::new(&group.place());
    let run = Realize::new(&group.ben).remote(&Remote::over(watched.clone()));
    let (taken, report) = run.run_reporting(&plan()).unwrap();
    assert_eq!((report.fetched, report.built), (2, 0));
    let asked = watched.asked();
    assert!(
        !asked.iter().any(|asked| asked.contains("blob")),
        "{asked:?}"
    );
    let throw = made.throw.id();
    assert!(group.ben.is_stub(throw).unwrap() && !group.ben.is_stub(&taken).unwrap());
    assert!(group.ben.has(throw).unwrap() && is_sound(&group.ben));
    // It is a hit, with the remote and without.
    let (_, report) = group.run(&plan());
    assert_eq!((report.reused, report.built, report.fetched), (2, 0, 0));
    assert_eq!(watched.asked(), [""; 0]);
    let (again, report) = Realize::new(&group.anew()).run_reporting(&plan()).unwrap();
    assert_eq!((report.reused, report.built), (2, 0));
    assert_eq!(again.id(), taken.id());
    // What its records say is there.
    let stub = group.ben.realization(throw).unwrap();
    assert!(stub.is_stub() && stub.folder().join("record").exists() && !stub.out().exists());
    assert_eq!(stub.builds()[0].kind, BuildKind::Build);
    assert_eq!(
        group.ben.record(throw).unwrap().manifest().entries().len(),
        2
    );
    assert_eq!(
        group.ben.rrefs_of(throw.dref()).unwrap(),
        std::slice::from_ref(throw)
    );
    let usage = group.ben.disk_usage_of([throw]).unwrap();
    assert_eq!(usage.all.bytes, 0);
    // Its files come when somebody looks at them.
    assert_eq!(taken.throw.rest.load().unwrap().len(), LARGE);
    assert!(!group.ben.is_stub(throw).unwrap() && is_sound(&group.ben));
    assert!(!group.ben.realization(throw).unwrap().is_stub());
    let left = fs::read_dir(
        group
            .ben
            .root()
            .join("remote-v1")
            .join(stub.folder().parent().unwrap()),
    );
    assert_eq!(left.unwrap().count(), 0, "the stub is gone");
    let (_, report) = group.run(&plan());
    assert_eq!(report.reused, 2);
}

#[test]
fn a_target_is_handed_out_with_its_files() {
    let group = Group::new();
    let made = group.ada.realize(&thrown()).unwrap();
    group.push([&made]);
    let (taken, report) = group.run(&thrown());
    assert_eq!((report.fetched, report.built), (1, 0));
    assert!(!group.ben.is_stub(&taken).unwrap());
    group.lose_the_remote();
    assert_eq!(taken.rest.load().unwrap().len(), LARGE);
}

#[test]
fn a_stage_that_runs_finds_the_files_of_what_it_depends_on() {
    let (group, taken) = Group::with_a_stub();
    let throw = taken.throw.id().clone();
    // Another stage on the stub, which is at no remote.
    let other = instantiate(Weighed::new(plan(), false)).unwrap();
    let (_, report) = group.run(&other);
    assert_eq!(report.built, 1);
    assert!(
        group.ben.is_stub(&throw).unwrap(),
        "it did not look so deep"
    );
    let (weighed, report) = group.run(&weighing(true));
    assert_eq!(report.built, 1);
    assert_eq!(weighed.weight.load().unwrap(), (LARGE + 27).to_string());
    assert!(!group.ben.is_stub(&throw).unwrap() && is_sound(&group.ben));
    // A stage whose direct dependency it is.
    let (group, taken) = Group::with_a_stub();
    let run = Realize::new(&group.ben).remote(&group.remote());
    let (_, report) = run.force(plan()).run_reporting(&plan()).unwrap();
    assert_eq!((report.built, report.reused), (1, 1));
    assert!(!group.ben.is_stub(taken.throw.id()).unwrap());
}

#[test]
fn files_that_cannot_be_fetched_are_an_error_that_says_what_to_do() {
    let (group, taken) = Group::with_a_stub();
    let throw = taken.throw.id().clone();
    group.lose_the_remote();
    let error = taken.throw.rest.load().unwrap_err();
    let said = format!("{error:?}");
    assert!(
        said.contains("cannot load artifact `rest` of stage `throw`"),
        "{said}"
    );
    assert!(
        said.contains(&format!("the files of {throw} are not in this store")),
        "{said}"
    );
    let error = taken.throw.rest.fetch().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(
        !taken.throw.rest.path().exists(),
        "outside of a stage it leads nowhere"
    );
    // In a stage, `path` ends it with the error.
    let error = Realize::new(&group.ben).run(&weighing(true)).unwrap_err();
    let said = format!("{error:?}");
    assert!(
        said.contains(&format!("the files of {throw} are not in this store")),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");
    let error = group.ben.artifact(&throw, "number.txt").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(
        format!("{error:?}").contains(&format!("pull {throw}")),
        "{error:?}"
    );
    // Nothing remembers that it was not there.
    group.find_the_remote();
    assert_eq!(taken.throw.rest.load().unwrap().len(), LARGE);
    // The stub says where it came from, for a process that has no remote.
    let (group, taken) = Group::with_a_stub();
    group.anew().fetch([taken.throw.id()]).unwrap();
    assert!(!group.ben.is_stub(taken.throw.id()).unwrap());
}

#[test]
fn stubs_are_kept_and_collected_like_what_they_stand_for() {
    let (group, taken) = Group::with_a_stub();
    let throw = taken.throw.id().clone();
    group.ben.add_root("plot", &taken).unwrap();
    let plan = group.ben.gc().plan().unwrap();
    assert!(plan.realizations.is_empty(), "{plan}");
    assert!(group.ben.is_stub(&throw).unwrap());
    // What is in the store only as a stub is removed as one.
    group.ben.remove_root("plot").unwrap();
    let report = group
        .ben
        .remove(&throw)
        .with_dependents()
        .force()
        .run()
        .unwrap();
    assert_eq!(report.realizations.len(), 2);
    assert!(!group.ben.has(&throw).unwrap() && is_sound(&group.ben));
    assert!(
        group
            .anew()
            .realizations_of(throw.dref())
            .unwrap()
            .is_empty()
    );
    let (_, report) = group.run(&self::plan());
    assert_eq!((report.fetched, report.built), (2, 0));
}

#[test]
fn what_was_noted_at_a_stub_stays_when_it_is_filled() {
    let (group, taken) = Group::with_a_stub();
    let throw = taken.throw.id().clone();
    group.ben.note(&throw, "a good one").unwrap();
    group.ben.tag(&throw, "best").unwrap();
    assert_eq!(group.ben.refer_to_realization("throw@best").unwrap(), throw);
    group.ben.fetch([&throw]).unwrap();
    let whole = group.ben.realization(&throw).unwrap();
    assert!(!whole.is_stub());
    assert_eq!(
        (whole.remarks().len(), whole.tags()),
        (2, vec!["best".to_owned()])
    );
    assert!(is_sound(&group.ben));
}

#[test]
fn a_stub_beside_what_filled_it_is_no_fault() {
    let (group, taken) = Group::with_a_stub();
    let throw = taken.throw.id().clone();
    let stub = group.ben.realization(&throw).unwrap().folder();
    let kept = group.folder.path().join("kept");
    fs::rename(&stub, &kept).unwrap();
    Pull::new(&group.ben, &group.remote())
        .run([&throw])
        .unwrap();
    // The process that filled it died before it removed it.
    fs::rename(&kept, &stub).unwrap();
    let note = group.ben.note(&throw, "on the whole").unwrap();
    assert!(is_sound(&group.ben) && !group.ben.is_stub(&throw).unwrap());
    assert_eq!(
        group.ben.rrefs_of(throw.dref()).unwrap(),
        std::slice::from_ref(&throw)
    );
    group.ben.add_root("plot", &taken).unwrap();
    group.ben.gc().run().unwrap();
    assert!(!stub.exists() && is_sound(&group.ben));
    assert_eq!(group.ben.realization(&throw).unwrap().remarks()[0].id, note);
}

#[test]
fn matchers_choose_among_stubs_as_among_all() {
    let group = Group::new();
    let made = group.ada.realize(&thrown().with_matcher(some(3))).unwrap();
    let every = || instantiate(Counted::new(thrown().with_matcher(all()))).unwrap();
    let count = group.ada.realize(&every()).unwrap();
    group.push([count.id()]);
    let (taken, report) = group.run(&every());
    assert_eq!((report.fetched, report.built), (2, 0));
    assert_eq!(taken.id(), count.id());
    assert!(made.iter().all(|throw| group.ben.is_stub(throw).unwrap()));
    // One that reads has the files, and finds the same as where all is whole.
    let lowest = || thrown().lowest(|run: &RRef<Throw>| Ok(run.number.load()?));
    let theirs = group.ada.realize(&lowest()).unwrap();
    let (chosen, report) = group.run(&instantiate(Told::new(lowest())).unwrap());
    assert_eq!((chosen.throw.id(), report.built), (theirs.id(), 1));
    assert!(!made.iter().any(|throw| group.ben.is_stub(throw).unwrap()));
    // What such a matcher takes from a remote is whole.
    let carol = Store::open(group.folder.path().join("carol")).unwrap();
    let run = Realize::new(&carol).remote(&group.remote());
    let chosen = run.run(&instantiate(Told::new(lowest())).unwrap()).unwrap();
    assert_eq!(chosen.throw.id(), theirs.id());
    assert!(!carol.is_stub(theirs.id()).unwrap() && is_sound(&carol));
}

#[test]
fn what_is_copied_and_packed_is_fetched_first_or_stays_a_stub() {
    let (group, taken) = Group::with_a_stub();
    let throw = taken.throw.id();
    let place = |name: &str| group.folder.path().join(name);
    let (copied, archive) = (Store::open(place("copied")).unwrap(), place("archive.zip"));
    group.lose_the_remote();
    let error = copied.copy_from(&group.ben, [&taken]).unwrap_err();
    assert!(error.to_string().contains("not in this store"), "{error:?}");
    assert!(copied.rrefs().unwrap().is_empty());
    let error = group.ben.pack([&taken], &archive).unwrap_err();
    assert!(error.to_string().contains("not in this store"), "{error:?}");
    let (_, left_out) = copied.copy_every(&group.ben).unwrap();
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    // As a stub it can be packed without them.
    Pack::new(&group.ben)
        .stubs()
        .write([&taken], &archive)
        .unwrap();
    let unpacked = Store::open(place("unpacked")).unwrap();
    let error = unpacked.unpack(&archive).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Archive, "{error:?}");
    assert!(unpacked.rrefs().unwrap().is_empty());
    let rrefs = Unpack::new(&unpacked).stubs().read(&archive).unwrap();
    assert_eq!(rrefs, [throw.clone(), taken.id().clone()]);
    assert!(unpacked.is_stub(throw).unwrap() && is_sound(&unpacked));
    let (_, report) = Realize::new(&unpacked).run_reporting(&plan()).unwrap();
    assert_eq!((report.reused, report.built), (2, 0));
    // Where it is whole, it stays so.
    Unpack::new(&group.ada).stubs().read(&archive).unwrap();
    assert!(!group.ada.is_stub(throw).unwrap());
    group.find_the_remote();
    unpacked
        .add_remote("team", &group.place().to_string_lossy())
        .unwrap();
    unpacked.fetch([throw]).unwrap();
    assert!(!unpacked.is_stub(throw).unwrap() && is_sound(&unpacked));
    copied.copy_from(&group.ben, [&taken]).unwrap();
    assert!(!group.ben.is_stub(throw).unwrap() && is_sound(&copied));
}

#[test]
fn what_a_remote_has_already_need_not_be_here_for_a_push() {
    let (group, taken) = Group::with_a_stub();
    // What Ben made above the stub can be pushed there.
    let (weighed, _) = group.run(&weighing(false));
    let pushed = Push::new(&group.ben, &group.remote())
        .run([&weighed])
        .unwrap();
    assert_eq!(pushed.rrefs, [weighed.id().clone()]);
    let (_, left_out) = Push::new(&group.ben, &group.remote()).run_every().unwrap();
    assert!(left_out.is_empty(), "{left_out:?}");
    // Another remote has not.
    let elsewhere = group.folder.path().join("empty");
    let elsewhere = Remote::open(&elsewhere.to_string_lossy()).unwrap();
    let error = Push::new(&group.ben, &elsewhere)
        .run([&weighed])
        .unwrap_err();
    assert!(error.to_string().contains("not in this store"), "{error:?}");
    let (_, left_out) = Push::new(&group.ben, &elsewhere).run_every().unwrap();
    assert_eq!(left_out.len(), 3, "{left_out:?}");
    // Pulled as a whole, all is here.
    Pull::new(&group.ben, &group.remote())
        .run([&taken])
        .unwrap();
    assert!(!group.ben.is_stub(taken.throw.id()).unwrap());
}

#[test]
fn files_that_a_remote_has_make_room() {
    let group = Group::new();
    let made = group.ada.realize(&plan()).unwrap();
    let other = group.ada.realize(&weighing(false)).unwrap();
    for rref in [made.id(), other.id()] {
        group.ada.add_root(&rref.name().to_string(), rref).unwrap();
    }
    group.push([&made]);
    // Another process, which uses nothing of it.
    let gc = |age: &str| {
        let mut gc = std::process::Command::new(env!("CARGO_BIN_EXE_store-cli"));
        let place = group.place();
        gc.args(["gc", "--yes", "--json", "--pushed-before", age, "--pushed"]);
        gc.arg(place).arg("--store").arg(group.ada.root());
        let done = gc.output().unwrap();
        assert!(done.status.success(), "{done:?}");
        let answer: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        let stubs = answer["stubs"].as_array().unwrap().clone();
        stubs
            .iter()
            .map(|stub| stub["rref"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(gc("1d"), [""; 0], "it was made just now");
    // This process uses it.
    assert_eq!(gc("0s"), [""; 0]);
    let ada = group.folder.path().join("ada-later");
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(group.ada.root())
        .arg(&ada)
        .status();
    assert!(status.unwrap().success());
    fs::remove_dir_all(ada.join("leases")).unwrap();
    fs::create_dir(ada.join("leases")).unwrap();
    let ada = Store::open(&ada).unwrap();
    let plan = ada
        .gc()
        .pushed(&group.remote(), Duration::ZERO)
        .plan()
        .unwrap();
    assert_eq!(
        (plan.stubs.len(), plan.realizations.len()),
        (2, 0),
        "{plan}"
    );
    assert!(plan.bytes > LARGE as u64);
    let report = ada
        .gc()
        .pushed(&group.remote(), Duration::ZERO)
        .run()
        .unwrap();
    assert_eq!(report.stubs.len(), 2, "{report}");
    assert_eq!(report.bytes, plan.bytes);
    assert!(ada.is_stub(&made).unwrap() && ada.is_stub(made.throw.id()).unwrap());
    assert!(!ada.is_stub(&other).unwrap(), "it was not pushed");
    assert!(is_sound(&ada));
    let (_, report) = Realize::new(&ada).run_reporting(&weighing(false)).unwrap();
    assert_eq!((report.reused, report.built), (3, 0));
    let again = ada.realize(&self::plan()).unwrap();
    assert_eq!(again.told.load().unwrap(), made.told.load().unwrap());
    assert!(is_sound(&ada));
}
