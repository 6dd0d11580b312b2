//! Collecting the garbage of a remote: what goes, what stays, and what happens beside it.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::config::{Digest, RRefId};
use pylightnix::store::remote::{Backend, Pull, Push, Remote, RemoteCollected, RemoteGc};
use pylightnix::store::{Context, Store};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tests::remotes::{Answer, Watched};
use tests::store::{config, config_on, publish_on, publish_texts, store};

const DAY: u64 = 24 * 60 * 60;

/// A remote whose clock the test sets.
struct Place {
    folder: TempDir,
    watched: Watched,
    remote: Remote,
}

impl Place {
    fn new() -> Self {
        let folder = tests::store::folder();
        let watched = Watched::new(&folder.path().join("shared"));
        let remote = Remote::over(watched.clone());
        Place {
            folder,
            watched,
            remote,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("shared")
    }

    fn push(&self, store: &Store, root: Option<&str>, rref: &RRefId) -> Vec<RRefId> {
        let push = Push::new(store, &self.remote);
        let push = match root {
            Some(root) => push.root(root),
            None => push,
        };
        push.run([rref]).unwrap().rrefs
    }

    fn gc(&self) -> RemoteCollected {
        // A clock of files is a little behind.
        self.watched.later(1);
        RemoteGc::new(&self.remote)
            .newer_than(Duration::ZERO)
            .run()
            .unwrap()
    }

    /// Names and deletes garbage, with a day between.
    fn gc_twice(&self) -> RemoteCollected {
        self.gc();
        self.watched.later(DAY + 1);
        self.gc()
    }

    /// Pulls into a new store, where all of it has to be whole.
    fn pulls(&self, rref: &RRefId) -> bool {
        let (_folder, other) = store();
        match Pull::new(&other, &self.remote).run([rref]) {
            Ok(pulled) if pulled.left_out.is_empty() => {
                assert!(other.check().contents().run().unwrap().is_sound());
                other.has(rref).unwrap()
            }
            _ => false,
        }
    }

    fn is_sound(&self) -> bool {
        self.remote.verify(1.0).unwrap().is_sound()
    }

    fn objects(&self, folder: &str) -> BTreeSet<String> {
        names(&self.path().join(folder))
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeSet::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// Publishes a realization with a small file and a blob.
fn publish(store: &Store, name: &str) -> RRefId {
    let blob = format!("{name} ").repeat(20_000);
    let files = [("small", name), ("blob", blob.as_str())];
    publish_texts(store, &config(name), &Context::empty(), &files)
}

#[test]
fn what_no_root_keeps_goes_after_the_grace() {
    let (_folder, store) = store();
    let place = Place::new();
    let (kept, dead) = (publish(&store, "kept"), publish(&store, "dead"));
    let on = publish_on(&store, &config_on("on", &config("kept")), &[&kept], "on");
    place.push(&store, Some("best"), &on);
    place.push(&store, None, &dead);
    // What is new stays.
    let collected = RemoteGc::new(&place.remote).run().unwrap();
    assert_eq!((collected.named.objects, collected.due), (0, None));
    // A dry run changes nothing.
    let before = tests::store::snapshot(&place.path());
    place.watched.later(1);
    let dry = RemoteGc::new(&place.remote)
        .newer_than(Duration::ZERO)
        .dry_run()
        .run()
        .unwrap();
    assert_eq!(tests::store::snapshot(&place.path()), before);
    let collected = place.gc();
    assert_eq!(
        (dry.named, dry.rrefs),
        (collected.named, collected.rrefs.clone())
    );
    // Its segment, its pack and its blob.
    assert_eq!(
        (collected.named.objects, collected.rrefs),
        (3, vec![dead.clone()])
    );
    assert!(place.pulls(&dead) && place.pulls(&on));
    // Too early.
    let collected = place.gc();
    assert!(collected.deleted.objects == 0 && collected.named.objects == 0);
    assert!(collected.due.is_some());
    place.watched.later(DAY + 1);
    let collected = place.gc();
    assert_eq!(collected.deleted.objects, 3);
    assert!(!place.pulls(&dead) && place.pulls(&on) && place.is_sound());
    assert_eq!(place.objects("blob").len(), 1);
    // The list for those who cannot list says the same.
    let listed = fs::read_to_string(place.path().join("index/list")).unwrap();
    assert_eq!(listed.lines().count(), 1);
    // And nothing is left to do, but notes are kept for a day.
    assert_eq!(place.gc().named.objects, 0);
    assert!(!place.objects("gone").is_empty());
    place.watched.later(DAY + 1);
    place.gc();
    assert!(place.objects("gone").is_empty());
    // It can come back.
    assert_eq!(place.push(&store, None, &dead), std::slice::from_ref(&dead));
    assert!(place.pulls(&dead) && place.is_sound());
}

#[test]
fn packs_and_segments_that_hold_little_are_put_anew() {
    let (_folder, store) = store();
    let place = Place::new();
    // One pack of forty, of which one is needed.
    let noise: Vec<String> = (0..40)
        .map(|seed: u64| {
            let digests = (0..600).map(|at| Digest::of(format!("{seed} {at}").as_bytes()));
            digests.map(|digest| digest.to_string()).collect()
        })
        .collect();
    let many: Vec<RRefId> = (0..40)
        .map(|at| {
            let name = format!("many{at}");
            let files = [("file", noise[at].as_str())];
            publish_texts(&store, &config(&name), &Context::empty(), &files)
        })
        .collect();
    Push::new(&store, &place.remote).run(&many).unwrap();
    place.push(&store, Some("one"), &many[7]);
    let packs = place.objects("pack");
    let collected = place.gc();
    assert_eq!(collected.moved.objects, 2, "a pack and a segment");
    assert!(place.pulls(&many[7]) && place.pulls(&many[8]));
    place.watched.later(DAY + 1);
    place.gc();
    assert!(place.objects("pack").is_disjoint(&packs));
    assert!(place.pulls(&many[7]) && !place.pulls(&many[8]) && place.is_sound());

    // Many segments become one, whose time is that of the newest.
    for at in 0..20 {
        let rref = publish(&store, &format!("small{at}"));
        place.push(&store, Some(&format!("small{at}")), &rref);
    }
    assert!(place.objects("index").len() > 20);
    place.gc_twice();
    assert_eq!(place.objects("index").len(), 2, "a segment and the list");
    for root in place.remote.roots().unwrap() {
        assert!(place.pulls(&root.rrefs[0]), "{}", root.name);
    }
    assert!(place.is_sound());
}

#[test]
fn what_is_pushed_meanwhile_stays() {
    let (_folder, store) = store();
    let place = Place::new();
    let dead = ["a", "b", "c", "d"].map(|name| publish(&store, name));
    for rref in &dead {
        place.push(&store, None, rref);
    }
    let [rooted, below, again, gone] = &dead;
    place.gc();
    // A root, a dependent, and the same again, which is there: of that, nobody asks for more.
    place.push(&store, Some("rooted"), rooted);
    let on = publish_on(&store, &config_on("on", &config("b")), &[below], "on");
    place.push(&store, None, &on);
    place.push(&store, None, again);
    place.watched.later(DAY + 1);
    let collected = place.gc();
    assert!(collected.spared.objects > 0);
    assert!(place.pulls(rooted) && place.pulls(&on) && !place.pulls(gone));
    assert!(place.is_sound());
}

#[test]
fn a_push_waits_for_who_deletes_and_puts_again_what_is_missing() {
    let (_folder, store) = store();
    let place = Place::new();
    let rref = publish(&store, "alone");
    place.push(&store, None, &rref);
    place.watched.later(1);
    let collected = RemoteGc::new(&place.remote)
        .newer_than(Duration::ZERO)
        .grace(Duration::from_secs(2))
        .run()
        .unwrap();
    assert_eq!(collected.named.objects, 3);
    // As if a collector was stopped after it deleted the pack, and before it deleted the blob.
    let id = place.objects("gone").into_iter().next().unwrap();
    let armed = format!("gone/{id}-armed-019b0000-0000-7000-8000-000000000001");
    place.watched.put(&armed, b"").unwrap();
    let pack = place.objects("pack").into_iter().next().unwrap();
    place.watched.delete(&format!("pack/{pack}")).unwrap();
    place.push(&store, Some("best"), &rref);
    assert!(place.pulls(&rref) && place.is_sound());
    let spares = place.objects("gone").into_iter();
    assert_eq!(spares.filter(|name| name.contains("-spare-")).count(), 1);
    // The collection goes on, and leaves what it was asked to spare.
    place.watched.later(3);
    place.gc();
    assert!(place.pulls(&rref) && place.is_sound());
}

#[test]
fn old_roots_are_given_up_unless_they_are_named() {
    let (_folder, store) = store();
    let place = Place::new();
    let [one, two] = ["one", "two"].map(|name| publish(&store, name));
    place.push(&store, Some("one"), &one);
    place.push(&store, Some("two"), &two);
    place.watched.later(10 * DAY);
    let gc = || {
        RemoteGc::new(&place.remote)
            .newer_than(Duration::ZERO)
            .roots_older_than(Duration::from_secs(9 * DAY))
            .keep("one")
    };
    assert_eq!(gc().run().unwrap().roots, ["two"]);
    place.watched.later(DAY + 1);
    gc().run().unwrap();
    let names: Vec<String> = (place.remote.roots().unwrap().into_iter())
        .map(|root| root.name)
        .collect();
    assert_eq!(names, ["one"]);
    assert!(place.pulls(&one) && !place.pulls(&two));
}

#[test]
fn a_list_that_a_dying_push_left_is_mended() {
    let (_folder, store) = store();
    let place = Place::new();
    let rref = publish(&store, "a");
    place.push(&store, None, &rref);
    let list = place.path().join("index/list");
    let whole = fs::read(&list).unwrap();
    for before in [None, Some(&b""[..])] {
        match before {
            None => fs::remove_file(&list).unwrap(),
            Some(bytes) => fs::write(&list, bytes).unwrap(),
        }
        assert!(place.push(&store, None, &rref).is_empty());
        assert_eq!(fs::read(&list).unwrap(), whole);
    }
    // With nothing to mend, nothing new is one request.
    place.watched.asked();
    place.push(&store, None, &rref);
    assert_eq!(place.watched.asked(), ["list index"]);
}

/// Collects with requests that fail from some number on, in ever other copies of a remote. Returns the number of requests that it needs.
fn stopped(from: &Place, kept: &RRefId, dead: &RRefId) -> usize {
    for stop in (0..).step_by(17) {
        let place = Place::new();
        tests::store::copy_all(&from.path(), &place.path());
        let broken = Watched::with(&place.path(), move |number, _| match number < stop {
            true => Answer::Done,
            false => Answer::Failed,
        });
        let remote = Remote::over(broken.clone());
        for watched in [&broken, &place.watched] {
            watched.later(DAY + 2);
        }
        let done = RemoteGc::new(&remote).newer_than(Duration::ZERO).run();
        assert!(place.is_sound() && place.pulls(kept), "{stop}");
        // The next ones go on.
        place.gc();
        place.gc_twice();
        assert!(place.is_sound() && place.pulls(kept) && !place.pulls(dead));
        if done.is_ok() {
            return stop;
        }
    }
    0
}

#[test]
fn a_collection_that_stops_anywhere_loses_nothing() {
    let (_folder, store) = store();
    let place = Place::new();
    let names: Vec<String> = (0..18).map(|at| format!("r{at}")).collect();
    let rrefs: Vec<RRefId> = names.iter().map(|name| publish(&store, name)).collect();
    for (at, rref) in rrefs.iter().enumerate() {
        place.push(&store, (at % 2 == 0).then_some(names[at].as_str()), rref);
    }
    // While it names what is to go, and while it deletes.
    assert!(stopped(&place, &rrefs[4], &rrefs[1]) > 14);
    place.gc();
    assert!(stopped(&place, &rrefs[4], &rrefs[1]) > 40);
}
