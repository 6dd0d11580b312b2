//! Pages as files.

use pylightnix::store::Store;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;
use tests::store::store;

use super::hostile::{EVIL, hostile};
use super::shown::models;
use super::{STORE, publish};

fn run(store: &Store, site: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(STORE);
    command
        .arg("site")
        .arg(site)
        .args(words)
        .args(["--json", "--store"])
        .arg(store.root());
    command.output().unwrap()
}

/// Writes a site, which has to succeed, and returns what is said of it.
pub(super) fn write(store: &Store, site: &Path, words: &[&str]) -> Value {
    let output = run(store, site, words);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns all files with the times at which they were written.
fn files(site: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut found = BTreeMap::new();
    let mut folders = vec![site.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => {
                    let _ =
                        found.insert(entry.path(), entry.metadata().unwrap().modified().unwrap());
                }
            }
        }
    }
    found
}

/// Returns the files that a page leads to.
fn links(page: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(page).unwrap();
    let parts = text
        .split(" href=\"")
        .skip(1)
        .chain(text.split(" src=\"").skip(1));
    let links = parts.filter_map(|part| part.split('"').next());
    let links = links.filter(|link| !link.starts_with("data:") && !link.starts_with('#'));
    links
        .map(|link| page.parent().unwrap().join(link))
        .collect()
}

#[test]
fn a_site_has_what_it_links_to_and_nothing_of_others() {
    let (folder, store) = store();
    let (data, models) = models(&store, 3);
    let other = publish(
        &store,
        r#"{"name": "secret", "word": "undisclosed"}"#,
        &[],
        &[],
        "",
    );
    let site = folder.path().join("site");
    let said = write(
        &store,
        &site,
        &[&models[0].to_string(), &models[1].to_string()],
    );
    let all = files(&site);
    assert_eq!(said["files"], all.len() - 1, "all but the list: {all:?}");
    let pages: Vec<_> = all
        .keys()
        .filter(|path| path.extension().is_some_and(|end| end == "html"))
        .collect();
    assert!(pages.len() > 10, "{pages:?}");
    for page in &pages {
        for link in links(page) {
            assert!(
                link.exists(),
                "{} leads to {}",
                page.display(),
                link.display()
            );
        }
    }
    for file in all.keys() {
        let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
        assert!(
            !text.contains("secret") && !text.contains("undisclosed"),
            "{}",
            file.display()
        );
        assert!(!text.contains(&models[2].to_string()), "{}", file.display());
    }
    let text = |name: &str| fs::read_to_string(site.join(name)).unwrap();
    assert!(text("index.html").contains("href=\"stage/model.html\""));
    let rows = text("data/stage/model.0.js");
    assert!(rows.contains(&models[0].to_string()) && rows.contains("scores.accuracy"));
    assert!(text("data/search.0.js").contains("march.csv"));
    assert!(text("stage/model.html").contains(&format!(
        "href=\"../r/{}.html\"",
        models[0].to_string().replace(':', "-")
    )));
    assert!(
        text(&format!("r/{}.html", data.to_string().replace(':', "-")))
            .contains("Used by 2 results")
    );
    assert!(
        !site
            .join(format!("r/{}.html", other.to_string().replace(':', "-")))
            .exists()
    );
}

#[test]
fn a_second_time_nothing_is_touched_and_what_is_gone_goes() {
    let (folder, store) = store();
    let (_, models) = models(&store, 3);
    let site = folder.path().join("site");
    let _ = write(&store, &site, &[]);
    let before = files(&site);
    let again = write(&store, &site, &[]);
    assert_eq!(
        (&again["changed"], &again["removed"]),
        (&0.into(), &0.into())
    );
    assert_eq!(files(&site), before);
    // A file of the site that another program changed is written again, and no other file.
    let index = site.join("index.html");
    let text = fs::read(&index).unwrap();
    fs::write(&index, "mine").unwrap();
    assert_eq!(write(&store, &site, &[])["changed"], 1);
    assert_eq!(fs::read(&index).unwrap(), text);
    let artifact = |site: &Path| {
        fs::read_dir(site.join("a"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path()
    };
    fs::write(artifact(&site), "mine").unwrap();
    assert_eq!(write(&store, &site, &[])["changed"], 1);
    // What is new is seen, in notes, too.
    store.note(&models[0], "a kink").unwrap();
    assert!(write(&store, &site, &[])["changed"].as_u64() > Some(0));
    let page = format!("r/{}.html", models[0].to_string().replace(':', "-"));
    assert!(
        fs::read_to_string(site.join(page))
            .unwrap()
            .contains("a kink")
    );

    let fewer = write(&store, &site, &["--pages", "1"]);
    assert_eq!(fewer["without_page"], 3);
    assert_eq!(fs::read_dir(site.join("r")).unwrap().count(), 1);
    assert!(fewer["removed"].as_u64() > Some(2), "{fewer}");
    let page = fs::read_to_string(site.join("stage/model.html")).unwrap();
    assert!(
        page.contains(&models[0].to_string()),
        "it is in the table, without a link"
    );
}

/// Scripts show more rows than a page has when it is opened.
#[test]
fn every_result_of_a_long_table_has_its_page() {
    let (folder, store) = store();
    for number in 0..102 {
        let config = format!(r#"{{"name": "many", "number": {number}}}"#);
        publish(&store, &config, &[], &[], "");
    }
    let site = folder.path().join("site");
    let _ = write(&store, &site, &["--pages", "101"]);
    assert_eq!(fs::read_dir(site.join("r")).unwrap().count(), 101);
    let rows = fs::read_to_string(site.join("data/stage/many.0.js")).unwrap();
    assert_eq!(rows.matches("-many\",1,").count(), 101, "{rows}");
    assert_eq!(rows.matches("-many\",0,").count(), 1, "{rows}");
}

#[test]
fn a_folder_with_other_things_is_refused() {
    let (folder, store) = store();
    let _ = models(&store, 1);
    let site = folder.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("thesis.tex"), "years of work").unwrap();
    let refused = run(&store, &site, &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("thesis.tex"));
    assert_eq!(files(&site).len(), 1);
    fs::remove_file(site.join("thesis.tex")).unwrap();
    let _ = write(&store, &site, &[]);
    fs::write(site.join("stage/notes.txt"), "mine").unwrap();
    assert_eq!(run(&store, &site, &[]).status.code(), Some(2));
    assert_eq!(
        fs::read_to_string(site.join("stage/notes.txt")).unwrap(),
        "mine"
    );
    fs::remove_file(site.join("stage/notes.txt")).unwrap();
    // The list of files names one outside of the site: a site may come from elsewhere.
    let (beside, list) = (
        folder.path().join("thesis.tex"),
        site.join(".pylightnix-site"),
    );
    fs::write(&beside, "years of work").unwrap();
    let listed = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("{listed}../thesis.tex\n")).unwrap();
    let _ = write(&store, &site, &[]);
    assert!(beside.exists());
}

#[test]
fn no_artifact_is_a_page_of_the_site() {
    let (folder, store) = store();
    let _ = hostile(&store);
    let site = folder.path().join("site");
    let _ = write(&store, &site, &["--artifacts", "copy"]);
    let mut artifacts = 0;
    for path in files(&site).into_keys() {
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let end = path
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.starts_with(site.join("files")) {
            artifacts += 1;
            assert!(
                ["bin", "json", "csv"].contains(&end.as_str()),
                "{}",
                path.display()
            );
        } else {
            assert!(
                !text.contains(EVIL) && !text.contains("<img src=x"),
                "{}",
                path.display()
            );
            assert!(
                end != "html" || text.contains("Content-Security-Policy"),
                "{}",
                path.display()
            );
        }
    }
    assert!(artifacts >= 5, "{artifacts}");

    let small = folder.path().join("small");
    let _ = write(&store, &small, &["--artifacts", "1B"]);
    assert!(!small.join("files").exists());
}
