//! Pages in a real browser: no errors, no broken links, nothing that a screen reader cannot read, and pictures of them.

use serde::Deserialize;
use serde_json::json;
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
    #[serde(default)]
    said: Vec<String>,
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

    /// Does steps on a page, and returns what they saw.
    fn use_page(&self, page: &str, steps: &serde_json::Value) -> Vec<String> {
        let output = self.command(&["use", page, &steps.to_string()]).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let seen: Seen = serde_json::from_slice(&output.stdout).unwrap();
        assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
        seen.said
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

/// All rows of a stage, in files: of several pages and of several blocks.
#[test]
fn tables_in_files_are_sorted_filtered_drawn_compared_and_searched() {
    let Some(browser) = Browser::new() else {
        return;
    };
    let (folder, store) = store();
    let (_, made) = models(&store, 4);
    store.tag(&made[2], "best").unwrap();
    for number in 0..1005 {
        let config = format!(r#"{{"name": "many", "number": {number}}}"#);
        let text = format!("{}", (number * 7919) % 1005);
        publish(&store, &config, &[], &[("n.json", text.as_bytes())], "");
    }
    let site = folder.path().join("site");
    let _ = write(&store, &site, &["--pages", "8"]);
    let page = |name: &str| format!("file://{}/{name}", site.display());
    let row = |at: usize| format!("tbody tr:nth-child({at})");

    let seen = browser.use_page(
        &page("stage/many.html"),
        &json!([
            ["count", "tbody tr", ""],
            ["click", "a[rel=next]", ""],
            ["wait", "text=page 2 of 11", ""],
            ["enter", "#where", "number >= 1000"],
            ["wait", "text=5 of 1005 results", ""],
            ["count", "tbody tr", ""],
            ["click", "thead >> text=number", ""],
            ["wait", "th[aria-sort=ascending]", ""],
            ["text", row(1), ""],
            ["click", "thead >> text=number", ""],
            ["wait", "th[aria-sort=descending]", ""],
            ["text", row(1), ""],
            ["check", "input[name=r]", 0],
            ["check", "input[name=r]", 1],
            ["click", "text=Compare the marked ones", ""],
            ["wait", "text=2 results side by side", ""],
            ["text", "section tbody tr:has(th:text-is('number'))", ""],
            ["click", "ul.chips a", ""],
            ["click", "summary:has-text('Plot')", ""],
            ["choose", "select[name=x]", "number"],
            ["choose", "form:has(select[name=x]) select[name=y]", "n"],
            ["click", "text=Scatter", ""],
            ["wait", "svg.plot circle", ""],
            ["count", "svg.plot circle", ""],
            ["click", "text=Parallel coordinates", ""],
            ["wait", "svg.plot .over path", ""],
            ["count", "svg.plot .over path", ""],
            ["text", "figure.big p", ""],
            ["rules", "main", ""],
            ["enter", "#where", "nothing = 1"],
            ["text", "pre.fault", ""],
        ]),
    );
    assert_eq!(seen[..2], ["100", "5"]);
    assert!(
        seen[2].contains("1000") && seen[3].contains("1004"),
        "{seen:?}"
    );
    assert!(
        seen[4].contains("1004") && seen[4].contains("−1"),
        "{seen:?}"
    );
    assert_eq!(seen[5..8], ["1005", "335", "drawn are 335 of 1005"]);
    assert!(seen[8].contains("there is no column `nothing`"), "{seen:?}");

    let overlaid = browser.use_page(
        &page("stage/model.html#y=scores.losses&where=tag%3Abest"),
        &json!([
            ["wait", "svg.plot path.line", ""],
            ["count", "svg.plot path.line", ""]
        ]),
    );
    assert_eq!(overlaid, ["1"]);

    let found = browser.use_page(
        &page("index.html"),
        &json!([
            ["enter", "#q", "0.003"],
            ["wait", "h2", ""],
            ["text", "h2", ""],
            ["text", "main ul", ""],
            ["enter", "#q", "tag:best"],
            ["wait", "h1:has-text('tag:best')", ""],
            ["text", "main ul", ""],
            ["enter", "#q", "man"],
            ["wait", "h2:has-text('1 stage')", ""],
            ["enter", "#q", "number < 12"],
            ["wait", "h2:has-text('12 results')", ""],
            ["rules", "main", ""],
        ]),
    );
    let best = made[2].to_string();
    let short = format!(
        "{}/{}",
        &made[2].dref().folder()[..8],
        &best["rref:".len()..][..8]
    );
    assert_eq!(found[0], "1 result");
    assert!(
        found[1].contains(&short) && found[2].contains(&short),
        "{found:?}"
    );
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
