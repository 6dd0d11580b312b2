//! Who reproduced a result: which builds count, which are independent, and where results begin to diverge.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::keys::Keys;
use pylightnix::store::remote::{Push, Remote};
use pylightnix::store::{
    BuildKind, BuildRecord, Context, Independence, Outcome, Reproduced, Reproduction, Store,
};
use std::fs;
use tests::line::Line;
use tests::store::{config, config_on, store};

/// Publishes a build by the code `code` on a host.
fn build(store: &Store, config: &ConfigJson, on: &[&RRefId], text: &str, host: &str) -> RRefId {
    build_by(store, config, on, text, |build| {
        build.host = host.to_owned()
    })
}

fn build_by(
    store: &Store,
    config: &ConfigJson,
    on: &[&RRefId],
    text: &str,
    change: impl FnOnce(&mut BuildRecord),
) -> RRefId {
    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("a.txt"), "the same").unwrap();
    fs::write(draft.out().join("file"), text).unwrap();
    let mut build = BuildRecord::now(BuildKind::Build);
    build.fingerprint = Some("c0de".repeat(8));
    change(&mut build);
    let context: Context = on.iter().map(|rref| (*rref).clone()).collect();
    let published = draft.publish(config, &context, Outcome::Ok, &build);
    published.unwrap().id
}

fn stages(store: &Store, rref: &RRefId) -> Vec<Reproduction> {
    store.confirm().run([rref]).unwrap().stages
}

fn standing(store: &Store, rref: &RRefId) -> Reproduced {
    stages(store, rref).last().unwrap().standing
}

#[test]
fn builds_on_different_hosts_confirm_a_result() {
    let (_folder, store) = store();
    let rref = build(&store, &config("a"), &[], "text", "lab");
    assert_eq!(standing(&store, &rref), Reproduced::Alone);
    // Again on the same host.
    build(&store, &config("a"), &[], "text", "lab");
    assert_eq!(standing(&store, &rref), Reproduced::Alone);
    build(&store, &config("a"), &[], "text", "home");
    let found = stages(&store, &rref);
    assert_eq!(found[0].standing, Reproduced::Confirmed);
    assert_eq!(found[0].by, Some(Independence::Hosts));
    assert_eq!(found[0].results[0].makers.len(), 2);
    // And one by other code gave something else: it says nothing.
    build_by(&store, &config("a"), &[], "other", |build| {
        build.fingerprint = Some("0ther".to_owned());
        build.host = "third".to_owned();
    });
    assert_eq!(standing(&store, &rref), Reproduced::Confirmed);
}

#[test]
fn keys_count_before_hosts() {
    let (folder, plain) = store();
    let keys = |name: &str| {
        let keys = Keys::at(folder.path().join(name));
        keys.generate(name).unwrap();
        keys
    };
    let alice = plain.clone().with_keys(keys("alice"));
    let bob = plain.clone().with_keys(keys("bob"));
    let rref = build(&alice, &config("a"), &[], "text", "lab");
    // One key on two hosts is one person.
    build(&alice, &config("a"), &[], "text", "home");
    assert_eq!(standing(&alice, &rref), Reproduced::Alone);
    // A key that is not known here says no more than a host does.
    build(&bob, &config("a"), &[], "text", "lab");
    assert_eq!(standing(&alice, &rref), Reproduced::Alone);
    // Two keys on one host are two.
    let known = alice.keys().unwrap();
    let of_bob = bob.keys().unwrap().own().unwrap().unwrap().key;
    known.trust("bob", &of_bob.to_pem()).unwrap();
    let found = stages(&alice, &rref);
    assert_eq!(found[0].standing, Reproduced::Confirmed);
    assert_eq!(found[0].by, Some(Independence::Keys));
    // Nothing of a revoked key counts.
    known.revoke("bob").unwrap();
    assert_eq!(standing(&alice, &rref), Reproduced::Alone);
}

#[test]
fn who_signs_a_build_of_another_has_built_nothing() {
    let (folder, plain) = store();
    let [alice, bob] = ["alice", "bob"].map(|name| {
        let keys = Keys::at(folder.path().join(name));
        keys.generate(name).unwrap();
        plain.clone().with_keys(keys)
    });
    let of_bob = bob.keys().unwrap().own().unwrap().unwrap().key;
    alice
        .keys()
        .unwrap()
        .trust("bob", &of_bob.to_pem())
        .unwrap();
    let rref = build(&alice, &config("a"), &[], "text", "lab");
    build(&alice, &config("a"), &[], "text", "home");
    assert_eq!(bob.sign(&rref).unwrap(), 2);
    assert_eq!(standing(&alice, &rref), Reproduced::Alone);
}

#[test]
fn what_is_no_build_confirms_nothing() {
    let (_folder, store) = store();
    let rref = build(&store, &config("a"), &[], "text", "lab");
    for kind in [BuildKind::Import, BuildKind::Accept] {
        build_by(&store, &config("a"), &[], "text", |build| {
            build.kind = kind;
            build.host = "home".to_owned();
        });
    }
    // Carried from another context.
    let carried = serde_json::json!({"from": rref, "build": "019b0000-0000-7000-8000-000000000001", "time": "2026-01-01T00:00:00Z"});
    build_by(&store, &config("a"), &[], "text", |build| {
        build.carried = Some(serde_json::from_value(carried).unwrap());
        build.host = "home".to_owned();
    });
    // A copy is the same build.
    let (_other_folder, other) = tests::store::store();
    other.copy_from(&store, [&rref]).unwrap();
    store.copy_from(&other, [&rref]).unwrap();
    assert_eq!(standing(&store, &rref), Reproduced::Alone);
    let (_third_folder, third) = tests::store::store();
    let imported = build_by(&third, &config("a"), &[], "text", |build| {
        build.kind = BuildKind::Import;
    });
    assert_eq!(standing(&third, &imported), Reproduced::Unbuilt);
}

/// Two people with a chain of three stages, of which the second diverges.
fn diverging(lab: &Store, home: &Store) -> [RRefId; 2] {
    let first = config("a");
    let second = config_on("b", &first);
    let third = config_on("c", &second);
    let chain = |store: &Store, host: &str, text: &str| {
        let a = build(store, &first, &[], "text", host);
        let b = build(store, &second, &[&a], text, host);
        build(store, &third, &[&b], text, host)
    };
    [chain(lab, "lab", "1\n2\n"), chain(home, "home", "1\n3\n")]
}

#[test]
fn the_first_stage_that_diverges_is_named_and_the_rest_follows() {
    let (_folder, store) = store();
    let [rref, _] = diverging(&store, &store);
    let found = stages(&store, &rref);
    let standings: Vec<_> = found.iter().map(|stage| stage.standing).collect();
    assert_eq!(
        standings,
        [
            Reproduced::Confirmed,
            Reproduced::Diverges,
            Reproduced::Follows
        ]
    );
    let [one, other] = &found[1].results[..] else {
        unreachable!("two results")
    };
    assert!(one.first_difference.is_none());
    let first = other.first_difference.as_ref().unwrap();
    // `a.txt` comes before it, and is the same.
    assert_eq!(
        (first.path.as_str(), first.first.unwrap().line),
        ("file", Some(2))
    );
    assert_eq!(found[2].because, [found[1].dref.clone()]);
    assert!(!store.confirm().run_every().unwrap().agrees());
}

#[test]
fn what_was_not_read_does_not_matter() {
    let (_folder, store) = store();
    let on = config("a");
    let stage = config_on("b", &on);
    let dref = on.id().to_string();
    let reads = |artifact: &str| {
        let read = serde_json::json!([{"of": [[dref, 0]], "artifacts": [artifact]}]);
        Some(serde_json::from_value(read).unwrap())
    };
    let [one, other] = ["lab", "home"].map(|host| build(&store, &on, &[], host, host));
    let make = |on: &RRefId, host: &str, artifact: &str, text: &str| {
        build_by(&store, &stage, &[on], text, |build| {
            build.host = host.to_owned();
            build.reads = reads(artifact);
        })
    };
    // The inputs differ in `file`, and `a.txt` is the same.
    let rref = make(&one, "lab", "a.txt", "text");
    let same = make(&other, "home", "a.txt", "text");
    assert_ne!(rref, same);
    let found = stages(&store, &rref);
    assert_eq!(found[1].standing, Reproduced::Confirmed);
    assert_eq!(found[1].results[0].rrefs.len(), 2);
    // And where the digests of what was read differ, another result is a consequence.
    let (_folder, store) = tests::store::store();
    let [one, other] = ["lab", "home"].map(|host| build(&store, &on, &[], host, host));
    let make = |on: &RRefId, host: &str| {
        build_by(&store, &stage, &[on], host, |build| {
            build.host = host.to_owned();
            build.reads = reads("file");
        })
    };
    let rref = make(&one, "lab");
    make(&other, "home");
    assert_eq!(standing(&store, &rref), Reproduced::Follows);
}

#[test]
fn a_remote_has_builds_of_others() {
    let (folder, lab) = store();
    let (_home_folder, home) = store();
    let [rref, theirs] = diverging(&lab, &home);
    assert_eq!(stages(&lab, &rref)[0].standing, Reproduced::Alone);
    let place = folder.path().join("shared").to_string_lossy().into_owned();
    let remote = Remote::open(&place).unwrap();
    Push::new(&home, &remote).run([&theirs]).unwrap();
    let before = remote.requests();
    let found = lab.confirm().remote(&remote).run([&rref]).unwrap();
    // The index, its segment, and the records in one range.
    assert!(
        remote.requests() - before <= 3,
        "{}",
        remote.requests() - before
    );
    let standings: Vec<_> = found.stages.iter().map(|stage| stage.standing).collect();
    assert_eq!(
        standings,
        [
            Reproduced::Confirmed,
            Reproduced::Diverges,
            Reproduced::Follows
        ]
    );
    let changed = found.stages[1].results[1]
        .first_difference
        .as_ref()
        .unwrap();
    // The files of one are not here, so that the place in it is not known.
    assert_eq!((changed.path.as_str(), changed.first), ("file", None));
    assert!(!lab.has(&theirs).unwrap());
}

#[test]
fn the_command_says_it() {
    let line = Line::empty(env!("CARGO_BIN_EXE_store-cli"));
    diverging(&line.store, &line.store);
    let said = line.say("confirm c");
    snapbox::assert_data_eq!(
        format!("{}---\n{}= {}\n", said.out, said.err, said.code),
        snapbox::str![[r#"
confirmed  2c51fc0e/b8187d24  by 2 hosts: home, lab
diverges   79d9986e
    79d9986e/17ae6647  by the host home
    79d9986e/29243943  by the host lab
        ! file (4 B), from line 2 on (byte 2)
follows    8d8c30ed/d7976b4d  from 79d9986e, which diverges
---
1 of 3 results are confirmed; 1 stage diverges
= 1

"#]]
    );
    let said = line.say("confirm a");
    assert_eq!(said.code, 0);
    let said = line.say("confirm --json");
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (said.code, json["stages"].as_array().unwrap().len()),
        (1, 4)
    );
}
