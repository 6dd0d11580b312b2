//! What pages show.

use pylightnix::config::RRefId;
use pylightnix::store::Store;
use std::fs;
use tests::store::store;

use super::{publish, serve};

/// An array of 2 times 3 numbers.
fn npy() -> Vec<u8> {
    let head = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(head.len()).unwrap().to_le_bytes());
    bytes.extend(head.as_bytes());
    for number in 0..6 {
        bytes.extend(f64::from(number).to_le_bytes());
    }
    bytes
}

/// Data, and models of it with their scores, the better ones with the lower rates.
pub(super) fn models(store: &Store, count: u32) -> (RRefId, Vec<RRefId>) {
    let csv: String = (0..250)
        .map(|row| format!("{row},{}\n", row * row))
        .collect();
    let csv = format!("x,y\n{csv}");
    let files: [(&str, &[u8]); 2] = [("points.csv", csv.as_bytes()), ("matrix.npy", &npy())];
    let data = publish(
        store,
        r#"{"name": "data", "path": "march.csv"}"#,
        &[],
        &files,
        "reading\n",
    );
    let model = |number: u32| {
        let config = format!(
            r#"{{"name": "model", "data": "{}", "out": ["__self__", "scores.json"], "rate": 0.{number:03}}}"#,
            data.dref()
        );
        let scores = format!(
            "{{\"accuracy\": {}, \"losses\": [3, 2, 1.{number}]}}",
            1.0 - f64::from(number) / 1e4
        );
        let files: [(&str, &[u8]); 3] = [
            ("scores.json", scores.as_bytes()),
            ("plot.svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
            ("report.html", b"<p>fine</p>"),
        ];
        publish(
            store,
            &config,
            &[&data],
            &files,
            "training\n\x1b[31mred\x1b[0m\n",
        )
    };
    let models = (1..=count).map(model).collect();
    (data, models)
}

#[test]
fn stages_and_their_results_are_shown() {
    let (_folder, store) = store();
    let (data, models) = models(&store, 3);
    store.tag(&models[0], "best").unwrap();
    store.note(&models[1], "the loss has a kink").unwrap();
    let served = serve(&store);

    let overview = served.page("/");
    assert!(
        overview.contains("href=\"/stage/model\"") && overview.contains("href=\"/stage/data\"")
    );

    let page = served.page(&format!("/r/{}", models[0]));
    for part in [
        "0.001",                                    // a field
        &format!("href=\"/r/{data}\""),             // what it was made from
        &format!("/r/{}/a/scores.json", models[0]), // an artifact
        &format!("src=\"/raw/{}/plot.svg\"", models[0]),
        "training\nred", // the log, without sequences
        "best",
        "pylightnix path",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(
        served
            .page(&format!("/r/{}", models[1]))
            .contains("the loss has a kink")
    );
    assert!(
        served
            .page(&format!("/r/{data}"))
            .contains("Used by 3 results")
    );

    let newest = served.get(&format!("/d/{}", data.dref()));
    assert_eq!(newest.header("location"), Some(&*format!("/r/{data}")));
    let missing = served.get(&format!(
        "/r/rref:{}-{}",
        "0".repeat(32),
        data.dref().folder()
    ));
    assert_eq!(missing.status, 404, "{}", missing.body);
    assert_eq!(served.get("/r/nonsense").status, 400);
    assert_eq!(served.get("/nonsense").status, 404);
}

#[test]
fn a_stage_is_sorted_filtered_and_paged() {
    let (_folder, store) = store();
    let (_, models) = models(&store, 120);
    let served = serve(&store);
    let rows = |page: &str| page.matches("type=\"checkbox\" name=\"r\"").count();

    let first = served.page("/stage/model");
    assert_eq!(rows(&first), 100);
    assert!(first.contains("href=\"/stage/model?page=2\""));
    assert_eq!(rows(&served.page("/stage/model?page=2")), 20);

    let few = served.page("/stage/model?where=rate+%3C+0.003&sort=scores.accuracy");
    assert_eq!(rows(&few), 2);
    let place = |rref: &RRefId| few.find(&format!("value=\"{rref}\"")).unwrap();
    assert!(
        place(&models[1]) < place(&models[0]),
        "the lower accuracy is first"
    );
    assert!(few.contains("2 of 120 results"));

    let chosen = served.page("/stage/model?col=rate");
    assert!(chosen.contains("sort=rate") && !chosen.contains("sort=scores.accuracy"));
    let fault = served.page("/stage/model?where=nothing+%3D+1");
    assert!(
        fault.contains("class=\"fault\"") && fault.contains("nothing"),
        "{fault}"
    );
    assert_eq!(served.get("/stage/nothing").status, 404);
}

/// What was read is kept for other processes, as long as it is whole, and may be deleted at any time.
#[test]
fn numbers_that_were_read_are_kept_and_may_be_deleted() {
    let (_folder, store) = store();
    let (_, models) = models(&store, 40);
    let number = |store: &Store| {
        let mut table = store.compare(&models).unwrap();
        table.choose(&["scores.accuracy"]).unwrap();
        let row = table.rows.iter().find(|row| row.rref == models[0]);
        row.unwrap().cells[0].as_ref().unwrap().number().unwrap()
    };
    let found = |condition: &str| store.find().meets(condition).run().unwrap().count();
    let afresh = || Store::open(store.root()).unwrap();
    let _ = serve(&store).page("/stage/model");
    let kept = store.root().join("cache/pages/model");
    assert!(kept.is_file());
    // A test can see what is read by changing what never changes.
    let scores = store.out_dir(&models[0]).join("scores.json");
    let text = fs::read_to_string(&scores).unwrap();
    fs::remove_file(&scores).unwrap();
    fs::write(&scores, text.replace("0.9999", "0.1111")).unwrap();
    assert!((number(&afresh()) - 0.9999).abs() < 1e-9, "it was kept");
    assert_eq!(found("scores.accuracy < 0.5"), 0);
    assert!(serve(&store).page("/stage/model").contains("0.9999"));
    // A tag is seen at once.
    store.tag(&models[1], "best").unwrap();
    assert!(serve(&store).page("/stage/model").contains("badge tag"));

    let bytes = fs::read(&kept).unwrap();
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&kept, &damaged).unwrap();
    assert!((number(&afresh()) - 0.1111).abs() < 1e-9, "a wrong sum");
    fs::write(&kept, &bytes).unwrap();
    fs::remove_dir_all(store.root().join("cache")).unwrap();
    assert_eq!(found("scores.accuracy < 0.5"), 1);
    assert!(serve(&store).page("/stage/model").contains("0.1111"));
}

#[test]
fn a_long_table_is_read_while_it_is_shown() {
    let (_folder, store) = store();
    for number in 0..510 {
        let config = format!(r#"{{"name": "many", "number": {number}}}"#);
        publish(&store, &config, &[], &[("n.json", b"1")], "");
    }
    let served = serve(&store);
    let first = served.page("/stage/many");
    assert_eq!(first.matches("name=\"r\"").count(), 100);
    // As fast as it may be: it says so, or is whole.
    let says = first.contains("of 510 read");
    assert!(says || first.contains("data-column=\"number\""), "{first}");
    while !served.page("/reading/many").is_empty() {}
    let whole = served.page("/stage/many?where=number+%3C+3");
    assert!(whole.contains("3 of 510 results"), "{whole}");
    assert!(!whole.contains("data-reading"));
}

#[test]
fn numbers_are_drawn() {
    let (_folder, store) = store();
    let (data, models) = models(&store, 7);
    let served = serve(&store);
    let scatter = served.page("/stage/model?x=rate&y=scores.accuracy");
    assert_eq!(scatter.matches("<circle").count(), 7);
    assert!(scatter.contains(&format!("<a href=\"/r/{}\" aria-label", models[3])));
    let overlaid = served.page("/stage/model?y=scores.losses");
    assert_eq!(overlaid.matches("class=\"line c").count(), 7);
    let parallel = served.page("/stage/model?plot=parallel");
    assert_eq!(parallel.matches("class=\"line c").count(), 7);
    assert!(served.page("/stage/model").contains("class=\"spark\""));
    let heat = served.page(&format!("/r/{data}/a/matrix.npy"));
    assert!(
        heat.contains("2 × 3") && heat.contains("src=\"data:image/png;base64,"),
        "{heat}"
    );
}

#[test]
fn artifacts_are_shown_as_what_they_are() {
    let (_folder, store) = store();
    let (data, models) = models(&store, 1);
    let served = serve(&store);
    let table = served.page(&format!("/r/{data}/a/points.csv?page=3"));
    assert!(
        table.contains("<td class=\"number\">62001</td>"),
        "the last row: {table}"
    );
    assert!(!table.contains("<td class=\"number\">1</td>"));
    let json = served.page(&format!("/r/{}/a/scores.json", models[0]));
    assert!(
        json.contains("<dt>accuracy</dt>") && json.contains("0.9999"),
        "{json}"
    );
    let words = publish(
        &store,
        r#"{"name": "words"}"#,
        &[],
        &[(
            "notes.md",
            b"# Notes\n\n| a | b |\n|---|---|\n| *1* | 2 |\n",
        )],
        "",
    );
    let notes = served.page(&format!("/r/{words}/a/notes.md"));
    assert!(
        notes.contains("<h1>Notes</h1>") && notes.contains("<em>1</em>"),
        "{notes}"
    );
    let html = served.page(&format!("/r/{}/a/report.html", models[0]));
    assert!(html.contains("<iframe sandbox=\"allow-scripts\""), "{html}");
    assert_eq!(
        served.page(&format!("/raw/{}/report.html", models[0])),
        "<p>fine</p>"
    );
    assert_eq!(served.get(&format!("/r/{data}/a/nothing")).status, 404);
}

#[test]
fn results_are_compared() {
    let (_folder, store) = store();
    let (_, models) = models(&store, 3);
    let served = serve(&store);
    let two = served.page(&format!("/compare?r={}&r={}", models[0], models[2]));
    assert!(
        two.contains("+0.002 (+200.0 %)"),
        "the change of the rate: {two}"
    );
    assert!(two.contains("<ins>") && two.contains("<del>"), "{two}");
    let three = served.page(&format!(
        "/compare?r={}&r={}&r={}",
        models[0], models[1], models[2]
    ));
    assert!(three.contains("3 results side by side"));
    assert_eq!(served.get(&format!("/compare?r={}", models[0])).status, 400);
}

#[test]
fn graphs_have_links() {
    let (_folder, store) = store();
    let (data, models) = models(&store, 60);
    let served = serve(&store);
    let grouped = served.page("/graph");
    assert!(
        grouped.contains("<a href=\"/stage/model\">") && grouped.contains("×60"),
        "{grouped}"
    );
    let of_one = served.page(&format!("/graph?of={}", models[5]));
    assert!(of_one.contains(&format!("<a href=\"/r/{data}\">")));
    assert_eq!(
        served.page("/graph?all=1").matches("<a href=\"/r/").count(),
        61
    );
}

#[test]
fn a_search_finds_names_references_words_and_remarks() {
    let (_folder, store) = store();
    let (data, models) = models(&store, 3);
    store.note(&models[1], "the loss has a kink").unwrap();
    store.tag(&models[2], "best").unwrap();
    let served = serve(&store);
    let finds = |text: &str, what: &str| {
        let page = served.page(&format!("/search?q={text}"));
        assert!(page.contains(what), "{text}: {page}");
    };
    let link = |rref: &RRefId| format!("href=\"/r/{rref}\"");
    finds("mod", "href=\"/stage/model\"");
    finds("march", &format!("href=\"/d/{}\"", data.dref()));
    finds("kink", &link(&models[1]));
    finds("tag:best", &link(&models[2]));
    finds("rate%3E0.0025", &link(&models[2]));
    finds(&models[0].to_string(), &link(&models[0]));
    finds("nothing-of-it", "Nothing matches");
}
