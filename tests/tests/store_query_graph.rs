//! Dependencies, disk usage, and access to artifacts by path.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing test may say so by a panic, and a child talks to its parent"
)]

use pylightnix::ErrorKind;
use pylightnix::config::{DRefId, RRefId};
use pylightnix::prelude::*;
use pylightnix::store::Context;
use std::fs;
use tests::runs::{assert_says, scratch};
use tests::store::{child_as_nobody, config, config_on, publish_on, publish_texts, store};

/// The parts of child processes.
#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((part, place)) = tests::store::part() else {
        return;
    };
    assert_eq!(part, "what is hidden");
    let store = Store::open(&place).unwrap();
    // Unreadable files are reported, and the rest is counted.
    let usage = store.disk_usage().unwrap();
    assert_eq!(usage.refused.len(), 1);
    assert_says(&usage.refused[0], &["hidden"]);
    assert_eq!(usage.realizations.len(), 5);
    println!("\nlooked");
}

struct Made {
    _folder: tempfile::TempDir,
    store: Store,
    /// Two realizations of one derivation.
    a: [RRefId; 2],
    /// Made from the first, and from both.
    b: RRefId,
    both: RRefId,
    c: RRefId,
}

fn made() -> Made {
    let (_folder, store) = scratch();
    let a = ["1", "2"]
        .map(|text| publish_texts(&store, &config("a"), &Context::empty(), &[("x", text)]));
    let on_a = config_on("b", &config("a"));
    let b = publish_on(&store, &on_a, &[&a[0]], "b");
    let both = publish_on(
        &store,
        &config_on("both", &config("a")),
        &[&a[0], &a[1]],
        "both",
    );
    let c = publish_on(&store, &config_on("c", &on_a), &[&b], "c");
    Made {
        _folder,
        store,
        a,
        b,
        both,
        c,
    }
}

fn sorted<T: Ord + Clone>(all: &[&T]) -> Vec<T> {
    let mut all: Vec<T> = all.iter().map(|one| (*one).clone()).collect();
    all.sort();
    all
}

#[test]
fn both_ways() {
    let made = made();
    let Made {
        store,
        a,
        b,
        both,
        c,
        ..
    } = &made;
    assert_eq!(store.dependencies(c).unwrap(), sorted(&[b]));
    assert_eq!(store.dependencies(both).unwrap(), sorted(&[&a[0], &a[1]]));
    assert_eq!(store.dependencies(&a[0]).unwrap(), []);
    assert_eq!(store.dependents(&a[0]).unwrap(), sorted(&[b, both]));
    assert_eq!(store.dependents(&a[1]).unwrap(), sorted(&[both]));
    assert_eq!(store.dependents(c).unwrap(), []);
    assert_eq!(
        store.closure(c).unwrap(),
        [a[0].clone(), b.clone(), c.clone()]
    );
    assert_eq!(store.top_rrefs().unwrap(), sorted(&[both, c]));

    let dref = |rref: &RRefId| rref.dref().clone();
    assert_eq!(store.dependencies(&dref(c)).unwrap(), [dref(b)]);
    assert_eq!(
        store.dependents(&dref(&a[0])).unwrap(),
        sorted(&[&dref(b), &dref(both)])
    );
    assert_eq!(
        store.closure(&dref(c)).unwrap(),
        [dref(&a[0]), dref(b), dref(c)]
    );
    assert_eq!(store.top_drefs().unwrap(), sorted(&[&dref(both), &dref(c)]));

    let graph = store.realization_graph().unwrap();
    assert_eq!(graph.ids(), store.rrefs().unwrap());
    let below: Vec<_> = graph.all_dependencies(c).into_iter().cloned().collect();
    assert_eq!(below, sorted(&[&a[0], b, c]));
    assert_eq!(graph.all_dependents(&a[0]).len(), 4);
    assert_eq!((graph.missing().len(), graph.broken().len()), (0, 0));
    assert!(graph.contains(c));
}

#[test]
fn what_is_not_there() {
    let Made {
        _folder,
        store,
        a,
        b,
        c,
        ..
    } = made();
    let elsewhere = RRefId::new([0; 16], c.dref().clone());
    let none: DRefId = "dref:00000000000000000000000000000000-none"
        .parse()
        .unwrap();
    for error in [
        store.dependencies(&elsewhere).unwrap_err(),
        store.dependents(&elsewhere).unwrap_err(),
        store.closure(&elsewhere).unwrap_err(),
        store.lens(&elsewhere).unwrap_err(),
        store.shell(&elsewhere).unwrap_err(),
        store.artifact(&elsewhere, "x").unwrap_err(),
        store.diff(&elsewhere, &c).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Missing, "{error:?}");
        assert_says(&error, &[&elsewhere.to_string(), "is not in the store"]);
    }
    for error in [
        store.dependencies(&none).unwrap_err(),
        store.dependents(&none).unwrap_err(),
        store.lens(&none).unwrap_err(),
        store
            .link_derivation(&none, store.root().with_file_name("link"))
            .unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Missing, "{error:?}");
        assert_says(&error, &[&none.to_string(), "is not in the store"]);
    }
    // A missing object in the middle.
    fs::remove_dir_all(store.realization_dir(&b)).unwrap();
    let error = store.closure(&c).unwrap_err();
    assert_says(&error, &[&b.to_string(), "is not in the store"]);
    let graph = store.realization_graph().unwrap();
    assert_eq!(graph.missing().collect::<Vec<_>>(), [(&b, &c)]);
    assert_eq!(store.dependents(&a[1]).unwrap().len(), 1);
}

#[test]
fn what_is_broken_is_told() {
    let Made {
        _folder,
        store,
        a,
        b,
        c,
        ..
    } = made();
    let record = store.realization_dir(&b).join("record");
    fs::remove_file(&record).unwrap();
    fs::write(&record, "nonsense").unwrap();
    let error = store.dependents(&a[0]).unwrap_err();
    assert_says(
        &error,
        &[
            "a broken entry of the store",
            &b.to_string(),
            "help: `check` the store",
        ],
    );
    assert!(store.top_rrefs().is_err());
    let graph = store.realization_graph().unwrap();
    assert_eq!(graph.broken().next().unwrap().0, &b);
    assert_eq!(graph.dependents(&b).collect::<Vec<_>>(), [&c]);

    let config = store.derivation_dir(b.dref()).join("config.json");
    fs::remove_file(&config).unwrap();
    fs::write(&config, "{}").unwrap();
    let error = store.dependents(a[0].dref()).unwrap_err();
    assert_says(
        &error,
        &["a broken entry of the store", &b.dref().to_string()],
    );
}

#[test]
fn what_it_takes_up() {
    let Made {
        _folder,
        store,
        a,
        b,
        ..
    } = made();
    let big = publish_texts(
        &store,
        &config("big"),
        &Context::empty(),
        &[("one", &"x".repeat(100_000)), ("two/three", "y")],
    );
    let usage = store.disk_usage().unwrap();
    assert!(usage.refused.is_empty());
    let of = |rref: &RRefId| {
        usage
            .realizations
            .iter()
            .find(|one| one.id == *rref)
            .unwrap()
    };
    // The record and one build record count in addition to the artifacts.
    assert_eq!(of(&big).taken.files, 4);
    assert!(of(&big).taken.bytes > 100_001 && of(&big).taken.disk >= 100_000);
    assert_eq!(of(&a[0]).taken.files, 3);
    let sum: u64 = usage.realizations.iter().map(|one| one.taken.disk).sum();
    assert_eq!((usage.all.disk, usage.saved.files), (sum, 0));
    let derivations = usage.derivations();
    assert_eq!(derivations.len(), 5);
    let both = derivations
        .iter()
        .find(|one| one.id == *a[0].dref())
        .unwrap();
    assert_eq!(both.taken.files, 6);
    assert!(usage.to_string().contains(&big.dref().to_string()));

    // A file with two names counts once.
    let (one, other) = (store.out_dir(&big).join("one"), store.out_dir(&b).join("x"));
    fs::remove_file(&other).unwrap();
    fs::hard_link(one, &other).unwrap();
    let shared = store.disk_usage().unwrap();
    assert_eq!((shared.saved.files, shared.saved.bytes), (1, 100_000));
    assert_eq!(shared.all.bytes + 1, usage.all.bytes);
    let b_usage = shared.realizations.iter().find(|one| one.id == b).unwrap();
    assert_eq!(b_usage.shared.files, 1);
    assert!(shared.to_string().contains("saved by 1 shared files"));

    // Duplicates in the request count once; a missing realization is reported.
    let none = RRefId::new([0; 16], b.dref().clone());
    let some = store.disk_usage_of([&b, &b, &none]).unwrap();
    assert_eq!((some.realizations.len(), some.refused.len()), (2, 1));
    assert_eq!(some.all.files, 3);
    assert!(some.to_string().contains("not counted: "));
}

#[test]
fn what_may_not_be_looked_at() {
    let (_folder, store) = store();
    for name in ["a", "b", "c", "d", "hidden"] {
        publish_texts(&store, &config(name), &Context::empty(), &[("x", name)]);
    }
    let hidden = store.rrefs_of(config("hidden").id()).unwrap().remove(0);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(store.out_dir(&hidden), mode).unwrap();
    let root = fs::canonicalize(store.root()).unwrap();
    let done = child_as_nobody("what is hidden", &root).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(said.contains("looked"), "{said}");
}

#[test]
fn artifacts_by_their_paths() {
    let (_folder, store) = scratch();
    let files = [("out.txt", "text"), ("plots/one.svg", "<svg/>")];
    let rref = publish_texts(&store, &config("a"), &Context::empty(), &files);
    let path = store.artifact(&rref, "plots/one.svg").unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "<svg/>");
    assert!(store.artifact(&rref, "plots").unwrap().is_dir());
    for path in ["out.tx", "", "/etc/passwd", "../record", "plots/"] {
        let error = store.artifact(&rref, path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing);
        assert_says(
            &error,
            &[
                "has no artifact",
                "there is `out.txt`, `plots`, `plots/one.svg`",
            ],
        );
    }
}

#[test]
fn a_shell_among_the_artifacts() {
    let (_folder, store) = scratch();
    let rref = publish_texts(&store, &config("a"), &Context::empty(), &[("x", "text")]);
    let mut shell = store.shell(&rref).unwrap();
    let said = shell
        .args(["-c", "cat x; echo; echo $PYLIGHTNIX_RREF; pwd -P"])
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let out = fs::canonicalize(store.out_dir(&rref)).unwrap();
    assert_eq!(said, format!("text\n{rref}\n{}\n", out.display()));
}

/// A stage that others depend on.
#[derive(Config)]
struct Below {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
}

#[stage]
fn below(b: &Build<Below>) -> Result<BelowOutputs> {
    Ok(BelowOutputs {
        out: b.out.save("made")?,
    })
}

/// A stage of a plan that is never realized.
#[derive(Config)]
struct Above {
    #[dref]
    below: DRef<Below>,
    rate: f64,
}

#[stage]
fn above(_: &Build<Above>) -> Result<()> {
    Ok(())
}

#[test]
fn what_is_planned_and_not_realized_can_be_looked_at() {
    let (folder, store) = scratch();
    let plan = instantiate(Above::new(instantiate(Below::new()).unwrap(), 0.5)).unwrap();
    let lens = store.lens(&plan).unwrap();
    assert_eq!(lens.names().unwrap(), ["below", "rate"]);
    assert_eq!(lens.get("rate").unwrap().value::<f64>().unwrap(), 0.5);
    let below = lens.get("below.out").unwrap().refpath().unwrap();
    assert_eq!(below, (plan.below.id().clone(), "out.txt".to_owned()));
    assert!(store.drefs().unwrap().is_empty(), "looking writes nothing");
    assert!(
        store.lens(plan.id()).is_err(),
        "a reference alone has no config"
    );
    // Its folder is made for who wants it, with what it depends on.
    let mut shell = store.shell(&plan).unwrap();
    let said = shell
        .args(["-c", "echo $PYLIGHTNIX_DREF $PYLIGHTNIX_RREF; ls"])
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert_eq!(said, format!("{}\nconfig.json\n", plan.id()));
    assert_eq!(store.drefs().unwrap().len(), 2);
    let link = folder.path().join("plan");
    let other = instantiate(Above::new(instantiate(Below::new()).unwrap(), 0.25)).unwrap();
    store.link_derivation(&other, &link).unwrap();
    assert!(link.join("config.json").is_file());
    assert!(store.check().run().unwrap().is_sound());
    let made = store.realize(&plan).unwrap();
    assert!(store.shell(&made).is_ok() && store.shell(plan.id()).is_ok());
}

#[test]
fn links_are_named_by_what_they_lead_to() {
    let (folder, store) = scratch();
    let places = ["one", "two"].map(|text| {
        let rref = publish_texts(&store, &config("a"), &Context::empty(), &[("x", text)]);
        store
            .link_named(&rref, folder.path(), "{name}-{number}")
            .unwrap()
    });
    for (at, place) in places.iter().enumerate() {
        assert!(place.ends_with(format!("a-{}", at + 1)), "{places:?}");
        let text = ["one", "two"][at];
        assert_eq!(fs::read_to_string(place.join("x")).unwrap(), text);
    }
    let rref = &store.rrefs().unwrap()[0];
    let named = |pattern: &str| store.link_named(rref, folder.path(), pattern);
    let path = named("_rref_{time}_{name}").unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let time = name
        .strip_prefix("_rref_")
        .unwrap()
        .strip_suffix("_a")
        .unwrap();
    let digits = time.replace(['-', '_'], "");
    assert!(time.len() == 19 && digits.len() == 14, "{time}");
    let hash: String = rref.folder().chars().take(8).collect();
    assert!(named("{hash}").unwrap().ends_with(hash));
    assert_eq!(store.roots().unwrap().len(), 4);
    for (wrong, why) in [
        ("{size}", "stands for nothing"),
        ("{name", "has a `{` without a `}`"),
        ("", "is no name of a link"),
        ("a/{name}", "is no name of a link"),
    ] {
        assert_says(&named(wrong).unwrap_err(), &[why]);
    }
}

#[test]
fn links_to_derivations() {
    let (folder, store) = scratch();
    let rref = publish_texts(&store, &config("a"), &Context::empty(), &[("x", "text")]);
    let link = folder.path().join("link");
    store.link_derivation(rref.dref(), &link).unwrap();
    assert_eq!(
        fs::read_link(&link).unwrap(),
        store.derivation_dir(rref.dref())
    );
    assert!(store.roots().unwrap().is_empty());
    // Each kind of link replaces the other.
    store.link(&rref, &link).unwrap();
    assert_eq!(store.roots().unwrap().len(), 1);
    store.link_derivation(rref.dref(), &link).unwrap();
    assert!(!store.roots().unwrap()[0].counts);
    assert!(store.unlink(&link).unwrap());
    // Foreign files are kept.
    fs::write(&link, "mine").unwrap();
    let error = store.link_derivation(rref.dref(), &link).unwrap_err();
    assert_says(
        &error,
        &["exists and is not a link of this store", "help: "],
    );
    assert_eq!(fs::read_to_string(&link).unwrap(), "mine");
    let inside = store.link_derivation(rref.dref(), store.root().join("link"));
    assert_says(&inside.unwrap_err(), &["it lies in the store"]);
}
