//! Stages with the same name in several crates, which may not know each other: they are refused only if two of them are in
//! one plan.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::plan::registered;
use pylightnix::prelude::*;
use pylightnix::{Error, ErrorKind};
use tests::runs::{assert_says, scratch};

/// The program's own stage.
#[derive(Config)]
struct Twin {
    #[selfref("of.txt")]
    of: SelfRef<Text>,
}

#[stage]
fn twin(b: &Build<Twin>) -> Result<TwinOutputs> {
    Ok(TwinOutputs {
        of: b.of.save("the program")?,
    })
}

/// A stage with two dependencies of the same name.
#[derive(Config)]
struct Both {
    #[dref]
    one: DRef<renamed::Twin>,
    #[dref]
    two: DRef<reexported::Twin>,
}

#[stage]
fn both(_: &Build<Both>) -> Result<()> {
    Ok(())
}

fn renamed() -> DRef<renamed::Twin> {
    instantiate(renamed::Twin::new()).unwrap()
}

fn reexported() -> DRef<reexported::Twin> {
    instantiate(reexported::Twin::new()).unwrap()
}

fn says_both(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert_says(
        error,
        &[
            "two stages are named `twin`: at ",
            "libraries/reexported/src/lib.rs:",
            " in crate `reexported` and at ",
            "libraries/renamed/src/lib.rs:",
            " in crate `renamed`\n",
            "help: use one of them only; or give one of them another name",
        ],
    );
}

#[test]
fn each_alone_works() {
    let (_folder, store) = scratch();
    let own = instantiate(Twin::new()).unwrap();
    // Equal configs have equal references: the code distinguishes their results.
    assert_eq!((own.id(), own.id()), (renamed().id(), reexported().id()));
    for _ in 0..2 {
        let of = [
            store.realize(&own).unwrap().of.load().unwrap(),
            store.realize(&renamed()).unwrap().of.load().unwrap(),
            store.realize(&reexported()).unwrap().of.load().unwrap(),
        ];
        assert_eq!(of, ["the program", "renamed", "reexported"]);
    }
    // Nothing ran the second time.
    assert_eq!(store.rrefs_of(own.id()).unwrap().len(), 3);
}

#[test]
fn what_says_its_type_needs_no_name() {
    let (_folder, store) = scratch();
    let rref = store.realize(&renamed()).unwrap();
    let opened = store.realization_as::<renamed::Twin>(&rref).unwrap();
    assert_eq!(opened.of.load().unwrap(), "renamed");
}

#[test]
fn two_in_one_plan_are_refused() {
    let (_folder, store) = scratch();
    let error = store.realize(&(renamed(), reexported())).unwrap_err();
    says_both(&error);
    let both = instantiate(Both::new(renamed(), reexported())).unwrap();
    says_both(&store.plan(&both).unwrap_err());
    says_both(&store.realize(&both.erase()).unwrap_err());
}

#[test]
fn a_name_of_two_stages_finds_none() {
    let (_folder, store) = scratch();
    store.realize(&reexported()).unwrap();
    // The program contains a third stage with this name.
    let error = store.derivation(reexported().id()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert_says(&error, &["two stages are named `twin`: at ", " in crate `"]);
    let numbers = instantiate(renamed::Numbers::new()).unwrap();
    store.realize(&numbers).unwrap();
    let again = store.derivation(numbers.id()).unwrap();
    assert!(store.plan(&again).unwrap().is_done());
}

#[test]
fn the_crates_are_told() {
    let mut crates: Vec<_> = registered()
        .filter(|stage| stage.name() == "twin")
        .map(|stage| stage.crate_name())
        .collect();
    crates.sort_unstable();
    assert_eq!(
        crates,
        ["plan_namesakes_of_crates", "reexported", "renamed"]
    );
}
