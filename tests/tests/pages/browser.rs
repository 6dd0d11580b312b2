//! Pages in a real browser: no errors, no broken links, nothing that a screen reader cannot read, and pictures of them.

use serde::Deserialize;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use tests::services::brings;
use tests::store::{folder, store};

use super::hostile::hostile;
use super::live::run_of;
use super::shown::models;
use super::site::write;
use super::{publish, serve};

/// What a browser saw.
#[derive(Debug, Deserialize)]
struct Seen {
    pages: usize,
    kinds: Vec<String>,
    wrong: Vec<String>,
}

/// A browser that looks at pages.
struct Browser(tempfile::TempDir);

impl Browser {
    /// Returns `None` on a machine that has none.
    fn new() -> Option<Self> {
        let browser = Browser(folder());
        brings("browser/up", &[browser.0.path().as_os_str()]).then_some(browser)
    }

    fn command(&self, words: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/look.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(self.0.path()).args(words);
        command
    }

    /// Follows all links from these pages on, and keeps pictures under this name.
    fn crawl(&self, pages: &[&str], name: &str) -> Seen {
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("../pages")
            .join(name);
        let pictures = pictures.display().to_string();
        let words = [&["crawl", pages[0], &pictures], &pages[1..]].concat();
        let output = self.command(&words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
fn pages_of_a_store_have_no_faults() {
    let Some(browser) = Browser::new() else {
        return;
    };
    let (_folder, store) = store();
    let (_, made) = models(&store, 9);
    store.tag(&made[0], "best").unwrap();
    store.note(&made[1], "the loss has a kink").unwrap();
    publish(
        &store,
        r#"{"name": "words", "texts": {"a": ["b", {"c": 1}]}}"#,
        &[],
        &[("a.txt", b"a\n"), ("sub/b.bin", b"\0")],
        "",
    );
    let mut run = Command::new(env!("CARGO_BIN_EXE_experiment"));
    run.args([
        "run",
        "mean",
        "broken",
        "--keep-going",
        "--quiet",
        "--store",
    ])
    .arg(store.root());
    let _ = run
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let served = serve(&store);
    let compared = format!("{}compare?r={}&r={}", served.url, made[0], made[5]);
    let seen = browser.crawl(&[&served.url, &compared], "store");
    assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
    assert!(seen.pages > 30, "{seen:?}");
    for kind in [
        "overview",
        "stage",
        "stage-plot",
        "r",
        "artifact-csv",
        "artifact-npy",
        "artifact-html",
        "artifact-svg",
        "compare",
        "graph",
        "runs",
        "run",
    ] {
        assert!(
            seen.kinds.iter().any(|seen| seen == kind),
            "{kind}: {:?}",
            seen.kinds
        );
    }
}

#[test]
fn a_hostile_store_does_nothing_in_a_browser() {
    let Some(browser) = Browser::new() else {
        return;
    };
    let (_folder, store) = store();
    let (one, other) = hostile(&store);
    let served = serve(&store);
    let compared = format!("{}compare?r={one}&r={other}", served.url);
    let seen = browser.crawl(&[&served.url, &compared], "hostile");
    // In its sandbox, the script of a page runs, and may not open a dialog.
    let wrong: Vec<_> = seen
        .wrong
        .iter()
        .filter(|wrong| !wrong.contains("allow-modals"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Without a server, and of a hostile store too.
#[test]
fn pages_in_files_have_no_faults() {
    let Some(browser) = Browser::new() else {
        return;
    };
    let (folder, store) = store();
    let _ = models(&store, 5);
    let _ = hostile(&store);
    let site = folder.path().join("site");
    let _ = write(&store, &site, &[]);
    let seen = browser.crawl(&[&format!("file://{}/index.html", site.display())], "site");
    assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
    for kind in ["index", "stage", "r", "a", "graph", "runs"] {
        assert!(
            seen.kinds.iter().any(|seen| seen == kind),
            "{kind}: {:?}",
            seen.kinds
        );
    }
}

#[test]
fn a_run_is_seen_to_its_end_in_a_browser() {
    let Some(browser) = Browser::new() else {
        return;
    };
    let (_folder, store) = store();
    let releases = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watched"));
    command
        .args(["run", "records", "--quiet", "--store"])
        .arg(store.root())
        .env("WATCHED", releases.path());
    let mut running = command.spawn().unwrap();
    let served = serve(&store);
    let url = format!("{}run/{}", served.url, run_of(&store));
    let mut looking = browser
        .command(&["watch", &url, "1 built"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(looking.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "open");
    fs::write(releases.path().join("records"), "").unwrap();
    let seen: Seen = serde_json::from_str(&said.next().unwrap().unwrap()).unwrap();
    assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
    assert!(running.wait().unwrap().success() && looking.wait().unwrap().success());
}
