//! Manual removal.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing test may say so by a panic, and a child talks to its parent"
)]

use pylightnix::ErrorKind;
use pylightnix::config::RRefId;
use pylightnix::store::{Context, Store};
use std::fs;
use tests::store::{
    Running, child, config, config_on, folder, objects, publish_on, publish_texts, store, unused,
};

/// The parts of child processes.
#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    if let Some((part, place)) = tests::store::part() {
        assert_eq!(part, "use what there is");
        let store = Store::open(&place).unwrap();
        store
            .plumbing()
            .use_derivations(&store.drefs().unwrap())
            .unwrap();
        println!("\nusing");
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}

struct Made {
    _folder: tempfile::TempDir,
    store: Store,
    /// Two realizations of one derivation.
    a: [RRefId; 2],
    /// Made from the first.
    b: RRefId,
    c: RRefId,
}

fn made() -> Made {
    let (_folder, store) = store();
    let a = ["1", "2"]
        .map(|text| publish_texts(&store, &config("a"), &Context::empty(), &[("x", text)]));
    let on_a = config_on("b", &config("a"));
    let b = publish_on(&store, &on_a, &[&a[0]], "b");
    let c = publish_on(&store, &config_on("c", &on_a), &[&b], "c");
    let (_folder, store) = unused(&store);
    Made {
        _folder,
        store,
        a,
        b,
        c,
    }
}

fn removed(report: pylightnix::store::GcReport) -> Vec<RRefId> {
    assert!(report.refused.is_empty(), "{report}");
    report
        .realizations
        .into_iter()
        .map(|gone| gone.rref)
        .collect()
}

impl Made {
    /// Asserts that a removal is refused for these reasons, and changes nothing.
    fn refused(&self, remove: impl Fn() -> pylightnix::store::Removal<'static>, reasons: &[&str]) {
        let before = objects(&self.store);
        for error in [remove().plan().unwrap_err(), remove().run().unwrap_err()] {
            let report = format!("{error:?}");
            for reason in reasons {
                assert!(report.contains(reason), "{reason:?} is not in {report}");
            }
        }
        assert_eq!(objects(&self.store), before);
    }
}

#[test]
fn what_others_were_made_from_stays() {
    let made = made();
    let store: &'static Store = Box::leak(Box::new(made.store.clone()));
    let [a, b, c] = [&made.a[0], &made.b, &made.c].map(ToString::to_string);
    let help = "help: `with_dependents()` removes as well";
    made.refused(
        || store.remove(&made.a[0]),
        &[
            &a,
            &format!("{b} was made from it"),
            &format!("{c} was made from it"),
            help,
        ],
    );
    made.refused(|| store.remove(&made.a[0]).force(), &[&b, &c]);
    made.refused(
        || store.remove_derivation(made.a[0].dref()),
        &[&b, &c, help],
    );
    assert_eq!(
        removed(store.remove(&made.a[1]).run().unwrap()),
        [made.a[1].clone()]
    );
    assert!(store.derivation_dir(made.a[0].dref()).exists());

    let planned = store.remove(&made.a[0]).with_dependents().plan().unwrap();
    let report = store.remove(&made.a[0]).with_dependents().run().unwrap();
    assert_eq!(report.realizations, planned.realizations);
    assert_eq!(
        removed(report),
        [&made.c, &made.b, &made.a[0]].map(Clone::clone)
    );
    assert!(store.rrefs().unwrap().is_empty());
    assert_eq!(fs::read_dir(store.root().join("trash")).unwrap().count(), 0);
    for error in [
        store.remove(&made.a[0]).run().unwrap_err(),
        store
            .remove_derivation(config("none").id())
            .run()
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Missing);
    }
}

#[test]
fn a_derivation_goes_with_its_realizations() {
    let made = made();
    let store = &made.store;
    let report = store
        .remove_derivation(made.a[0].dref())
        .with_dependents()
        .run()
        .unwrap();
    assert_eq!(report.derivations, [made.a[0].dref().clone()]);
    assert_eq!(
        (removed(report).len(), store.rrefs().unwrap().len()),
        (4, 0)
    );
    assert!(!store.derivation_dir(made.a[0].dref()).exists());
    // A derivation without realizations.
    store.remove_derivation(made.b.dref()).run().unwrap();
    assert_eq!(store.drefs().unwrap(), [made.c.dref().clone()]);
}

#[test]
fn roots_and_living_processes_hold_it() {
    let made = made();
    let store: &'static Store = Box::leak(Box::new(made.store.clone()));
    store.add_root("best", &made.c).unwrap();
    let help = "help: `force()` removes it all the same";
    made.refused(|| store.remove(&made.c), &["the root \"best\" keeps", help]);
    made.refused(
        || store.remove(&made.b).with_dependents(),
        &["the root \"best\" keeps", help],
    );
    let place = folder();
    let link = place.path().join("link");
    let mut user = Running::start(child("use what there is", store.root()));
    user.wait_for("using");
    made.refused(
        || store.remove(&made.a[1]),
        &[&format!("a living process uses {}", made.a[1].dref()), help],
    );
    user.kill();
    store.remove(&made.a[1]).run().unwrap();
    store.link(&made.b, &link).unwrap();
    made.refused(
        || store.remove(&made.b).with_dependents(),
        &[
            &format!("the link {} keeps", link.display()),
            "the root \"best\"",
        ],
    );
    assert_eq!(
        removed(
            store
                .remove(&made.b)
                .with_dependents()
                .force()
                .run()
                .unwrap()
        )
        .len(),
        2
    );
    assert!(store.roots().unwrap().is_empty());
    assert!(store.check().contents().run().unwrap().is_sound());
    // A removed realization can be made again, also by a process that had cached it.
    let again = publish_texts(store, &config("a"), &Context::empty(), &[("x", "2")]);
    store
        .remove_derivation(again.dref())
        .with_dependents()
        .force()
        .run()
        .unwrap();
    assert_eq!(
        publish_texts(store, &config("a"), &Context::empty(), &[("x", "2")]),
        again
    );
}

#[test]
fn what_was_made_from_something_removed_is_not_published() {
    let made = made();
    let store = &made.store;
    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("x"), "c2").unwrap();
    store.remove(&made.b).with_dependents().run().unwrap();
    let context = Context::from_iter([made.b.clone()]);
    let config = config_on("c", &config_on("b", &config("a")));
    let error = draft
        .publish(
            &config,
            &context,
            pylightnix::store::Outcome::Ok,
            &tests::store::built(),
        )
        .unwrap_err();
    let report = format!("{error:?}");
    assert!(
        report.contains(&made.b.to_string()) && report.contains("help: "),
        "{report}"
    );
    assert!(store.check().run().unwrap().is_sound());
}
