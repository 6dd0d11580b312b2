//! Downloads from well-behaved and misbehaving servers.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::config::Digest;
use pylightnix::prelude::*;
use pylightnix::realize::Event;
use pylightnix::stages::{Fetched, fetch_url};
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};
use tests::runs::{assert_says, scratch};
use tests::store::{child, part, snapshot};
use tests::web::{Server, head, rest, whole};

const HELLO: &[u8] = b"hello from afar\n";

/// A body larger than all buffers.
fn long() -> &'static [u8] {
    let bytes: Vec<u8> = (0..1_000_000_u32)
        .flat_map(|n| n.wrapping_mul(n).to_le_bytes())
        .collect();
    Vec::leak(bytes)
}

fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// Returns a download with short waits.
fn quick(server: &Server, path: &str, body: &[u8]) -> Fetched {
    Fetched {
        wait: 0.01,
        patience: 5.0,
        ..Fetched::new(server.url(path), Digest::of(body))
    }
}

fn fetched(store: &Store, config: Fetched) -> pylightnix::Result<Vec<u8>> {
    let rref = store.realize(&instantiate(config)?)?;
    Ok(fs::read(rref.out.path()).unwrap())
}

/// Returns the lengths of partial downloads.
fn kept(store: &Store) -> Vec<u64> {
    let Ok(folder) = fs::read_dir(store.root().join("cache/fetches")) else {
        return Vec::new();
    };
    let entries = folder.map(|entry| entry.unwrap());
    entries
        .filter(|entry| !entry.file_name().to_string_lossy().ends_with(".json"))
        .map(|entry| entry.metadata().unwrap().len())
        .collect()
}

#[test]
fn a_file_is_fetched_once() -> Result<()> {
    let (_folder, store) = scratch();
    let server = Server::of(HELLO);
    let dref = fetch_url(&server.url("/hello"), &sha256(HELLO))?;
    let rref = store.realize(&dref)?;
    assert_eq!(fs::read(rref.out.path())?, HELLO);
    assert_eq!(store.realize(&dref)?, rref);
    assert_eq!(server.asked().len(), 1);
    assert_eq!(
        server.asked()[0].header("accept-encoding"),
        Some("identity")
    );
    assert_eq!(kept(&store), [0_u64; 0]);
    Ok(())
}

#[test]
fn how_it_is_fetched_is_no_part_of_the_identity() -> Result<()> {
    let url = "https://example.org/x";
    let plain = fetch_url(url, &sha256(HELLO))?;
    let other = instantiate(Fetched {
        mirrors: vec!["https://example.com/x".to_owned()],
        tries: 1,
        wait: 0.0,
        patience: 1.0,
        limit: 7,
        ..Fetched::new(url.to_owned(), Digest::of(HELLO))
    })?;
    assert_eq!(plain, other);
    assert_ne!(plain, fetch_url("https://example.org/y", &sha256(HELLO))?);
    assert_ne!(plain, fetch_url(url, &sha256(b""))?);
    Ok(())
}

#[test]
fn what_cannot_be_an_address_or_a_hash_is_refused_at_once() {
    let sha256 = sha256(HELLO);
    for (url, why) in [
        ("ftp://example.org/x", "the protocol `ftp` is not supported"),
        ("/local/file", "it has no host name"),
        ("https:///x", "it is not a valid URL"),
        ("not an address", "it is not a valid URL"),
        ("", "it is not a valid URL"),
    ] {
        let error = fetch_url(url, &sha256).unwrap_err();
        assert_says(
            &error,
            &[
                &format!("cannot fetch from {url:?}"),
                why,
                "begins with `https://`",
                "for a file of this machine, `file:///`",
            ],
        );
    }
    for wrong in ["", "abc", &sha256.to_uppercase(), &sha256[1..]] {
        let error = fetch_url("https://example.org/x", wrong).unwrap_err();
        assert_says(
            &error,
            &["is not a SHA-256 digest, which has 64 lowercase hex digits"],
        );
    }
}

#[test]
fn a_wrong_hash_names_both() {
    let (_folder, store) = scratch();
    let server = Server::of(b"something else");
    let error = fetched(&store, quick(&server, "/x", HELLO)).unwrap_err();
    assert_says(
        &error,
        &[
            &server.url("/x"),
            "sent 14 bytes",
            &format!("with the SHA-256 digest {}", sha256(b"something else")),
            &format!("expected is {}", sha256(HELLO)),
            "put its new SHA-256 digest into the plan",
        ],
    );
    assert_eq!(server.asked().len(), 1, "it would send the same again");
    assert_eq!(kept(&store), [0_u64; 0], "wrong bytes are not kept");
}

#[test]
fn a_file_that_is_not_there_is_not_asked_for_again() {
    let (_folder, store) = scratch();
    let server = Server::new(|_, _, to| head(to, &["404 Not Found", "Content-Length: 0"]));
    let error = fetched(&store, quick(&server, "/gone", HELLO)).unwrap_err();
    assert_says(&error, &["/gone answered `404 Not Found`", "check the URL"]);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_server_that_is_busy_is_asked_again() -> Result<()> {
    let (_folder, store) = scratch();
    let server = Server::new(|before, _, to| match before {
        0 => head(to, &["503 Service Unavailable", "Content-Length: 0"]),
        1 => head(
            to,
            &[
                "429 Too Many Requests",
                "Retry-After: 1",
                "Content-Length: 0",
            ],
        ),
        _ => whole(to, HELLO),
    });
    let begun = Instant::now();
    assert_eq!(fetched(&store, quick(&server, "/x", HELLO))?, HELLO);
    assert_eq!(server.asked().len(), 3);
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "it asked to be left alone"
    );
    Ok(())
}

#[test]
fn the_waits_grow_and_the_tries_end() {
    let (_folder, store) = scratch();
    let server =
        Server::new(|_, _, to| head(to, &["500 Internal Server Error", "Content-Length: 0"]));
    let begun = Instant::now();
    let config = Fetched {
        tries: 4,
        wait: 0.1,
        ..quick(&server, "/x", HELLO)
    };
    let error = fetched(&store, config).unwrap_err();
    assert_says(&error, &["answered `500 Internal Server Error`"]);
    assert_eq!(server.asked().len(), 4);
    assert!(begun.elapsed() >= Duration::from_millis(100 + 200 + 400));
}

#[test]
fn what_broke_off_goes_on_where_it_was() -> Result<()> {
    let (_folder, store) = scratch();
    let body = long();
    let server = Server::new(move |before, request, to| match (before, request.from()) {
        (0, _) => {
            head(
                to,
                &[
                    "200 OK",
                    &format!("Content-Length: {}", body.len()),
                    "ETag: \"one\"",
                ],
            )?;
            to.write_all(&body[..1_000_000])
        }
        (_, Some(from)) => rest(to, body, from),
        (_, None) => whole(to, body),
    });
    assert_eq!(fetched(&store, quick(&server, "/x", body))?, body);
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].from(), Some(1_000_000));
    assert_eq!(asked[1].header("if-range"), Some("\"one\""));
    Ok(())
}

#[test]
fn the_next_run_goes_on_as_well() -> Result<()> {
    let (_folder, store) = scratch();
    let body = long();
    let server = Server::new(move |before, request, to| match (before, request.from()) {
        (0, _) => {
            head(
                to,
                &[
                    "200 OK",
                    &format!("Content-Length: {}", body.len()),
                    "ETag: \"one\"",
                ],
            )?;
            to.write_all(&body[..3_000_000])
        }
        (_, Some(from)) => rest(to, body, from),
        (_, None) => whole(to, body),
    });
    let once = || Fetched {
        tries: 1,
        ..quick(&server, "/x", body)
    };
    let error = fetched(&store, once()).unwrap_err();
    assert_says(
        &error,
        &[
            "closed the connection after 3000000 of 4000000 bytes",
            "run again to resume after 3000000 bytes",
        ],
    );
    assert_eq!(kept(&store), [3_000_000]);
    assert_eq!(fetched(&store, once())?, body);
    assert_eq!(server.asked()[1].from(), Some(3_000_000));
    assert_eq!(kept(&store), [0_u64; 0]);
    Ok(())
}

#[test]
fn a_server_that_breaks_off_each_time_gives_the_file_in_the_end() -> Result<()> {
    let (_folder, store) = scratch();
    let body = long();
    // In ten pieces, more than the five tries: rounds with progress do not count.
    let server = Server::new(move |_, request, to| {
        let from = request.from().unwrap_or(0);
        let length = format!("Content-Length: {}", body.len() - from);
        let range = format!(
            "Content-Range: bytes {from}-{}/{}",
            body.len() - 1,
            body.len()
        );
        let status = if from == 0 {
            "200 OK"
        } else {
            "206 Partial Content"
        };
        head(to, &[status, &length, &range])?;
        to.write_all(&body[from..body.len().min(from + 400_000)])
    });
    assert_eq!(fetched(&store, quick(&server, "/x", body))?, body);
    assert_eq!(server.asked().len(), 10);
    Ok(())
}

#[test]
fn a_server_without_ranges_sends_all_again() -> Result<()> {
    let (_folder, store) = scratch();
    let body = long();
    let server = Server::new(move |before, _, to| match before {
        0 => {
            head(to, &["200 OK", &format!("Content-Length: {}", body.len())])?;
            to.write_all(&body[..1_000_000])
        }
        _ => whole(to, body),
    });
    assert_eq!(fetched(&store, quick(&server, "/x", body))?, body);
    assert_eq!(server.asked()[1].from(), Some(1_000_000));
    assert_eq!(server.asked().len(), 2);
    Ok(())
}

#[test]
fn parts_of_two_versions_are_not_joined() -> Result<()> {
    let (_folder, store) = scratch();
    let new = long();
    // The server breaks off with the old file, and later sends the rest of the new file without an error.
    let server = Server::new(move |before, request, to| match (before, request.from()) {
        (0, _) => {
            head(to, &["200 OK", "Content-Length: 4000000"])?;
            to.write_all(&[7; 1_000_000])
        }
        (_, Some(from)) => rest(to, new, from),
        (_, None) => whole(to, new),
    });
    assert_eq!(fetched(&store, quick(&server, "/x", new))?, new);
    let froms: Vec<_> = server
        .asked()
        .iter()
        .map(|request| request.from())
        .collect();
    assert_eq!(froms, [None, Some(1_000_000), None]);
    Ok(())
}

#[test]
fn the_wrong_part_is_not_joined_either() -> Result<()> {
    let (_folder, store) = scratch();
    let body = long();
    let server = Server::new(move |before, request, to| match (before, request.from()) {
        (0, _) => {
            head(to, &["200 OK", "Content-Length: 4000000"])?;
            to.write_all(&body[..1_000_000])
        }
        (_, Some(from)) => rest(to, body, from + 1),
        (_, None) => whole(to, body),
    });
    assert_eq!(fetched(&store, quick(&server, "/x", body))?, body);
    Ok(())
}

#[test]
fn more_than_there_was_is_begun_anew() -> Result<()> {
    let (_folder, store) = scratch();
    let server = Server::of(HELLO);
    let dref = fetch_url(&server.url("/x"), &sha256(HELLO))?;
    let folder = store.root().join("cache/fetches");
    fs::create_dir_all(&folder)?;
    let name = dref.id().to_string()["dref:".len()..].to_owned();
    fs::write(folder.join(name), [7; 100])?;
    assert_eq!(fs::read(store.realize(&dref)?.out.path())?, HELLO);
    let froms: Vec<_> = server
        .asked()
        .iter()
        .map(|request| request.from())
        .collect();
    assert_eq!(froms, [Some(100), None], "416, then all");
    Ok(())
}

#[test]
fn what_is_whole_already_is_not_asked_for() -> Result<()> {
    let (_folder, store) = scratch();
    let server = Server::of(HELLO);
    let dref = fetch_url(&server.url("/x"), &sha256(HELLO))?;
    let folder = store.root().join("cache/fetches");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(&dref.id().to_string()["dref:".len()..]), HELLO)?;
    assert_eq!(fs::read(store.realize(&dref)?.out.path())?, HELLO);
    assert_eq!(server.asked().len(), 0);
    Ok(())
}

#[test]
fn a_server_that_says_too_long_a_length_is_believed_by_the_hash() -> Result<()> {
    let (_folder, store) = scratch();
    let server = Server::new(|_, _, to| {
        head(to, &["200 OK", "Content-Length: 1000"])?;
        to.write_all(HELLO)
    });
    assert_eq!(fetched(&store, quick(&server, "/x", HELLO))?, HELLO);
    // Without the right bytes it fails.
    let error = fetched(&store, quick(&server, "/x", b"other")).unwrap_err();
    assert_says(&error, &["closed the connection after 16 of 1000 bytes"]);
    Ok(())
}

#[test]
fn a_server_that_says_too_short_a_length_gives_the_wrong_hash() {
    let (_folder, store) = scratch();
    let server = Server::new(|_, _, to| {
        head(to, &["200 OK", "Content-Length: 5"])?;
        to.write_all(HELLO)
    });
    let error = fetched(&store, quick(&server, "/x", HELLO)).unwrap_err();
    assert_says(&error, &["sent 5 bytes", &sha256(b"hello"), &sha256(HELLO)]);
}

#[test]
fn a_server_that_says_no_length_is_tried_again_when_it_breaks_off() -> Result<()> {
    let (_folder, store) = scratch();
    let server = Server::new(|before, _, to| {
        head(to, &["200 OK"])?;
        to.write_all(if before == 0 { &HELLO[..5] } else { HELLO })
    });
    assert_eq!(fetched(&store, quick(&server, "/x", HELLO))?, HELLO);
    let error = fetched(
        &store,
        Fetched {
            tries: 1,
            ..quick(&server, "/x", b"other")
        },
    )
    .unwrap_err();
    assert_says(&error, &["sent 16 bytes", "without a length"]);
    Ok(())
}

#[test]
fn a_server_without_an_end_is_stopped() {
    let (_folder, store) = scratch();
    let endless = Server::new(|_, _, to| {
        head(to, &["200 OK"])?;
        loop {
            to.write_all(&[0; 65536])?;
        }
    });
    let limited = |server: &Server| Fetched {
        limit: 1 << 20,
        ..quick(server, "/x", HELLO)
    };
    let error = fetched(&store, limited(&endless)).unwrap_err();
    assert_says(
        &error,
        &["has more bytes than the limit of 1MiB", "`Fetched::limit`"],
    );
    assert_eq!(kept(&store), [0_u64; 0]);
    let large = Server::new(|_, _, to| head(to, &["200 OK", "Content-Length: 1048577"]));
    let error = fetched(&store, limited(&large)).unwrap_err();
    assert_says(&error, &["has more bytes than the limit of 1MiB"]);
}

#[test]
fn a_server_that_sends_nothing_is_given_up() {
    let (_folder, store) = scratch();
    let silent = Server::new(|_, _, _| {
        thread::sleep(Duration::from_secs(20));
        Ok(())
    });
    let impatient = |server: &Server| Fetched {
        tries: 2,
        patience: 0.3,
        ..quick(server, "/x", HELLO)
    };
    let begun = Instant::now();
    let error = fetched(&store, impatient(&silent)).unwrap_err();
    assert_says(&error, &["sent nothing for 300 ms"]);
    let stalled = Server::new(|_, _, to| {
        head(to, &["200 OK", "Content-Length: 16"])?;
        to.write_all(&HELLO[..5])?;
        thread::sleep(Duration::from_secs(20));
        Ok(())
    });
    let error = fetched(&store, impatient(&stalled)).unwrap_err();
    assert_says(&error, &["sent nothing for 300 ms after 5 of 16 bytes"]);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_slow_server_is_waited_for() -> Result<()> {
    let (_folder, store) = scratch();
    let server = Server::new(|_, _, to| {
        head(to, &["200 OK", "Content-Length: 16"])?;
        for byte in HELLO {
            to.write_all(&[*byte])?;
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    });
    // Longer in total than `patience`, which counts for each piece.
    let config = Fetched {
        patience: 0.8,
        ..quick(&server, "/x", HELLO)
    };
    assert_eq!(fetched(&store, config)?, HELLO);
    assert_eq!(server.asked().len(), 1);
    Ok(())
}

#[test]
fn nobody_there_is_said() {
    let (_folder, store) = scratch();
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let config = Fetched {
        tries: 2,
        wait: 0.01,
        ..Fetched::new(format!("http://127.0.0.1:{port}/x"), Digest::of(HELLO))
    };
    let error = fetched(&store, config).unwrap_err();
    assert_says(
        &error,
        &["refused the connection: no server listens at this address"],
    );
}

#[test]
fn redirects_are_followed_but_not_for_ever() -> Result<()> {
    let (_folder, store) = scratch();
    let server = Server::new(|_, request, to| match request.path.as_str() {
        "/here" => head(to, &["302 Found", "Location: /there", "Content-Length: 0"]),
        "/there" => whole(to, HELLO),
        _ => head(
            to,
            &[
                "301 Moved Permanently",
                "Location: /round",
                "Content-Length: 0",
            ],
        ),
    });
    assert_eq!(fetched(&store, quick(&server, "/here", HELLO))?, HELLO);
    let error = fetched(&store, quick(&server, "/round", HELLO)).unwrap_err();
    assert_says(&error, &["/round redirected more than 10 times"]);
    Ok(())
}

#[test]
fn mirrors_are_asked_in_order() -> Result<()> {
    let (_folder, store) = scratch();
    let gone = Server::new(|_, _, to| head(to, &["404 Not Found", "Content-Length: 0"]));
    let wrong = Server::of(b"wrong");
    let right = Server::of(HELLO);
    let unused = Server::of(HELLO);
    let config = Fetched {
        mirrors: [&gone, &wrong, &right]
            .map(|server| server.url("/m"))
            .to_vec(),
        ..quick(&unused, "/x", HELLO)
    };
    assert_eq!(fetched(&store, config)?, HELLO);
    let asked = [&gone, &wrong, &right, &unused].map(|server| server.asked().len());
    assert_eq!(asked, [1, 1, 1, 0]);

    let mirrors = vec![gone.url("/m")];
    let config = Fetched {
        mirrors: mirrors.clone(),
        ..quick(&right, "/y", HELLO)
    };
    assert_eq!(
        fetched(&store, config)?,
        HELLO,
        "the address itself is the last"
    );

    let config = Fetched {
        mirrors,
        ..quick(&wrong, "/z", HELLO)
    };
    let error = fetched(&store, config).unwrap_err();
    assert_says(
        &error,
        &[
            "/m answered `404 Not Found`",
            "/z sent 5 bytes",
            &sha256(b"wrong"),
        ],
    );
    Ok(())
}

#[test]
fn a_mirror_gives_the_rest() -> Result<()> {
    let (_folder, store) = scratch();
    let body = long();
    let broken = Server::new(move |_, _, to| {
        head(to, &["200 OK", "Content-Length: 4000000", "ETag: \"mine\""])?;
        to.write_all(&body[..1_000_000])
    });
    let mirror = Server::of(body);
    let config = Fetched {
        mirrors: vec![broken.url("/x")],
        ..quick(&mirror, "/m", body)
    };
    assert_eq!(fetched(&store, config)?, body);
    assert_eq!(mirror.asked()[0].from(), Some(1_000_000));
    assert_eq!(
        mirror.asked()[0].header("if-range"),
        None,
        "tags are each server's own"
    );
    Ok(())
}

#[test]
fn tls_is_not_given_up() {
    let (_folder, store) = scratch();
    let server = Server::of(HELLO);
    let url = server.url("/x").replace("http:", "https:");
    let config = Fetched {
        tries: 2,
        wait: 0.01,
        ..Fetched::new(url, Digest::of(HELLO))
    };
    let error = fetched(&store, config).unwrap_err();
    assert_says(&error, &["violated the protocol of the URL"]);
}

#[test]
fn the_cache_may_vanish_meanwhile() -> Result<()> {
    let (_folder, store) = scratch();
    let cache = store.root().join("cache");
    let server = Server::new(move |_, _, to| {
        head(to, &["200 OK", "Content-Length: 16"])?;
        to.write_all(&HELLO[..5])?;
        thread::sleep(Duration::from_millis(300));
        fs::remove_dir_all(&cache)?;
        to.write_all(&HELLO[5..])
    });
    assert_eq!(fetched(&store, quick(&server, "/x", HELLO))?, HELLO);
    Ok(())
}

#[test]
fn observers_are_told_how_far_it_is() -> Result<()> {
    let (_folder, store) = scratch();
    let server = Server::new(|_, _, to| {
        head(to, &["200 OK", "Content-Length: 16"])?;
        for piece in HELLO.chunks(4) {
            to.write_all(piece)?;
            thread::sleep(Duration::from_millis(150));
        }
        Ok(())
    });
    let told = Mutex::new(Vec::new());
    let observer = |event: &Event<'_>| {
        if let Event::Progress {
            dref, done, total, ..
        } = event
        {
            assert_eq!(dref.name().as_str(), "fetch-url");
            told.lock().unwrap().push((*done, *total));
        }
    };
    let dref = instantiate(quick(&server, "/x", HELLO))?;
    Realize::new(&store).jobs(1).observer(observer).run(&dref)?;
    let told = told.into_inner()?;
    assert!(told.len() >= 3 && told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&(16, Some(16))));
    Ok(())
}

#[test]
fn a_password_in_an_address_is_refused_before_it_is_written() {
    let url = "https://ada:s3cret@example.org/x";
    let plain = Fetched::new("https://example.org/x".to_owned(), Digest::of(HELLO));
    for refused in [
        fetch_url(url, &sha256(HELLO)),
        instantiate(Fetched::new(url.to_owned(), Digest::of(HELLO))),
        instantiate(Fetched {
            mirrors: vec![url.to_owned()],
            ..plain
        }),
    ] {
        let error = refused.unwrap_err();
        assert_says(
            &error,
            &[
                "cannot fetch from \"https://...@example.org/x\"",
                "it contains a user or a password",
                "~/.netrc",
                "Fetched::headers",
            ],
        );
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
}

/// The environment variables with the instructions of a child process.
const URL: &str = "PYLIGHTNIX_TEST_URL";
const TOKEN: &str = "PYLIGHTNIX_TEST_TOKEN";

#[test]
#[ignore = "a part that tests play with programs of their own"]
fn part_of_a_child() {
    let Some((part, place)) = part() else { return };
    let store = Store::open(place.join("store")).unwrap();
    let plain = Fetched::new(std::env::var(URL).unwrap(), Digest::of(HELLO));
    let config = match part.as_str() {
        "with a header" => Fetched {
            tries: 1,
            headers: [("Authorization".to_owned(), format!("Bearer ${TOKEN}"))].into(),
            ..plain
        },
        _ => Fetched { tries: 1, ..plain },
    };
    match fetched(&store, config) {
        Ok(bytes) => assert_eq!(bytes, HELLO),
        Err(error) => println!("refused {}", format!("{error:?}").replace('\n', " ")),
    }
}

/// Fetches in a child process with these variables; returns its output.
fn fetched_with(store: &Store, part: &str, url: &str, variables: &[(&str, &str)]) -> String {
    let mut command = child(part, store.root().parent().unwrap());
    command.env(URL, url).env_remove("NETRC").env_remove(TOKEN);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    let refusal = said.lines().find_map(|line| line.strip_prefix("refused "));
    refusal.unwrap_or_default().to_owned()
}

/// Asserts that no file of a store contains the secret.
fn assert_unwritten(store: &Store, secret: &str) {
    for (path, (_, bytes)) in snapshot(store.root()) {
        let mut windows = bytes.windows(secret.len());
        assert!(!windows.any(|part| part == secret.as_bytes()), "{path}");
    }
}

#[test]
fn a_token_is_sent_to_its_server_alone_and_written_nowhere() {
    let (_folder, store) = scratch();
    let far = Server::of(HELLO);
    // The same machine under another name.
    let there = far.url("/there").replace("127.0.0.1", "localhost");
    let near = Server::new(move |_, request, to| match request.path.as_str() {
        "/away" => {
            let location = format!("Location: {there}");
            head(to, &["302 Found", &location, "Content-Length: 0"])
        }
        "/here" => head(
            to,
            &["307 Temporary", "Location: there", "Content-Length: 0"],
        ),
        _ => whole(to, HELLO),
    });
    let token = [(TOKEN, "s3cret")];
    for path in ["/away", "/here"] {
        let said = fetched_with(&store, "with a header", &near.url(path), &token);
        assert_eq!(said, "", "{path}");
    }
    let sent = |server: &Server| -> Vec<_> {
        let asked = server.asked().into_iter();
        asked
            .map(|request| request.header("authorization").map(str::to_owned))
            .collect()
    };
    let bearer = Some("Bearer s3cret".to_owned());
    assert_eq!(sent(&near), [bearer.clone(), bearer.clone(), bearer]);
    assert_eq!(sent(&far), [None]);
    assert_unwritten(&store, "s3cret");
    let said = fetched_with(&store, "with a header", &near.url("/other"), &[]);
    assert!(said.contains(TOKEN), "{said}");
    assert!(said.contains("which is not set"), "{said}");
    let said = fetched_with(
        &store,
        "with a header",
        &near.url("/other"),
        &[(TOKEN, "s3\ncret")],
    );
    assert!(said.contains("has an invalid value"), "{said}");
    assert!(!said.contains("cret"), "{said}");
    assert_eq!(near.asked().len(), 3, "nothing was asked without it");
}

#[test]
fn passwords_come_from_netrc() {
    let (folder, store) = scratch();
    let netrc = folder.path().join("passwords");
    fs::write(&netrc, "machine localhost login ada password s3cret\n").unwrap();
    let far = Server::of(HELLO);
    let there = far.url("/there");
    let near = Server::new(
        move |_, request, to| match request.header("authorization") {
            // `ada:s3cret`
            Some("Basic YWRhOnMzY3JldA==") => {
                let location = format!("Location: {there}");
                head(to, &["302 Found", &location, "Content-Length: 0"])
            }
            _ => head(to, &["401 Unauthorized", "Content-Length: 0"]),
        },
    );
    let url = near.url("/x").replace("127.0.0.1", "localhost");
    let file = netrc.display().to_string();
    let said = fetched_with(&store, "plain", &url, &[("NETRC", &file)]);
    assert_eq!(said, "");
    assert_eq!(far.asked()[0].header("authorization"), None);
    assert_unwritten(&store, "s3cret");
    // In the home folder, without `$NETRC`.
    fs::rename(&netrc, folder.path().join(".netrc")).unwrap();
    let home = folder.path().display().to_string();
    let said = fetched_with(&store, "plain", &format!("{url}2"), &[("HOME", &home)]);
    assert_eq!(said, "");
    let said = fetched_with(&store, "plain", &format!("{url}3"), &[("HOME", "/nowhere")]);
    assert!(said.contains("answered `401 Unauthorized`"), "{said}");
}

#[test]
fn a_server_that_dawdles_is_given_up() {
    let (_folder, store) = scratch();
    let dawdling = || {
        Server::new(|_, request, to| {
            let from = request.from().unwrap_or(0);
            match from {
                0 => head(to, &["200 OK", "Content-Length: 1000000"])?,
                from => {
                    let range = format!("Content-Range: bytes {from}-999999/1000000");
                    head(to, &["206 Partial Content", &range])?;
                }
            }
            loop {
                to.write_all(b"x")?;
                thread::sleep(Duration::from_millis(50));
            }
        })
    };
    let slow = dawdling();
    let config = Fetched {
        tries: 1,
        ..quick(&slow, "/x", HELLO)
    };
    let error = fetched(&store, config).unwrap_err();
    assert_says(
        &error,
        &["sent only ", "`Fetched::pace`", "run again to resume after"],
    );

    let slow = dawdling();
    let config = Fetched {
        within: 0.5,
        ..quick(&slow, "/x", HELLO)
    };
    let error = fetched(&store, config).unwrap_err();
    assert_says(
        &error,
        &[
            "within 500 ms",
            "`Fetched::within`",
            "run again to resume after",
        ],
    );
}

#[test]
fn tries_that_bring_next_to_nothing_count() {
    let (_folder, store) = scratch();
    let server = Server::new(|_, request, to| {
        let from = request.from().unwrap_or(0);
        let range = format!("Content-Range: bytes {from}-999999/1000000");
        let status = match from {
            0 => "200 OK",
            _ => "206 Partial Content",
        };
        let length = format!("Content-Length: {}", 1_000_000 - from);
        head(to, &[status, &range, &length])?;
        to.write_all(b"x")
    });
    let error = fetched(&store, quick(&server, "/x", HELLO)).unwrap_err();
    assert_says(&error, &["closed the connection after"]);
    assert_eq!(server.asked().len(), 5);
}

#[test]
fn a_server_is_held_to_the_length_that_it_states() {
    let (_folder, store) = scratch();
    let server = Server::new(|_, _, to| {
        head(
            to,
            &["200 OK", "Content-Length: 10", "Transfer-Encoding: chunked"],
        )?;
        let piece = vec![b'x'; 65536];
        loop {
            to.write_all(b"10000\r\n")?;
            to.write_all(&piece)?;
            to.write_all(b"\r\n")?;
        }
    });
    let error = fetched(&store, quick(&server, "/x", HELLO)).unwrap_err();
    assert_says(
        &error,
        &["sent more than the 10 bytes of its `Content-Length`"],
    );
    assert_eq!(server.asked().len(), 1);
    assert_eq!(kept(&store), [0_u64; 0]);
    let large = Server::new(|_, _, to| head(to, &["200 OK", "Content-Length: 10737418241"]));
    let error = fetched(&store, quick(&large, "/x", HELLO)).unwrap_err();
    assert_says(
        &error,
        &["has more bytes than the limit of 10GiB", "`Fetched::limit`"],
    );
}

#[test]
fn parts_that_nobody_goes_on_with_are_collected() -> Result<()> {
    let (_folder, store) = scratch();
    let body = long();
    let (go_on, wait) = std::sync::mpsc::channel();
    let wait = Mutex::new(wait);
    let server = Server::new(move |before, request, to| {
        if let Some(from) = request.from().filter(|_| before > 1) {
            return rest(to, body, from);
        }
        head(to, &["200 OK", "Content-Length: 4000000"])?;
        to.write_all(&body[..1_000_000])?;
        if request.path == "/held" {
            let _ = wait.lock().unwrap().recv();
        }
        Ok(())
    });
    let once = |path: &str| Fetched {
        tries: 1,
        patience: 60.0,
        ..quick(&server, path, body)
    };
    fetched(&store, once("/x")).unwrap_err();
    assert_eq!(kept(&store), [1_000_000]);
    let report = store.gc().run()?;
    assert_eq!(report.downloads.len(), 0, "somebody may run it again");
    let old = std::time::SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    let age = || {
        for entry in fs::read_dir(store.root().join("cache/fetches")).unwrap() {
            let file = fs::File::open(entry.unwrap().path()).unwrap();
            file.set_modified(old).unwrap();
        }
    };
    age();
    thread::scope(|scope| {
        let held = scope.spawn(|| fetched(&store, once("/held")).unwrap_err());
        while kept(&store).iter().sum::<u64>() < 2_000_000 {
            thread::sleep(Duration::from_millis(10));
        }
        age();
        let planned = store.gc().plan().unwrap();
        let done = store.gc().run().unwrap();
        assert_eq!(planned.downloads, done.downloads);
        assert_eq!(done.downloads.len(), 1, "the other one is under way");
        assert_eq!(done.bytes, 1_000_000);
        assert_eq!(kept(&store), [1_000_000]);
        go_on.send(()).unwrap();
        held.join().unwrap();
    });
    let report = store.gc().keep_newer_than(Duration::ZERO).run()?;
    assert_eq!(report.downloads.len(), 1);
    let left = fs::read_dir(store.root().join("cache/fetches"))?;
    assert_eq!(left.count(), 0, "with what is known of them");
    Ok(())
}

#[test]
fn a_proxy_forwards_requests_for_plain_addresses() {
    let (_folder, store) = scratch();
    // The proxy supports no tunnels, and answers in chunks and without a length.
    let proxy = Server::new(move |before, request, to| match request.path.as_str() {
        "http://example.invalid/x?y" if request.header("host") == Some("example.invalid") => {
            head(to, &["200 OK", "Transfer-Encoding: chunked"])?;
            let (one, two) = HELLO.split_at(5);
            for part in [one, two, b""] {
                to.write_all(format!("{:x}\r\n", part.len()).as_bytes())?;
                to.write_all(part)?;
                to.write_all(b"\r\n")?;
            }
            Ok(())
        }
        "http://example.invalid/open" => {
            head(to, &["200 OK"])?;
            to.write_all(HELLO)
        }
        "http://example.invalid/away" => head(
            to,
            &[
                "302 Found",
                "Location: http://other.invalid/there",
                "Content-Length: 0",
            ],
        ),
        "http://other.invalid/there" => whole(to, HELLO),
        "http://example.invalid/broken" if before < 5 => {
            head(to, &["200 OK", "Content-Length: 16", "ETag: \"one\""])?;
            to.write_all(&HELLO[..5])
        }
        _ => head(to, &["400 Bad Request", "Content-Length: 0"]),
    });
    let at = proxy.url("").replace("http://", "http://ada:s3cret@");
    let by = [("http_proxy", at.as_str()), ("no_proxy", "")];
    for path in ["x?y", "open", "away"] {
        let url = format!("http://example.invalid/{path}");
        assert_eq!(fetched_with(&store, "plain", &url, &by), "", "{path}");
    }
    for request in proxy.asked() {
        // `ada:s3cret`
        let word = request.header("proxy-authorization");
        assert_eq!(word, Some("Basic YWRhOnMzY3JldA=="));
        assert_eq!(request.header("accept-encoding"), Some("identity"));
    }
    let said = fetched_with(&store, "plain", "http://example.invalid/broken", &by);
    assert!(
        said.contains("closed the connection after 5 of 16 bytes"),
        "{said}"
    );
    assert_unwritten(&store, "s3cret");
    let gone = [("http_proxy", "http://127.0.0.1:1"), ("no_proxy", "")];
    let said = fetched_with(&store, "plain", "http://example.invalid/gone", &gone);
    assert!(
        said.contains("the proxy 127.0.0.1:1 cannot be reached"),
        "{said}"
    );
    // Excluded hosts are accessed directly.
    let server = Server::of(HELLO);
    let asked = proxy.asked().len();
    for by in [
        [
            ("http_proxy", at.as_str()),
            ("no_proxy", "localhost,127.0.0.1"),
        ],
        [("https_proxy", at.as_str()), ("no_proxy", "")],
    ] {
        let url = server.url(&format!("/{}", by[0].0));
        assert_eq!(fetched_with(&store, "plain", &url, &by), "");
    }
    assert_eq!((proxy.asked().len(), server.asked().len()), (asked, 2));
}

#[test]
fn a_file_of_this_machine_has_an_address_too() -> Result<()> {
    let (folder, store) = scratch();
    let path = folder.path().join("a file.txt");
    fs::write(&path, HELLO)?;
    let url = format!("file://{}", path.display()).replace(' ', "%20");
    let rref = store.realize(&fetch_url(&url, &sha256(HELLO))?)?;
    assert_eq!(fs::read(rref.out.path())?, HELLO);
    let localhost = url.replace("file://", "file://localhost");
    assert!(
        store
            .realize(&fetch_url(&localhost, &sha256(HELLO))?)
            .is_ok()
    );
    // The digest counts here as well, and a mirror may be a server.
    let error = store
        .realize(&fetch_url(&url, &sha256(b"other"))?)
        .unwrap_err();
    assert_says(
        &error,
        &[&sha256(HELLO), &sha256(b"other"), "do not trust the file"],
    );
    let gone = folder.path().join("gone");
    let missing = fetch_url(&format!("file://{}", gone.display()), &sha256(HELLO))?;
    let error = store.realize(&missing).unwrap_err();
    assert_says(&error, &["gone cannot be read: No such file"]);
    let server = Server::of(HELLO);
    let mirrored = Fetched {
        mirrors: vec![format!("file://{}", gone.display())],
        ..quick(&server, "/hello", HELLO)
    };
    assert_eq!(fetched(&store, mirrored)?, HELLO);
    for wrong in ["file://data.txt", "file://elsewhere/x", "file:///a%2"] {
        let error = fetch_url(wrong, &sha256(HELLO)).unwrap_err();
        assert_says(&error, &["cannot fetch from", "give an absolute path"]);
    }
    assert_eq!(kept(&store), [0_u64; 0]);
    Ok(())
}

#[test]
fn a_server_cannot_redirect_to_a_file_of_this_machine() -> Result<()> {
    let (folder, store) = scratch();
    let path = folder.path().join("secret.txt");
    fs::write(&path, HELLO)?;
    let place = format!("file://{}", path.display());
    let server = Server::new(move |_, _, to| {
        use std::io::Write as _;
        write!(
            to,
            "HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n"
        )
    });
    let error = fetched(&store, quick(&server, "/x", HELLO)).unwrap_err();
    assert_says(&error, &["redirected to an invalid URL"]);
    Ok(())
}

#[test]
fn a_fetched_file_may_keep_its_name() -> Result<()> {
    let (_folder, store) = scratch();
    let server = Server::of(HELLO);
    let named = |name: &str| Fetched {
        file_name: Some(name.to_owned()),
        ..quick(&server, "/download?id=7", HELLO)
    };
    let dref = instantiate(named("hello.txt"))?;
    let rref = store.realize(&dref)?;
    assert_eq!(fs::read(rref.out.path().join("hello.txt"))?, HELLO);
    let plain = instantiate(quick(&server, "/download?id=7", HELLO))?;
    assert_ne!(dref, plain);
    assert!(!plain.config_json().text().contains("file_name"));
    for wrong in ["", "..", "a/b"] {
        let error = instantiate(named(wrong)).unwrap_err();
        assert_says(&error, &["a fetched file cannot have the name"]);
    }
    Ok(())
}
