//! What runs carry from the records of remotes: results from another context, in which all that was read is the same.

use pylightnix::keys::{Keys, Trust};
use pylightnix::prelude::*;
use pylightnix::store::remote::{Push, Remote};
use std::fs;
use tests::remotes::Watched;

use crate::group::{Group, Throw, Told, plan, thrown, thrown_anew};

/// More than what lies in a bundle.
const LARGE: usize = 100_000;

/// The size of a throw's second artifact, which is the same whatever was thrown.
#[derive(Config)]
struct Sized {
    #[selfref("size.txt")]
    size: SelfRef<Text>,
    #[selfref("again.bin")]
    again: SelfRef<Text>,
    #[dref]
    throw: DRef<Throw>,
}

#[stage]
fn sized(b: &Build<Sized>) -> Result<SizedOutputs> {
    let rest = b.throw.rest.load()?;
    Ok(SizedOutputs {
        size: b.size.save(&rest.len().to_string())?,
        again: b.again.save(&rest)?,
    })
}

/// The same of a throw two steps below, of which the step between is not read.
#[derive(Config)]
struct Deep {
    #[selfref("size.txt")]
    size: SelfRef<Text>,
    #[dref]
    told: DRef<Told>,
}

#[stage]
fn deep(b: &Build<Deep>) -> Result<DeepOutputs> {
    let rest = b.told.throw.rest.load()?;
    Ok(DeepOutputs {
        size: b.size.save(&rest.len().to_string())?,
    })
}

fn sizing() -> DRef<Sized> {
    instantiate(Sized::new(thrown(LARGE))).unwrap()
}

#[test]
fn what_a_remote_has_from_another_context_is_carried() {
    let group = Group::new();
    let theirs = group.ada.realize(&sizing()).unwrap();
    group.push([&theirs]);
    // Ben threw for himself.
    let own = thrown_anew(&group.ben, LARGE);
    assert_ne!(own.id(), theirs.throw.id());
    let watched = Watched::new(&group.place());
    let (made, report, said) = group.ben(&sizing(), &watched);
    assert_eq!(
        (report.built, report.carried, report.fetched, report.reused),
        (0, 1, 0, 1)
    );
    assert_eq!(said, ["carried sized"]);
    assert_eq!(made.throw.id(), own.id());
    assert_eq!(made.again.load().unwrap().len(), LARGE);
    let build = &made.builds()[0];
    assert_eq!(build.carried.as_ref().unwrap().from, *theirs.id());
    // Nothing else came: neither Ada's throw nor her result.
    assert_eq!(
        group.ben.rrefs().unwrap().len(),
        3,
        "two throws, and the size"
    );
    assert!(!group.ben.has(theirs.id()).unwrap());
    let asked = watched.asked();
    assert!(asked.len() <= 6, "{asked:?}");
    assert!(group.ben.check().contents().run().unwrap().is_sound());
    // It is a hit from then on.
    let (_, report, _) = group.ben(&sizing(), &watched);
    assert_eq!(report.reused, 2);
    assert_eq!(watched.asked(), [""; 0]);
}

#[test]
fn what_was_read_elsewhere_has_to_be_the_same() {
    let group = Group::new();
    let told = group.ada.realize(&plan()).unwrap();
    group.push([&told]);
    let own = thrown_anew(&group.ben, 3);
    let (made, report, said) = group.ben(&plan(), &Watched::new(&group.place()));
    assert_eq!((report.built, report.carried), (1, 0));
    assert_eq!(said, ["building told"], "another number was thrown");
    assert_eq!(made.throw.id(), own.id());
    assert_ne!(made.told.load().unwrap(), told.told.load().unwrap());
}

#[test]
fn what_was_read_two_steps_below_is_compared_with_records_of_the_remote() {
    let group = Group::new();
    let plan = || instantiate(Deep::new(plan())).unwrap();
    let theirs = group.ada.realize(&plan()).unwrap();
    group.push([&theirs]);
    thrown_anew(&group.ben, 3);
    let own = group.ben.realize(&crate::group::plan()).unwrap();
    let (made, report, _) = group.ben(&plan(), &Watched::new(&group.place()));
    assert_eq!((report.built, report.carried, report.reused), (0, 1, 2));
    assert_eq!(made.told.id(), own.id());
    assert!(group.ben.check().contents().run().unwrap().is_sound());
}

#[test]
fn what_can_be_had_without_files_of_others_is_taken_first() {
    let group = Group::new();
    let theirs = group.ada.realize(&sizing()).unwrap();
    let run = Realize::new(&group.ada).force(thrown(LARGE));
    let newer = run.run(&sizing()).unwrap();
    assert_ne!(theirs.id(), newer.id());
    group.push([&theirs, &newer]);
    group
        .ben
        .copy_from(&group.ada, [theirs.throw.id()])
        .unwrap();
    let (taken, report, _) = group.ben(&sizing(), &Watched::new(&group.place()));
    assert_eq!((report.fetched, report.carried), (1, 0));
    assert_eq!(taken.id(), theirs.id(), "it is of this very context");
}

#[test]
fn without_cut_off_nothing_is_carried_and_what_is_forced_runs() {
    let group = Group::new();
    let theirs = group.ada.realize(&sizing()).unwrap();
    group.push([&theirs]);
    thrown_anew(&group.ben, LARGE);
    let run = || Realize::new(&group.ben).remote(&group.remote());
    let (_, report) = run().no_cut_off().run_reporting(&sizing()).unwrap();
    assert_eq!((report.built, report.carried), (1, 0));
    let (_, report) = run().force(sizing()).run_reporting(&sizing()).unwrap();
    assert_eq!((report.built, report.carried), (1, 0));
}

#[test]
fn files_that_are_broken_there_are_built_here() {
    let group = Group::new();
    let theirs = group.ada.realize(&sizing()).unwrap();
    group.push([&theirs]);
    thrown_anew(&group.ben, LARGE);
    for entry in fs::read_dir(group.place().join("blob")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let (made, report, said) = group.ben(&sizing(), &Watched::new(&group.place()));
    assert_eq!((report.built, report.carried), (1, 0));
    assert!(said[0].starts_with("failed false: "), "{said:?}");
    assert_eq!(made.again.load().unwrap().len(), LARGE);
    assert!(group.ben.check().contents().run().unwrap().is_sound());
}

#[test]
fn signatures_are_asked_of_what_is_carried() {
    let group = Group::new();
    let keys = |name: &str| Keys::at(group.folder.path().join(name));
    let (alice, bens) = (keys("alice"), keys("ben-keys"));
    alice.generate("alice").unwrap();
    bens.generate("ben").unwrap();
    bens.trust("alice", &alice.named("alice").unwrap().key.to_pem())
        .unwrap();
    let ben = group.ben.clone().with_keys(bens.clone());
    thrown_anew(&ben, LARGE);
    let unsigned = group.ada.realize(&sizing()).unwrap();
    group.push([&unsigned]);
    let run = |remote: Remote| {
        let run = Realize::new(&ben).remote(&remote);
        let run = run.trust(Trust::new(&bens, 1, ["alice"]).unwrap());
        run.run_reporting(&sizing()).unwrap().1
    };
    assert_eq!(run(group.remote()).built, 1, "no trusted key signed it");
    ben.remove(ben.realize(&sizing()).unwrap().id())
        .force()
        .run()
        .unwrap();
    let store = Store::open(group.folder.path().join("alice-store")).unwrap();
    let store = store.with_keys(alice);
    let signed = store.realize(&sizing()).unwrap();
    let other = Remote::open(&group.folder.path().join("other").to_string_lossy()).unwrap();
    Push::new(&store, &other).run([&signed]).unwrap();
    assert_eq!(run(other).carried, 1);
}
