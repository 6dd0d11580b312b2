//! Remotes on web servers: any server of files, and some that lie.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::config::RRefId;
use pylightnix::store::remote::{Pull, Push, Remote};
use pylightnix::store::{Context, Store};
use std::fs;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tests::remotes::{Answer, Watched};
use tests::store::{config, config_on, folder, objects, publish_on, publish_texts, store};
use tests::web::{Request, Server};

/// Answers with a file below `root`, or the range of it that is asked for if `ranges`.
fn file(root: &Path, request: &Request, ranges: bool, to: &mut TcpStream) -> io::Result<()> {
    let Ok(bytes) = fs::read(root.join(request.path.trim_start_matches('/'))) else {
        return write!(to, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    };
    let range = request
        .header("range")
        .filter(|_| ranges)
        .and_then(|range| {
            let (from, last) = range.strip_prefix("bytes=")?.split_once('-')?;
            Some((
                from.parse::<usize>().ok()?,
                last.parse::<usize>().ok()?.min(bytes.len() - 1),
            ))
        });
    let (from, last) = range.unwrap_or((0, bytes.len().saturating_sub(1)));
    let body = bytes.get(from..=last).unwrap_or_default();
    let length = body.len();
    match range {
        Some(_) => write!(
            to,
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{last}/{}\r\nContent-Length: {length}\r\n\r\n",
            bytes.len()
        )?,
        None => write!(to, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?,
    }
    to.write_all(body)
}

/// A remote with two realizations in a folder.
fn pushed(store: &Store, at: &Path) -> RRefId {
    let large = "large ".repeat(40_000);
    let a = publish_texts(
        store,
        &config("a"),
        &Context::empty(),
        &[("x", "1"), ("large", &large)],
    );
    let train = publish_on(store, &config_on("train", &config("a")), &[&a], "good");
    let remote = Remote::open(&at.to_string_lossy()).unwrap();
    Push::new(store, &remote).run([&train]).unwrap();
    train
}

#[test]
fn any_server_of_files_will_do() {
    let at = folder();
    let (_one, from) = store();
    let train = pushed(&from, at.path());
    for ranges in [true, false] {
        let root = at.path().to_owned();
        let server = Server::new(move |_, request, to| file(&root, request, ranges, to));
        let (_two, to) = store();
        let remote = Remote::open(&server.url("/")).unwrap();
        let pulled = Pull::new(&to, &remote).run([&train]).unwrap();
        assert_eq!((pulled.rrefs.len(), pulled.left_out.len()), (2, 0));
        assert_eq!(objects(&to), objects(&from));
        // What is here already is not asked for.
        assert_eq!(Pull::new(&to, &remote).run([&train]).unwrap().requests, 1);
        let error = Push::new(&to, &remote)
            .root("best")
            .run([&train])
            .unwrap_err();
        assert!(error.to_string().contains("can only be read"), "{error}");
        assert!(remote.verify(1.0).unwrap().is_sound());
    }
}

#[test]
fn redirects_lead_nowhere_else() {
    let at = folder();
    let (_one, from) = store();
    let train = pushed(&from, at.path());
    let root = at.path().to_owned();
    let other = Server::new(move |_, request, to| file(&root, request, true, to));
    let elsewhere = other.url("/pack");
    let root: PathBuf = at.path().to_owned();
    for (location, is_followed) in [
        ("/moved/pack", true),
        (elsewhere.as_str(), false),
        ("file:///etc", false),
        ("//localhost/pack", false),
    ] {
        let (root, location) = (root.clone(), location.to_owned());
        let server = Server::new(move |_, request, to| {
            if let Some(rest) = request.path.strip_prefix("/moved") {
                let path = rest.to_owned();
                return file(
                    &root,
                    &Request {
                        path,
                        ..request.clone()
                    },
                    true,
                    to,
                );
            }
            let Some(rest) = request.path.strip_prefix("/pack") else {
                return file(&root, request, true, to);
            };
            write!(
                to,
                "HTTP/1.1 302 Found\r\nLocation: {location}{rest}\r\nContent-Length: 0\r\n\r\n"
            )
        });
        let (_two, to) = store();
        let remote = Remote::open(&server.url("")).unwrap();
        let pulled = Pull::new(&to, &remote).run([&train]);
        assert_eq!(pulled.is_ok(), is_followed, "{pulled:?}");
        assert_eq!(to.has(&train).unwrap(), is_followed);
    }
    assert!(other.asked().is_empty());
}

#[test]
fn addresses_hold_no_passwords() {
    let (_one, store) = store();
    let address = "https://ada:secret@one.org/results";
    for error in [
        Remote::open(address).unwrap_err(),
        store.add_remote("team", address).unwrap_err(),
    ] {
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    assert!(store.remotes().unwrap().is_empty());
}

/// The recipe of the book, by `curl`, `zcat`, `grep` and `sha256sum` alone.
#[test]
fn no_program_of_ours_is_needed_to_read_a_remote() {
    let at = folder();
    let (_one, from) = store();
    let train = pushed(&from, at.path());
    let root = at.path().to_owned();
    let server = Server::new(move |_, request, to| file(&root, request, true, to));
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/remotes/recipe");
    for (stage, rref) in [
        ("train", Some(&train)),
        (
            "a",
            from.rrefs().unwrap().iter().find(|rref| **rref != train),
        ),
    ] {
        let here = folder();
        let mut command = Command::new(recipe);
        let done = command
            .args([&server.url(""), stage])
            .current_dir(here.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(
            said.trim_end(),
            rref.unwrap().to_string(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let record = fs::read(here.path().join("record")).unwrap();
        assert_eq!(
            record,
            fs::read(from.realization_dir(rref.unwrap()).join("record")).unwrap()
        );
    }
}

/// The first bytes of a blob that the server sends before it breaks off.
const FIRST: usize = 3 << 20;

/// A remote in a folder with the result `a`, which has one file of 9 MiB.
fn pushed_large(store: &Store, at: &Path) -> RRefId {
    let large = "0123456789abcdef".repeat(9 << 16);
    let a = publish_texts(store, &config("a"), &Context::empty(), &[("large", &large)]);
    let remote = Remote::open(&at.to_string_lossy()).unwrap();
    Push::new(store, &remote).run([&a]).unwrap();
    a
}

#[test]
fn a_pull_goes_on_where_the_server_broke_off() {
    let (folder, mine) = store();
    let shared = folder.path().join("shared");
    let a = pushed_large(&mine, &shared);
    let is_broken = Arc::new(AtomicBool::new(true));
    let breaks = is_broken.clone();
    let server = Server::new(move |_, request, to| {
        if !breaks.load(Ordering::Relaxed) || !request.path.contains("/blob/") {
            return file(&shared, request, true, to);
        }
        // Once a part of it, and then nothing at all.
        if request.header("range").is_some() {
            return write!(to, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
        }
        let bytes = fs::read(shared.join(request.path.trim_start_matches('/')))?;
        write!(
            to,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        )?;
        to.write_all(&bytes[..FIRST])
    });
    let remote = Remote::open(&server.url("/")).unwrap();
    let (_folder, theirs) = store();
    let pulled = Pull::new(&theirs, &remote).run([&a]).unwrap();
    assert_eq!((pulled.rrefs.len(), pulled.left_out.len()), (0, 1));
    is_broken.store(false, Ordering::Relaxed);
    let before = server.asked().len();
    let pulled = Pull::new(&theirs, &remote).run([&a]).unwrap();
    assert!(pulled.left_out.is_empty(), "{:?}", pulled.left_out);
    let asked = server.asked().split_off(before);
    let blobs = asked.iter().filter(|asked| asked.path.contains("/blob/"));
    let ranges: Vec<_> = blobs.map(|asked| asked.header("range")).collect();
    let rest = format!("bytes={FIRST}-{}", 9 << 20);
    assert_eq!(ranges, [Some(rest.as_str())]);
    assert_eq!(objects(&theirs), objects(&mine));
}

#[test]
fn bytes_of_before_that_are_wrong_are_fetched_anew() {
    let (folder, mine) = store();
    let shared = folder.path().join("shared");
    let a = pushed_large(&mine, &shared);
    // A part of it comes, and no more.
    let broken = Watched::with(&shared, |_, object| match object.starts_with("blob/") {
        true => Answer::Cut,
        false => Answer::Done,
    });
    let (_folder, theirs) = store();
    let pulled = Pull::new(&theirs, &Remote::over(broken)).run([&a]).unwrap();
    assert_eq!((pulled.rrefs.len(), pulled.left_out.len()), (0, 1));
    let fetches = theirs.root().join("cache/fetches");
    let part = fs::read_dir(&fetches).unwrap().next().unwrap().unwrap();
    let length = part.metadata().unwrap().len();
    assert!((10..9 << 20).contains(&length), "{length}");
    fs::write(part.path(), "1".repeat(1 << 20)).unwrap();
    let whole = Watched::new(&shared);
    let pulled = Pull::new(&theirs, &Remote::over(whole.clone()))
        .run([&a])
        .unwrap();
    assert!(pulled.left_out.is_empty(), "{:?}", pulled.left_out);
    let asked = whole.asked();
    let of_blob = asked.iter().filter(|asked| asked.contains(" blob/"));
    let words: Vec<_> = of_blob
        .filter_map(|asked| asked.split(' ').next())
        .collect();
    assert_eq!(words, ["range", "get"]);
    assert_eq!(fs::read_dir(&fetches).unwrap().count(), 0);
    assert_eq!(objects(&theirs), objects(&mine));
}
