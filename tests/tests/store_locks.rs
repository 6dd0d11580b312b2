//! Processes and threads that want the same object, and processes that die.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing test may say so by a panic, and a child talks to its parent"
)]

use pylightnix::store::{Context, Store};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tests::store::{Running, child, config, folder, publish, publish_texts, snapshot, store};

/// The parts of child processes.
#[test]
#[ignore = "plays a part in the tests here"]
fn part_of_a_child() {
    let Some((part, place)) = tests::store::part() else {
        return;
    };
    let store = Store::open(&place).unwrap();
    match part.as_str() {
        "hold a draft" => {
            let draft = store.plumbing().draft().unwrap();
            fs::write(draft.out().join("x"), "half").unwrap();
            println!("\nholding {}", draft.out().display());
            wait();
            drop(draft);
        }
        "hold a build lock" => {
            let _lock = lock(&store, &mut || ());
            println!("\nholding");
            wait();
        }
        "build once" => {
            println!("\nready");
            wait();
            let _lock = lock(&store, &mut || println!("\nwaiting"));
            let config = config("stage");
            if store
                .plumbing()
                .candidates(config.id(), &Context::empty())
                .unwrap()
                .is_empty()
            {
                let built = place.join("failed").join(std::process::id().to_string());
                fs::write(built, "").unwrap();
                publish_texts(&store, &config, &Context::empty(), &[("x", "1")]);
            }
        }
        "publish much" => {
            println!("\nready");
            wait();
            for number in 0..50 {
                let text = number.to_string();
                publish_texts(&store, &config("stage"), &Context::empty(), &[("x", &text)]);
            }
        }
        "begin and end" => {
            for _ in 0..30 {
                let store = Store::open(&place).unwrap();
                let mut draft = store.plumbing().draft().unwrap();
                fs::write(draft.out().join("x"), "1").unwrap();
                publish(&mut draft, &config("stage")).unwrap();
            }
        }
        other => panic!("no part is called {other}"),
    }
}

/// Waits for a line from the parent.
fn wait() {
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn lock(store: &Store, on_wait: &mut dyn FnMut()) -> pylightnix::store::BuildLock {
    store
        .plumbing()
        .lock_build(config("stage").id(), &Context::empty(), on_wait)
        .unwrap()
}

fn entries(path: &Path) -> usize {
    fs::read_dir(path).unwrap().count()
}

#[test]
fn one_of_many_processes_builds() {
    let (_folder, store) = store();
    let mut children: Vec<Running> = (0..4)
        .map(|_| Running::start(child("build once", store.root())))
        .collect();
    let held = lock(&store, &mut || ());
    for child in &mut children {
        child.wait_for("ready");
        child.go_on();
        child.wait_for("waiting");
    }
    assert!(store.rrefs().unwrap().is_empty());
    drop(held);
    for child in &mut children {
        child.end();
    }
    assert_eq!(entries(&store.root().join("failed")), 1);
    let config = config("stage");
    let found = store
        .plumbing()
        .candidates(config.id(), &Context::empty())
        .unwrap();
    assert_eq!((found.len(), found[0].builds().len()), (1, 1));
    assert_eq!(entries(&store.root().join("locks/b")), 0);
}

#[test]
fn one_of_many_threads_builds() {
    let (_folder, store) = store();
    let (inside, built) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let lock = lock(&store, &mut || ());
                    assert!(!inside.swap(true, Ordering::SeqCst));
                    built.fetch_add(1, Ordering::SeqCst);
                    inside.store(false, Ordering::SeqCst);
                    drop(lock);
                }
            });
        }
    });
    assert_eq!(built.into_inner(), 400);
    assert_eq!(entries(&store.root().join("locks/b")), 0);
}

#[test]
fn other_contexts_and_derivations_do_not_wait() {
    let (_folder, store) = store();
    let never = &mut || panic!("waited");
    let a = publish_texts(&store, &config("a"), &Context::empty(), &[]);
    let _one = lock(&store, never);
    let context = Context::from_iter([a]);
    let _two = store
        .plumbing()
        .lock_build(config("stage").id(), &context, never)
        .unwrap();
    let _three = store
        .plumbing()
        .lock_build(config("a").id(), &Context::empty(), never)
        .unwrap();
    assert_eq!(entries(&store.root().join("locks/b")), 3);
}

#[test]
fn a_dead_holder_holds_nothing() {
    let (_folder, store) = store();
    let mut holder = Running::start(child("hold a build lock", store.root()));
    holder.wait_for("holding");
    let mut waited = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            holder.kill();
        });
        drop(lock(&store, &mut || waited += 1));
    });
    assert_eq!(waited, 1);
}

#[test]
fn what_the_dead_left_is_swept_and_what_the_living_have_is_not() {
    let folder = folder();
    let root = folder.path().join("store");
    Store::open(&root).unwrap();
    let mut living = Running::start(child("hold a draft", &root));
    let mut dead = Running::start(child("hold a draft", &root));
    let living_out = living.wait_for("holding");
    let dead_out = dead.wait_for("holding");
    dead.kill();
    // Also a folder without a lease, and an object in the trash.
    let orphan = root.join("tmp/01890a5d-ac96-774b-bcce-b302099a8057");
    fs::create_dir_all(orphan.join("0/out")).unwrap();
    fs::create_dir_all(root.join("trash/x/y")).unwrap();
    // A lease without a folder.
    fs::write(root.join("leases/01890a5d-ac96-774b-bcce-b302099a8058"), "").unwrap();

    let store = Store::open(&root).unwrap();
    store.rrefs().unwrap();
    assert!(Path::new(&dead_out).exists(), "opening sweeps nothing");
    let draft = store.plumbing().draft().unwrap();
    assert!(!Path::new(&dead_out).exists());
    assert!(Path::new(&living_out).join("x").exists());
    assert!(!orphan.exists());
    assert_eq!(entries(&root.join("trash")), 0);
    assert_eq!(entries(&root.join("leases")), 2);
    assert_eq!(entries(&root.join("tmp")), 2);
    drop(draft);
    drop(store);
    living.go_on();
    living.end();
    // The next process that writes removes what ended processes left behind.
    let store = Store::open(&root).unwrap();
    let _draft = store.plumbing().draft().unwrap();
    assert_eq!(entries(&root.join("leases")), 1);
    assert_eq!(entries(&root.join("tmp")), 1);
}

#[test]
fn read_only_remains_are_swept() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, store) = store();
    let draft = store.plumbing().draft().unwrap();
    fs::create_dir_all(draft.out().join("a/b")).unwrap();
    fs::write(draft.out().join("a/b/x"), "1").unwrap();
    for path in ["a/b", "a", ""] {
        let path = draft.out().join(path);
        fs::set_permissions(path, fs::Permissions::from_mode(0o555)).unwrap();
    }
    let out = draft.out().to_owned();
    drop(draft);
    assert!(!out.exists());
}

#[test]
fn processes_may_publish_the_same_at_once() {
    let (_folder, store) = store();
    let mut children: Vec<Running> = (0..3)
        .map(|_| Running::start(child("publish much", store.root())))
        .collect();
    for child in &mut children {
        child.wait_for("ready");
    }
    for child in &mut children {
        child.go_on();
    }
    for child in &mut children {
        child.end();
    }
    let found = store
        .plumbing()
        .candidates(config("stage").id(), &Context::empty())
        .unwrap();
    assert_eq!(found.len(), 50);
    assert!(found.iter().all(|found| found.builds().len() == 3));
}

#[test]
fn beginning_and_sweeping_do_not_disturb_each_other() {
    let folder = folder();
    let root = folder.path().join("store");
    Store::open(&root).unwrap();
    let mut children: Vec<Running> = (0..4)
        .map(|_| Running::start(child("begin and end", &root)))
        .collect();
    for child in &mut children {
        child.end();
    }
    let store = Store::open(&root).unwrap();
    let _draft = store.plumbing().draft().unwrap();
    assert_eq!(entries(&root.join("leases")), 1);
    assert_eq!(entries(&root.join("tmp")), 1);
    let found = store
        .plumbing()
        .candidates(config("stage").id(), &Context::empty())
        .unwrap();
    assert_eq!(found[0].builds().len(), 120);
}

#[test]
fn one_lease_serves_all_handles_of_a_process() {
    let (_folder, store) = store();
    let link = store.root().with_file_name("link");
    std::os::unix::fs::symlink(store.root(), &link).unwrap();
    let other = Store::open(&link).unwrap();
    let (_one, _two) = (
        store.plumbing().draft().unwrap(),
        other.plumbing().draft().unwrap(),
    );
    assert_eq!(entries(&store.root().join("leases")), 1);
    assert_eq!(snapshot(&store.root().join("leases")).len(), 1);
}
