//! Pushing to a remote and pulling from it.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::config::RRefId;
use pylightnix::keys::Keys;
use pylightnix::store::remote::{Pull, Pulled, Push, Pushed, Remote};
use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
use pylightnix::{ErrorKind, Result};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use tempfile::TempDir;
use tests::remotes::{Answer, Watched};
use tests::store::{
    built, child, config, config_on, folder, objects, part, publish_on, publish_texts, store,
};

/// Four realizations, with a small and a large file, a link, a log and an executable among them.
fn diamond(store: &Store) -> [RRefId; 4] {
    let on = |name: &str, on: &str| config_on(name, &config(on));
    let large = "large ".repeat(40_000);
    let a = publish_texts(
        store,
        &config("a"),
        &Context::empty(),
        &[("d/x", "a"), ("y", ""), ("large", &large)],
    );
    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("run"), "r").unwrap();
    fs::set_permissions(draft.out().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("run", draft.out().join("link")).unwrap();
    fs::write(draft.out().join("same"), &large).unwrap();
    fs::write(draft.log(), "said\n").unwrap();
    let context = Context::from_iter([a.clone()]);
    let b = draft
        .publish(&on("b", "a"), &context, Outcome::Ok, &built())
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

/// Many small realizations of one derivation.
fn many(store: &Store, count: usize) -> Vec<RRefId> {
    let one = |at: usize| {
        let text = format!("result {at}");
        publish_texts(store, &config("many"), &Context::empty(), &[("n", &text)])
    };
    (0..count).map(one).collect()
}

fn push(store: &Store, remote: &Remote, rrefs: &[&RRefId]) -> Pushed {
    Push::new(store, remote).run(rrefs).unwrap()
}

fn pull(store: &Store, remote: &Remote, rrefs: &[&RRefId]) -> Pulled {
    Pull::new(store, remote).run(rrefs).unwrap()
}

fn place(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("remote")
}

/// Returns all files of a remote but the list, sorted.
fn files(remote: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for folder in ["index", "pack", "blob"] {
        for entry in fs::read_dir(remote.join(folder)).into_iter().flatten() {
            files.push(entry.unwrap().path());
        }
    }
    files.retain(|file| !file.ends_with("index/list"));
    files.sort();
    files
}

#[test]
fn what_is_pulled_is_what_was_pushed() {
    let at = folder();
    let ((_one, from), (_two, to)) = (store(), store());
    let [a, _, _, d] = diamond(&from);
    publish_texts(&from, &config("other"), &Context::empty(), &[]);
    let remote = Remote::open(&place(&at).to_string_lossy()).unwrap();
    let pushed = push(&from, &remote, &[&d]);
    assert_eq!(
        (pushed.rrefs.len(), pushed.there, &pushed.rrefs[0]),
        (4, 0, &a)
    );
    let pulled = pull(&to, &remote, &[&d]);
    assert_eq!(
        (pulled.rrefs.len(), pulled.there, &pulled.rrefs[3]),
        (4, 0, &d)
    );
    assert!(pulled.left_out.is_empty() && pulled.told.is_empty());
    let mut wanted = objects(&from);
    let other = config("other").id().folder();
    wanted.retain(|path, _| !path.starts_with(&other));
    assert_eq!(objects(&to), wanted);
    assert!(to.check().contents().run().unwrap().is_sound());
    // Both large files are one object.
    assert_eq!(fs::read_dir(place(&at).join("blob")).unwrap().count(), 1);
    assert!(remote.verify(1.0).unwrap().is_sound());
}

#[test]
fn the_same_results_make_the_same_packs() {
    let ((at, _one, from), (on, _two, to)) = {
        let ((one, from), (two, to)) = (store(), store());
        ((folder(), one, from), (folder(), two, to))
    };
    let [.., d] = diamond(&from);
    to.copy_from(&from, [&d]).unwrap();
    let packs = |store: &Store, at: &TempDir| {
        push(
            store,
            &Remote::open(&place(at).to_string_lossy()).unwrap(),
            &[&d],
        );
        let packs = fs::read_dir(place(at).join("pack")).unwrap();
        packs
            .map(|entry| entry.unwrap().file_name())
            .collect::<Vec<_>>()
    };
    assert_eq!(packs(&from, &at), packs(&to, &on));
}

#[test]
fn requests_are_few() {
    let at = folder();
    let ((_one, from), (_two, to)) = (store(), store());
    let from = from.with_durability(pylightnix::store::Durability::None);
    let to = to.with_durability(pylightnix::store::Durability::None);
    let rrefs = many(&from, 1000);
    let watched = Watched::new(&place(&at));
    let remote = Remote::over(watched.clone());
    let pushed = Push::new(&from, &remote).run(&rrefs).unwrap();
    assert!(pushed.requests <= 10, "{:?}", watched.asked());
    watched.asked();
    // Nothing new: the list of segments.
    let again = Push::new(&from, &remote).run(&rrefs).unwrap();
    assert_eq!(
        (again.rrefs.len(), again.there, again.requests),
        (0, 1000, 1)
    );
    assert_eq!(watched.asked(), ["list index"]);
    // One realization: a range of a pack beyond the index.
    let (_three, other) = store();
    pull(&other, &remote, &[&rrefs[123]]);
    let asked = watched.asked();
    let words: Vec<&str> = asked
        .iter()
        .map(|asked| asked.split(['/', ' ']).next().unwrap())
        .collect();
    assert_eq!(words, ["list", "get", "range"], "{asked:?}");
    // And another one, whose index is in the cache.
    pull(&other, &remote, &[&rrefs[7]]);
    assert_eq!(watched.asked().len(), 2);
    let pulled = Pull::new(&to, &remote).run_every().unwrap();
    assert_eq!(pulled.rrefs.len(), 1000);
    assert!(pulled.requests <= 10);
    watched.asked();
    // Nothing is missing here.
    assert_eq!(Pull::new(&to, &remote).run_every().unwrap().requests, 1);
}

#[test]
fn a_dry_run_says_what_would_be_sent() {
    let at = folder();
    let ((_one, from), (_two, to)) = (store(), store());
    let [.., d] = diamond(&from);
    let remote = Remote::open(&place(&at).to_string_lossy()).unwrap();
    let dry = Push::new(&from, &remote).dry_run().run([&d]).unwrap();
    assert!(dry.dry && !place(&at).exists());
    let done = push(&from, &remote, &[&d]);
    assert_eq!(
        (dry.sent.objects, &dry.rrefs),
        (done.sent.objects, &done.rrefs)
    );
    assert_eq!(dry.sent.bytes, done.sent.bytes);
    let dry = Pull::new(&to, &remote).dry_run().run([&d]).unwrap();
    assert!(!to.has(&d).unwrap() && dry.rrefs.len() == 4);
    let done = pull(&to, &remote, &[&d]);
    assert_eq!(
        (dry.fetched.objects, dry.fetched.bytes),
        (done.fetched.objects, done.fetched.bytes)
    );
}

#[test]
fn build_records_are_united() {
    let at = folder();
    let ((_one, from), (_two, to)) = (store(), store());
    let rref = publish_texts(&from, &config("a"), &Context::empty(), &[("x", "1")]);
    let remote = Remote::open(&place(&at).to_string_lossy()).unwrap();
    push(&from, &remote, &[&rref]);
    pull(&to, &remote, &[&rref]);
    // The same result once more, with a note, and another build elsewhere.
    publish_texts(&from, &config("a"), &Context::empty(), &[("x", "1")]);
    from.note(&rref, "good").unwrap();
    publish_texts(&to, &config("a"), &Context::empty(), &[("x", "1")]);
    assert_eq!(push(&from, &remote, &[&rref]).rrefs.len(), 1);
    assert_eq!(push(&to, &remote, &[&rref]).rrefs.len(), 1);
    for store in [&from, &to] {
        pull(store, &remote, &[&rref]);
        let found = store.realization(&rref).unwrap();
        assert_eq!((found.build_count(), found.remarks().len()), (3, 1));
        assert_eq!(push(store, &remote, &[&rref]).requests, 1);
    }
    assert_eq!(objects(&from), objects(&to));
    assert!(remote.verify(1.0).unwrap().is_sound());
}

#[test]
fn a_build_record_that_cannot_be_read_is_not_pushed_again_and_again() {
    let at = folder();
    let ((_one, from), (_two, to)) = (store(), store());
    let rref = publish_texts(&from, &config("a"), &Context::empty(), &[("x", "1")]);
    let remote = Remote::open(&place(&at).to_string_lossy()).unwrap();
    push(&from, &remote, &[&rref]);
    let broken = from.realization_dir(&rref);
    fs::write(
        broken.join("build-01a22bfc-37f8-76ae-9198-8d3b8953c15b.json"),
        "{",
    )
    .unwrap();
    assert_eq!(push(&from, &remote, &[&rref]).requests, 1);
    assert_eq!(pull(&to, &remote, &[&rref]).rrefs, [rref]);
}

#[test]
fn files_that_are_here_are_not_fetched() {
    let at = folder();
    let ((_one, from), (_two, to)) = (store(), store());
    let large = "large ".repeat(40_000);
    let [a, b] = ["a", "b"].map(|name| {
        publish_texts(
            &from,
            &config(name),
            &Context::empty(),
            &[("large", &large)],
        )
    });
    let watched = Watched::new(&place(&at));
    let remote = Remote::over(watched.clone());
    push(&from, &remote, &[&a, &b]);
    pull(&to, &remote, &[&a]);
    assert!(
        watched
            .asked()
            .iter()
            .any(|asked| asked.starts_with("get blob/"))
    );
    pull(&to, &remote, &[&b]);
    assert!(watched.asked().iter().all(|asked| !asked.contains("blob/")));
    assert!(to.check().contents().run().unwrap().is_sound());
}

#[test]
fn broken_objects_are_told_found_and_mended() {
    let ((_one, from), at) = (store(), folder());
    let [.., d] = diamond(&from);
    let remote = Remote::open(&place(&at).to_string_lossy()).unwrap();
    Push::new(&from, &remote).root("best").run([&d]).unwrap();
    let count = files(&place(&at)).len();
    assert_eq!(count, 3);
    for number in 0..count {
        for missing in [false, true] {
            let (at, on) = (folder(), folder());
            let remote = Remote::open(&place(&at).to_string_lossy()).unwrap();
            push(&from, &remote, &[&d]);
            let file = &files(&place(&at))[number];
            let bytes = fs::read(file).unwrap();
            for position in [0, bytes.len() / 3, bytes.len() - 1] {
                let mut bytes = bytes.clone();
                bytes[position] ^= 1;
                match missing {
                    true => drop(fs::remove_file(file)),
                    false => fs::write(file, &bytes).unwrap(),
                }
                let to = Store::open(on.path().join(format!("store-{position}"))).unwrap();
                let pulled = Pull::new(&to, &remote).run([&d]);
                // Nothing that is not whole, and nothing without a word.
                assert!(!to.has(&d).unwrap());
                assert!(to.check().contents().run().unwrap().is_sound());
                match pulled {
                    Ok(pulled) => assert!(!pulled.left_out.is_empty(), "{file:?} {missing}"),
                    Err(error) => {
                        assert!(missing && error.kind() == ErrorKind::Missing, "{error:?}")
                    }
                }
            }
            let verified = remote.verify(1.0);
            let is_gone = missing && file.parent().unwrap().ends_with("index");
            if !is_gone {
                let verified = verified.unwrap();
                assert!(!verified.is_sound() && verified.noted, "{file:?} {missing}");
                assert_eq!(verified.holes.len(), 1, "{:?}", verified.holes);
            }
            assert!(!push(&from, &remote, &[&d]).rrefs.is_empty());
            let verified = remote.verify(1.0).unwrap();
            assert!(verified.is_sound(), "{file:?} {missing} {verified:?}");
            let to = Store::open(on.path().join("last")).unwrap();
            assert_eq!(pull(&to, &remote, &[&d]).rrefs.len(), 4);
            assert_eq!(objects(&to), objects(&from));
            assert_eq!(push(&from, &remote, &[&d]).requests, 1);
        }
    }
}

#[test]
fn requests_that_fail_or_end_early_are_made_again() {
    let at = folder();
    let ((_one, from), (_two, to)) = (store(), store());
    let [.., d] = diamond(&from);
    for answer in [Answer::Failed, Answer::Cut] {
        let at = at.path().join(format!("{answer:?}"));
        let fault = move |number: usize, _: &str| match number % 3 {
            1 => answer,
            _ => Answer::Done,
        };
        let remote = Remote::over(Watched::with(&at, fault));
        push(&from, &remote, &[&d]);
        pull(&to, &remote, &[&d]);
        assert!(to.has(&d).unwrap());
        assert!(
            Remote::open(&at.to_string_lossy())
                .unwrap()
                .verify(1.0)
                .unwrap()
                .is_sound()
        );
    }
}

#[test]
fn a_remote_that_goes_away_while_it_is_verified_has_no_holes() {
    let ((_one, from), at) = (store(), folder());
    let [.., d] = diamond(&from);
    let at = place(&at);
    let remote = Remote::open(&at.to_string_lossy()).unwrap();
    push(&from, &remote, &[&d]);
    for begin in [2, 3, 4] {
        let fault = move |number: usize, _: &str| match number < begin {
            true => Answer::Done,
            false => Answer::Failed,
        };
        let gone = Remote::over(Watched::with(&at, fault));
        assert!(gone.verify(1.0).is_err(), "{begin}");
        assert!(remote.verify(1.0).unwrap().is_sound());
        assert_eq!(push(&from, &remote, &[&d]).requests, 1, "nothing is lost");
    }
}

#[test]
fn a_push_that_dies_at_any_request_leaves_nothing_that_counts() {
    let ((_one, from), at) = (store(), folder());
    let [.., d] = diamond(&from);
    let mut deaths = 0;
    loop {
        let place = at.path().join(format!("{deaths}"));
        let mut child = child("dying_push", &place);
        child
            .env("TEST_STORE", from.root())
            .env("TEST_RREF", d.to_string());
        let status = child.env("TEST_AT", deaths.to_string()).status().unwrap();
        let remote = Remote::open(&place.to_string_lossy()).unwrap();
        let (_two, to) = store();
        if status.success() {
            break;
        }
        // Nothing that was promised, or all of it.
        match Pull::new(&to, &remote).run([&d]) {
            Ok(pulled) => assert_eq!(to.has(&d).unwrap(), pulled.left_out.is_empty()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Missing),
        }
        push(&from, &remote, &[&d]);
        assert!(remote.verify(1.0).unwrap().is_sound());
        pull(&to, &remote, &[&d]);
        assert_eq!(objects(&to), objects(&from));
        deaths += 1;
    }
    assert!(deaths > 5, "{deaths}");
}

#[test]
#[ignore = "a part of other tests"]
fn part_of_a_child() -> Result<()> {
    let Some((name, place)) = part() else {
        return Ok(());
    };
    assert_eq!(name, "dying_push");
    let set = |name: &str| std::env::var(name).unwrap();
    let last: usize = set("TEST_AT").parse().unwrap();
    let rref: RRefId = set("TEST_RREF").parse()?;
    let fault = move |number, _: &str| match number == last {
        true => Answer::Dies,
        false => Answer::Done,
    };
    let remote = Remote::over(Watched::with(&place, fault));
    let store = Store::open_existing(set("TEST_STORE"))?;
    Push::new(&store, &remote)
        .root("best")
        .run([&rref])
        .map(drop)
}

#[test]
fn several_push_at_once() {
    let at = folder();
    let url = place(&at).to_string_lossy().into_owned();
    let stores: Vec<(TempDir, Store)> = (0..4).map(|_| store()).collect();
    let rrefs: Vec<Vec<RRefId>> = std::thread::scope(|scope| {
        let started: Vec<_> = (stores.iter().enumerate())
            .map(|(at, (_, store))| {
                let url = &url;
                scope.spawn(move || {
                    let own = format!("own{at}");
                    let own =
                        publish_texts(store, &config(&own), &Context::empty(), &[("x", &own)]);
                    let [.., shared] = diamond(store);
                    let remote = Remote::open(url).unwrap();
                    push(store, &remote, &[&own, &shared]);
                    vec![own, shared]
                })
            })
            .collect();
        started
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let remote = Remote::open(&url).unwrap();
    let (_to, to) = store();
    let pulled = Pull::new(&to, &remote).run(rrefs.iter().flatten()).unwrap();
    assert!(pulled.left_out.is_empty());
    assert_eq!(pulled.rrefs.len(), 8);
    // Who cannot list them finds all segments in the list.
    let listed = fs::read_to_string(place(&at).join("index/list")).unwrap();
    let segments = files(&place(&at))
        .into_iter()
        .filter(|file| file.parent().unwrap().ends_with("index"));
    let mut names: Vec<String> = segments
        .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(listed.lines().collect::<Vec<_>>(), names);
    // Four built each of the shared ones.
    assert_eq!(to.realization(&rrefs[0][1]).unwrap().build_count(), 4);
    assert!(remote.verify(1.0).unwrap().is_sound());
    assert!(to.check().contents().run().unwrap().is_sound());
}

#[test]
fn the_texts_of_code_travel() {
    let at = folder();
    let ((_one, from), (_two, to)) = (store(), store());
    let fingerprint = "0123456789abcdef0123456789abcdef";
    fs::write(
        from.root().join("code").join(fingerprint),
        "[stage a 3]\nabc\n",
    )
    .unwrap();
    let mut build = BuildRecord::now(BuildKind::Build);
    build.fingerprint = Some(fingerprint.to_owned());
    let draft = &mut from.plumbing().draft().unwrap();
    let rref = draft
        .publish(&config("a"), &Context::empty(), Outcome::Ok, &build)
        .unwrap()
        .id;
    let remote = Remote::open(&place(&at).to_string_lossy()).unwrap();
    push(&from, &remote, &[&rref]);
    pull(&to, &remote, &[&rref]);
    assert_eq!(
        to.code(fingerprint).unwrap().as_deref(),
        Some("[stage a 3]\nabc\n")
    );
}

#[test]
fn names_stand_for_results() {
    let at = folder();
    let ((_one, store), (_two, other)) = (store(), store());
    let [.., d] = diamond(&store);
    let address = place(&at).to_string_lossy().into_owned();
    let run = || -> Result<Pulled> {
        // ANCHOR: api
        store.add_remote("team", &address)?;
        let remote = store.remote(Some("team"))?; // or Remote::open("/shared/results")?
        let pushed = Push::new(&store, &remote).root("best").run([&d])?;
        println!(
            "{} sent, {} there already",
            pushed.rrefs.len(),
            pushed.there
        );

        let best = remote.refer(Some(&other), &["best".to_owned()])?;
        let pulled = Pull::new(&other, &remote).run(best)?;
        for error in &pulled.left_out {
            eprintln!("left out: {error}");
        }
        // ANCHOR_END: api
        Ok(pulled)
    };
    assert_eq!(run().unwrap().rrefs.len(), 4);
    let remote = store.remote(None).unwrap();
    let text = d.to_string();
    for word in [
        "d",
        &text,
        &text[..20],
        &text[5..25],
        &d.dref().to_string(),
        "best",
    ] {
        assert_eq!(
            remote.refer(None, &[word.to_owned()]).unwrap(),
            std::slice::from_ref(&d),
            "{word}"
        );
    }
    let error = remote.refer(None, &["nothing".to_owned()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert_eq!(remote.roots().unwrap()[0].rrefs, [d]);
    assert!(remote.remove_root("best").unwrap() && !remote.remove_root("best").unwrap());
    assert!(store.check().run().unwrap().is_sound());
    assert!(store.remove_remote("team").unwrap() && store.remotes().unwrap().is_empty());
}

#[test]
fn what_is_nowhere_is_said() {
    let at = folder();
    let ((_one, from), (_two, to)) = (store(), store());
    let [a, .., d] = diamond(&from);
    let remote = Remote::open(&place(&at).to_string_lossy()).unwrap();
    let error = Pull::new(&to, &remote).run([&d]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(
        error.to_string().starts_with("there is no remote at "),
        "{error}"
    );
    push(&from, &remote, &[&a]);
    let pulled = pull(&to, &remote, &[&d, &a]);
    assert_eq!((&pulled.rrefs[..], pulled.left_out.len()), (&[a][..], 1));
    let said = pulled.left_out[0].to_string();
    assert!(said.contains("is not at the remote"), "{said}");
}

#[test]
fn signatures_are_pushed_and_pulled_and_a_wrong_one_is_left() {
    let folder = folder();
    let person = |name: &str| {
        let keys = Keys::at(folder.path().join(name).join("keys"));
        keys.generate("me").unwrap();
        let store = Store::open(folder.path().join(name).join("store")).unwrap();
        store.with_keys(keys)
    };
    let (alice, bob) = (person("alice"), person("bob"));
    let remote = Remote::open(&folder.path().join("shared").to_string_lossy()).unwrap();
    // Both make the same.
    let make = |store: &Store| publish_texts(store, &config("a"), &Context::empty(), &[]);
    let rref = make(&alice);
    assert_eq!(make(&bob), rref);
    push(&alice, &remote, &[&rref]);
    push(&bob, &remote, &[&rref]);
    let signers = |store: &Store| {
        let all = store.signatures(&rref).unwrap();
        assert!(all.iter().all(|signature| signature.is_valid));
        all.len()
    };
    let (_carol, carol) = store();
    Pull::new(&carol, &remote).run([&rref]).unwrap();
    assert_eq!(signers(&carol), 2);
    Pull::new(&alice, &remote).run([&rref]).unwrap();
    assert_eq!(signers(&alice), 2, "what is here already gains signatures");
    // A signature alone is something new.
    let dave = person("dave");
    Pull::new(&dave, &remote).run([&rref]).unwrap();
    assert_eq!(dave.sign(&rref).unwrap(), 2);
    assert_eq!(
        push(&dave, &remote, &[&rref]).rrefs,
        std::slice::from_ref(&rref)
    );
    Pull::new(&carol, &remote).run([&rref]).unwrap();
    assert_eq!(signers(&carol), 4);
    assert!(carol.check().contents().run().unwrap().is_sound());

    // One that is not what its name says is pushed by somebody who has broken it.
    let erin = person("erin");
    Pull::new(&erin, &remote).run([&rref]).unwrap();
    erin.sign(&rref).unwrap();
    let id = erin.keys().unwrap().own().unwrap().unwrap().key.id();
    for entry in fs::read_dir(erin.realization_dir(&rref)).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains(&format!("{id}.sig")) {
            let text = fs::read_to_string(&path).unwrap();
            fs::remove_file(&path).unwrap();
            fs::write(&path, text.replace("==", "AA")).unwrap();
        }
    }
    push(&erin, &remote, &[&rref]);
    Pull::new(&carol, &remote).run([&rref]).unwrap();
    assert_eq!(signers(&carol), 4);
}
