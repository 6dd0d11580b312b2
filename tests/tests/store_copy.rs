//! Copying between stores.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::ErrorKind;
use pylightnix::config::RRefId;
use pylightnix::store::{Context, Store};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use tests::store::{
    built, by_older_rules, config, config_on, forget_context, objects, publish_on, publish_texts,
    snapshot, store,
};

fn diamond(store: &Store) -> [RRefId; 4] {
    let on = |name: &str, on: &str| config_on(name, &config(on));
    let a = publish_texts(
        store,
        &config("a"),
        &Context::empty(),
        &[("d/x", "a"), ("y", "")],
    );
    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("run"), "r").unwrap();
    fs::set_permissions(draft.out().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("run", draft.out().join("link")).unwrap();
    let context = Context::from_iter([a.clone()]);
    let build = built();
    fs::write(draft.log(), "said\n").unwrap();
    let b = draft
        .publish(
            &on("b", "a"),
            &context,
            pylightnix::store::Outcome::Ok,
            &build,
        )
        .unwrap()
        .id;
    let c = publish_on(store, &on("c", "a"), &[&a], "c");
    let text = format!(
        "{{\n    \"name\": \"d\",\n    \"b\": \"{}\",\n    \"c\": \"{}\"\n}}",
        b.dref(),
        c.dref()
    );
    let config = pylightnix::config::ConfigJson::from_json(&text).unwrap();
    let d = publish_on(store, &config, &[&b, &c], "d");
    [a, b, c, d]
}

#[test]
fn a_copy_is_the_same_and_shares_no_file() {
    let (_one, from) = store();
    let (_two, to) = store();
    let [a, b, c, d] = diamond(&from);
    publish_texts(&from, &config("other"), &Context::empty(), &[]);
    let before = objects(&from);
    let copied = to.copy_from(&from, [&d]).unwrap();
    assert_eq!((&copied[0], &copied[3], copied.len()), (&a, &d, 4));
    assert!(copied.contains(&b) && copied.contains(&c));
    assert_eq!(objects(&from), before);
    let mut wanted = before;
    let other = config("other").id().folder();
    wanted.retain(|path, _| !path.starts_with(&other));
    assert_eq!(objects(&to), wanted);
    for path in wanted.keys() {
        let found =
            |store: &Store| fs::symlink_metadata(store.root().join("store-v1").join(path)).unwrap();
        assert!(found(&from).ino() != found(&to).ino() || found(&from).dev() != found(&to).dev());
    }
    assert!(to.check().contents().run().unwrap().is_sound());
    // Copying again changes nothing.
    to.copy_from(&from, [&d, &a]).unwrap();
    to.copy_from(&to, [&d]).unwrap();
    assert_eq!(objects(&to), wanted);
}

#[test]
fn build_records_are_united() {
    let (_one, from) = store();
    let (_two, to) = store();
    let [.., d] = diamond(&from);
    to.copy_from(&from, [&d]).unwrap();
    from.plumbing()
        .add_build(&d, &built(), Some(b"second\n"))
        .unwrap();
    to.plumbing().add_build(&d, &built(), None).unwrap();
    to.copy_from(&from, [&d]).unwrap();
    from.copy_from(&to, [&d]).unwrap();
    let builds = |store: &Store| store.realization(&d).unwrap().builds().to_vec();
    assert_eq!(builds(&to).len(), 3);
    assert_eq!(builds(&to), builds(&from));
    assert_eq!(objects(&to), objects(&from));
}

#[test]
fn what_does_not_say_from_what_it_was_made_is_refused() {
    let (_one, from) = store();
    let (_two, to) = store();
    let [_, b, ..] = diamond(&from);
    let error = to
        .copy_from(&from, [&forget_context(&from, &b)])
        .unwrap_err();
    let report = format!("{error:?}");
    assert!(report.contains("it names no realization of"), "{report}");
    assert!(to.rrefs().unwrap().is_empty());
}

#[test]
fn after_a_refusal_the_store_is_as_before() {
    type Damage = fn(&Store, &RRefId);
    fn put(path: &Path, bytes: &[u8]) {
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let damages: [(Damage, &str); 6] = [
        (
            |store, c| put(&store.out_dir(c).join("x"), b"C"),
            "does not match the digest",
        ),
        (
            |store, c| put(&store.out_dir(c).join("x"), b"cc"),
            "right size",
        ),
        (
            |store, c| fs::remove_file(store.out_dir(c).join("x")).unwrap(),
            "cannot be opened",
        ),
        (
            |store, c| {
                fs::remove_file(store.out_dir(c).join("x")).unwrap();
                symlink("/etc/passwd", store.out_dir(c).join("x")).unwrap();
            },
            "cannot be opened",
        ),
        (
            |store, c| put(&store.realization_dir(c).join("record"), b""),
            "is broken",
        ),
        (
            |store, c| put(&store.derivation_dir(c.dref()).join("config.json"), b"{}"),
            "is not the config",
        ),
    ];
    for (damage, why) in damages {
        let (_one, from) = store();
        let (_two, to) = store();
        let [_, _, c, d] = diamond(&from);
        publish_texts(&to, &config("mine"), &Context::empty(), &[("x", "1")]);
        let before = objects(&to);
        fs::set_permissions(from.out_dir(&c), fs::Permissions::from_mode(0o755)).unwrap();
        damage(&from, &c);
        let error = to.copy_from(&from, [&d]).unwrap_err();
        let report = format!("{error:?}");
        assert!(report.contains(why), "{why:?} is not in {report}");
        assert!(report.contains("help: "), "{report}");
        assert_eq!(objects(&to), before);
        let left: Vec<_> = snapshot(&to.root().join("tmp")).into_keys().collect();
        assert!(left.iter().all(|path| !path.contains('/')), "{left:?}");
    }
}

#[test]
fn what_is_not_there_and_links_that_lead_out_are_refused() {
    let (_one, from) = store();
    let (_two, to) = store();
    let [a, ..] = diamond(&from);
    let (_three, empty) = store();
    let error = to.copy_from(&empty, [&a]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    for (target, why) in [
        ("../../x", "leads out of its artifacts"),
        ("nowhere", "is a link to nowhere, which does not exist"),
    ] {
        let id = publish_texts(&from, &config("leads"), &Context::empty(), &[("y", "y")]);
        let id = by_older_rules(&from, &id, |out| symlink(target, out.join("out")).unwrap());
        let report = format!("{:?}", to.copy_from(&from, [&id]).unwrap_err());
        assert!(report.contains(why), "{report}");
    }
    assert!(to.drefs().unwrap().is_empty());
}

#[test]
fn holes_stay_holes() {
    let (_folder, from) = store();
    let mut draft = from.plumbing().draft().unwrap();
    let file = fs::File::create(draft.out().join("hollow")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"here", 20 << 20).unwrap();
    file.set_len(40 << 20).unwrap();
    drop(file);
    let outcome = pylightnix::store::Outcome::Ok;
    let published = draft.publish(&config("hollow"), &Context::empty(), outcome, &built());
    let rref = published.unwrap().id;
    let (_other, to) = store();
    to.copy_from(&from, [&rref]).unwrap();
    let copied = to.out_dir(&rref).join("hollow");
    let data = fs::metadata(&copied).unwrap();
    assert!(data.blocks() * 512 < 1 << 20, "{} blocks", data.blocks());
    assert!(fs::read(&copied).unwrap() == fs::read(from.out_dir(&rref).join("hollow")).unwrap());
    assert!(to.check().contents().run().unwrap().is_sound());
}
