//! Drawings of dependency graphs. `SNAPSHOTS=overwrite` rewrites the expected drawings in `cli_graph`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may say so by a panic"
)]

use proptest::prelude::*;
use pylightnix::store::{Context, Store};
use pylightnix_cli::draw::{Drawing, Grouping, Node, Picture, State};
use snapbox::assert_data_eq;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tests::runs::scratch;
use tests::store::{config, config_on, publish_on, publish_texts};
use unicode_width::UnicodeWidthStr as _;

/// Creates a drawing of nodes with these names and states.
fn of(states: &[(&str, State)], edges: &[(&str, &str)]) -> Drawing {
    let mut drawing = Drawing::default();
    let mut at = BTreeMap::new();
    for (name, state) in states {
        at.insert(*name, drawing.add(Node::new(*name, *state)));
    }
    for (from, into) in edges {
        drawing.connect(at[from], at[into]);
    }
    drawing
}

fn chain() -> Drawing {
    of(
        &[
            ("params", State::Reused),
            ("anneal", State::Stale),
            ("plot", State::Undecided),
        ],
        &[("params", "anneal"), ("anneal", "plot")],
    )
}

fn diamond() -> Drawing {
    of(
        &[
            ("data", State::Reused),
            ("left", State::Reused),
            ("right", State::Failed),
            ("join", State::ToBuild),
        ],
        &[
            ("data", "left"),
            ("data", "right"),
            ("left", "join"),
            ("right", "join"),
        ],
    )
}

/// Creates ten layers of a hundred nodes, each with three dependencies in the layer before.
fn thousand() -> Drawing {
    let mut drawing = Drawing::default();
    for at in 0..1000 {
        let state = if at % 3 == 0 {
            State::Reused
        } else {
            State::ToBuild
        };
        let node = drawing.add(Node::new(format!("layer-{}", at / 100), state));
        for step in [0, 1, 7] {
            if at >= 100 {
                drawing.connect((at / 100 - 1) * 100 + (at + step) % 100, node);
            }
        }
    }
    drawing
}

fn fan(count: usize) -> Drawing {
    let mut drawing = Drawing::default();
    let data = drawing.add(Node::new("data", State::Reused));
    let mean = drawing.add(Node::new("mean", State::ToBuild));
    for at in 0..count {
        let fold = drawing
            .add(Node::new(format!("fold-{at}"), State::ToBuild).detail(format!("{at:08x}")));
        drawing.connect(data, fold);
        drawing.connect(fold, mean);
    }
    drawing
}

/// Creates nodes with unusual names, up to the longest possible one.
fn odd() -> Drawing {
    let long = "very-long-".repeat(20);
    let bad = "<b>&amp;\"quoted\"\\n\u{1b}[31m`code`\u{202e}#";
    let mut drawing = of(
        &[
            (bad, State::Missing),
            (&long, State::Reused),
            ("", State::Failed),
            ("名前の長い段階", State::Stale),
        ],
        &[
            (bad, &long),
            (&long, ""),
            (&long, "名前の長い段階"),
            ("", "名前の長い段階"),
        ],
    );
    let last = drawing.add(
        Node::new("end", State::Realized)
            .tooltip("<&>\"\nsecond\u{7}\\N")
            .detail("a\nb"),
    );
    drawing.connect(3, last);
    // None of these edges can be drawn.
    drawing.connect(last, last);
    drawing.connect(last, 0);
    drawing.connect(last, 99);
    drawing
}

#[test]
fn every_format_of_a_chain() {
    let picture = chain().grouped(Grouping::default());
    assert_data_eq!(
        picture.terminal(80, false),
        snapbox::file!["cli_graph/chain.txt"].raw()
    );
    assert_data_eq!(
        picture.terminal(80, true),
        snapbox::file!["cli_graph/chain.ansi"].raw()
    );
    assert_data_eq!(picture.dot(), snapbox::file!["cli_graph/chain.dot"].raw());
    assert_data_eq!(
        picture.mermaid(),
        snapbox::file!["cli_graph/chain.mmd"].raw()
    );
    assert_data_eq!(picture.svg(), snapbox::file!["cli_graph/chain.svg"].raw());
    assert_eq!(
        picture.summary(),
        "3 stages: 1 reused, 1 undecided, 1 stale"
    );
}

#[test]
fn a_diamond_a_fan_and_nothing() {
    let text = |drawing: &Drawing| drawing.grouped(Grouping::default()).terminal(80, false);
    assert_data_eq!(
        text(&diamond()),
        snapbox::file!["cli_graph/diamond.txt"].raw()
    );
    assert_data_eq!(text(&fan(5)), snapbox::file!["cli_graph/fan.txt"].raw());
    assert_eq!(text(&Drawing::default()), "");
    let nothing = Drawing::default().grouped(Grouping::default());
    assert_eq!(nothing.summary(), "0 stages");
    assert_eq!(read(&nothing.svg()).boxes.len(), 0);
}

/// A layer of 200 boxes in one row would be too wide for any screen.
#[test]
fn a_wide_fan_wraps() {
    let svg = fan(200).grouped(Grouping::Off).svg();
    assert_eq!(svg.matches("<g id=\"n").count(), 202);
    let side = |name: &str| -> f64 {
        let rest = svg.split(&format!(" {name}=\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    };
    let (width, height) = (side("width"), side("height"));
    assert!(width < 3000. && height < 3000., "{width} by {height}");
}

#[test]
fn a_thousand_are_readable() {
    let picture = thousand().grouped(Grouping::default());
    assert_data_eq!(
        picture.terminal(80, false),
        snapbox::file!["cli_graph/thousand.txt"].raw()
    );
    assert_data_eq!(
        picture.svg(),
        snapbox::file!["cli_graph/thousand.svg"].raw()
    );
    assert_eq!(
        picture.summary(),
        "1,000 stages in 10 boxes: 334 reused, 666 to build"
    );
    // As a last resort, nodes whose names differ only in digits share a box.
    let fan = fan(500).grouped(Grouping::default());
    assert_eq!(
        fan.terminal(60, false),
        "● data         reused\n○ fold-# ×500  500 to build\n○ mean         to build\n"
    );
}

#[test]
fn all_of_a_thousand() {
    let picture = thousand().grouped(Grouping::Off);
    assert_eq!(picture.boxes().len(), 1000);
    let text = picture.terminal(60, false);
    assert!(text.lines().all(|line| line.width() <= 60));
    assert_eq!(
        text.lines().filter(|line| line.contains("layer-")).count(),
        1000
    );
    // The lines would not fit: dependencies are listed by number.
    assert!(text.contains("← "), "{text}");
    no_overlap(&picture);
}

#[test]
fn stages_in_a_row_and_by_turns() {
    for (names, drawn) in [
        (["step", "step"], "● step ×1,000  1,000 realized\n"),
        (["ping", "pong"], "● ping + pong ×1,000  1,000 realized\n"),
    ] {
        let mut drawing = Drawing::default();
        for at in 0..1000 {
            let node = drawing.add(Node::new(names[at % 2], State::Realized));
            if at > 0 {
                drawing.connect(node - 1, node);
            }
        }
        assert_eq!(
            drawing.grouped(Grouping::default()).terminal(80, false),
            drawn
        );
        assert_eq!(
            drawing
                .grouped(Grouping::Off)
                .terminal(80, false)
                .lines()
                .count(),
            1000
        );
    }
}

#[test]
fn odd_names_spoil_nothing() {
    let picture = odd().grouped(Grouping::default());
    assert_data_eq!(
        picture.terminal(60, false),
        snapbox::file!["cli_graph/odd.txt"].raw()
    );
    assert_data_eq!(picture.dot(), snapbox::file!["cli_graph/odd.dot"].raw());
    assert_data_eq!(picture.mermaid(), snapbox::file!["cli_graph/odd.mmd"].raw());
    assert!(
        picture
            .terminal(60, true)
            .chars()
            .filter(|c| *c == '\u{1b}')
            .count()
            > 0
    );
    assert!(!picture.terminal(60, false).contains('\u{1b}'));
    let svg = picture.svg();
    assert!(
        svg.contains("&lt;b&gt;&amp;amp;&quot;quoted&quot;\\n\u{fffd}[31m`code`\u{fffd}#"),
        "{svg}"
    );
    no_overlap(&picture);
}

/// The boxes and lines of an image.
struct Shown {
    /// Left, top, right and bottom, and the maximum width of the longest line of text.
    boxes: BTreeMap<String, ([f64; 4], f64)>,
    /// The first and the last point.
    lines: BTreeMap<String, [(f64, f64); 2]>,
    page: (f64, f64),
}

fn read(svg: &str) -> Shown {
    let document = roxmltree::Document::parse(svg).unwrap();
    let number = |node: &roxmltree::Node<'_, '_>, name: &str| -> f64 {
        node.attribute(name).unwrap().parse().unwrap()
    };
    let part = |class: &'static str| {
        document
            .descendants()
            .find(move |node| node.attribute("class") == Some(class))
            .unwrap()
    };
    let boxes = part("boxes")
        .children()
        .filter(roxmltree::Node::is_element)
        .map(|group| {
            let rect = group
                .children()
                .find(|child| child.has_tag_name("rect"))
                .unwrap();
            let (x, y) = (number(&rect, "x"), number(&rect, "y"));
            let edges = [
                x,
                y,
                x + number(&rect, "width"),
                y + number(&rect, "height"),
            ];
            let texts = group.children().filter(|child| child.has_tag_name("text"));
            // Assume the widest of the fonts.
            let widths = texts.map(|text| {
                text.text().unwrap_or("").width() as f64 * 0.602 * number(&text, "font-size")
            });
            (
                group.attribute("id").unwrap().to_owned(),
                (edges, widths.fold(0., f64::max)),
            )
        });
    let lines = part("lines")
        .children()
        .filter(roxmltree::Node::is_element)
        .map(|path| {
            let points: Vec<(f64, f64)> = path
                .attribute("d")
                .unwrap()
                .split_whitespace()
                .map(|point| {
                    point
                        .trim_start_matches(['M', 'L', 'C'])
                        .split_once(',')
                        .unwrap()
                })
                .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
                .collect();
            let ends = [points[0], points[points.len() - 1]];
            (path.attribute("id").unwrap().to_owned(), ends)
        });
    let root = document.root_element();
    Shown {
        boxes: boxes.collect(),
        lines: lines.collect(),
        page: (number(&root, "width"), number(&root, "height")),
    }
}

/// Checks that boxes do not overlap, are on the page and contain their text, and that all lines lead from box to box in one
/// direction.
fn no_overlap(picture: &Picture) {
    let shown = read(&picture.svg());
    assert_eq!(shown.boxes.len(), picture.boxes().len());
    let mut boxes: Vec<_> = shown.boxes.values().collect();
    boxes.sort_by(|one, other| one.0[0].total_cmp(&other.0[0]));
    for (at, (one, text)) in boxes.iter().enumerate() {
        assert!(one[0] >= 0. && one[1] >= 0. && one[2] <= shown.page.0 && one[3] <= shown.page.1);
        assert!(*text < one[2] - one[0], "text {text} is wider than {one:?}");
        for (other, _) in &boxes[at + 1..] {
            if other[0] >= one[2] {
                break;
            }
            assert!(
                other[1] >= one[3] || one[1] >= other[3],
                "{one:?} overlaps {other:?}"
            );
        }
    }
    assert_eq!(shown.lines.len(), picture.edges().len());
    let all = || shown.lines.values();
    assert!(all().all(|[from, to]| from.1 < to.1) || all().all(|[from, to]| from.0 < to.0));
    for (from, into) in picture.edges() {
        let [start, end] = shown.lines[&format!("n{from}-n{into}")];
        for (at, point) in [(from, start), (into, end)] {
            let ([left, top, right, bottom], _) = shown.boxes[&format!("n{at}")];
            let inside = (left - 0.1..=right + 0.1).contains(&point.0)
                && (top - 0.1..=bottom + 0.1).contains(&point.1);
            assert!(inside, "a line ends at {point:?}, beside its box");
        }
    }
}

/// Returns the edges that the lines of a terminal drawing show, by the names of the boxes.
fn traced(text: &str) -> BTreeSet<(String, String)> {
    let mut columns: Vec<BTreeSet<String>> = Vec::new();
    let mut edges = BTreeSet::new();
    for line in text.lines() {
        let cells: Vec<char> = line.chars().collect();
        let mark = cells.iter().position(|c| "●○◌◐?✗".contains(*c));
        let end = match mark {
            // The name begins at the first letter.
            Some(_) => line.chars().position(|c| c.is_ascii_alphabetic()).unwrap(),
            None => cells.len(),
        };
        let count = end.div_ceil(2).max(columns.len());
        columns.resize(count, BTreeSet::new());
        let cell = |column: usize| {
            if 2 * column < end {
                cells.get(2 * column).copied().unwrap_or(' ')
            } else {
                ' '
            }
        };
        let mut flow = BTreeSet::new();
        for (column, lane) in columns.iter_mut().enumerate() {
            if "├┼┤╰┴╯".contains(cell(column)) || Some(2 * column) == mark {
                flow.extend(lane.iter().cloned());
            }
            if " ─╰┴╯".contains(cell(column)) {
                lane.clear();
            }
        }
        match mark {
            Some(mark) => {
                let name: String = cells[end..].iter().take_while(|c| **c != ' ').collect();
                edges.extend(flow.into_iter().map(|from| (from, name.clone())));
                columns[mark / 2] = BTreeSet::from([name]);
            }
            None => {
                for (column, lane) in columns.iter_mut().enumerate() {
                    if "├┼┤".contains(cell(column)) {
                        lane.extend(flow.iter().cloned());
                    }
                }
            }
        }
    }
    edges
}

/// Generates nodes with names out of `names`, and edges from lower numbers to higher ones.
fn drawings(most: usize, dense: usize) -> impl Strategy<Value = (Vec<usize>, Vec<(usize, usize)>)> {
    (1..most).prop_flat_map(move |count| {
        let names = prop::collection::vec(0..5_usize, count);
        let edge = (0..count, 0..count).prop_map(|(one, other)| (one.min(other), one.max(other)));
        (names, prop::collection::vec(edge, 0..count * dense))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn lines_say_what_was_said((_, edges) in drawings(14, 2)) {
        let mut drawing = Drawing::default();
        let count = edges.iter().map(|(_, into)| into + 1).max().unwrap_or(1);
        for at in 0..count {
            drawing.add(Node::new(format!("s{at}"), State::ALL[at % 7]));
        }
        for (from, into) in &edges {
            drawing.connect(*from, *into);
        }
        let text = drawing.grouped(Grouping::Off).terminal(200, false);
        prop_assume!(!text.contains('←'));
        let said: BTreeSet<_> =
            edges.iter().filter(|(from, into)| from != into).map(|(from, into)| (format!("s{from}"), format!("s{into}"))).collect();
        prop_assert_eq!(traced(&text), said, "{}", text);
    }

    #[test]
    fn every_node_is_drawn_once((names, edges) in drawings(60, 3), most in 0..60_usize, width in 20..100_usize) {
        let mut drawing = Drawing::default();
        for (at, name) in names.iter().enumerate() {
            drawing.add(Node::new(format!("name{name}"), State::ALL[at % 7]));
        }
        for (from, into) in &edges {
            drawing.connect(*into, *from);
        }
        for grouping in [Grouping::Off, Grouping::Over(most)] {
            let picture = drawing.grouped(grouping);
            let mut nodes: Vec<usize> = picture.boxes().iter().flat_map(|one| one.nodes.clone()).collect();
            nodes.sort_unstable();
            prop_assert_eq!(nodes, (0..names.len()).collect::<Vec<_>>());
            prop_assert!(picture.edges().iter().all(|(from, into)| from < into));
            // Connected nodes stay connected, or share a box.
            let mut at = vec![0; names.len()];
            for (number, one) in picture.boxes().iter().enumerate() {
                one.nodes.iter().for_each(|node| at[*node] = number);
            }
            let said: BTreeSet<_> = edges.iter().map(|(from, into)| (at[*into], at[*from])).filter(|(from, into)| from != into).collect();
            let drawn: BTreeSet<_> = picture.edges().iter().copied().collect();
            prop_assert_eq!(drawn, said);
            let text = picture.terminal(width, false);
            prop_assert!(text.lines().all(|line| line.width() <= width), "{}", text);
            prop_assert!(text.matches('n').count() >= picture.boxes().len(), "{}", text);
            no_overlap(&picture);
            prop_assert_eq!(picture.svg(), drawing.grouped(grouping).svg());
        }
    }
}

fn said(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn store_cli(store: &Store, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_store-cli"));
    command
        .arg("graph")
        .args(words)
        .arg("--store")
        .arg(store.root())
        .env("COLUMNS", "80")
        .output()
        .unwrap()
}

fn experiment(store: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_experiment"));
    command
        .args(words)
        .arg("--store")
        .arg(store)
        .env("COLUMNS", "80")
        .output()
        .unwrap()
}

#[test]
fn what_a_result_was_made_from() {
    let (folder, store) = scratch();
    let a = publish_texts(&store, &config("a"), &Context::empty(), &[("x", "1")]);
    let b = publish_on(&store, &config_on("b", &config("a")), &[&a], "b");
    publish_texts(&store, &config("other"), &Context::empty(), &[("x", "2")]);
    let text = said(&store_cli(&store, &["b"]));
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .collect();
    assert_eq!(lines[0][..2], ["●", "a"]);
    assert_eq!(lines[1][..2], ["●", "b"]);
    assert_eq!(lines[3].join(" "), "2 stages: 2 realized");
    // Without arguments, the graph is the whole store.
    assert!(said(&store_cli(&store, &[])).contains("3 stages: 3 realized"));
    assert!(
        said(&store_cli(
            &store,
            &[&config_on("b", &config("a")).id().to_string()]
        ))
        .contains("2 stages: 2 realized")
    );
    let json: serde_json::Value =
        serde_json::from_str(&said(&store_cli(&store, &["b", "--json"]))).unwrap();
    let reference = |rref: &dyn std::fmt::Display| serde_json::json!(rref.to_string());
    assert_eq!(
        json["edges"],
        serde_json::json!([{ "from": reference(&a), "into": reference(&b) }])
    );
    assert_eq!(
        json["nodes"][0],
        serde_json::json!({ "reference": reference(&b), "name": "b", "state": "realized" })
    );
    // The file's extension determines the format.
    for (name, begin) in [
        ("g.svg", "<svg "),
        ("g.dot", "digraph "),
        ("g.mmd", "flowchart "),
        ("g", "● a"),
    ] {
        let path = folder.path().join(name);
        assert_eq!(
            said(&store_cli(&store, &["b", "-o", path.to_str().unwrap()])),
            ""
        );
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with(begin), "{text}");
    }
    assert!(said(&store_cli(&store, &["b", "--format", "dot"])).starts_with("digraph "));
    assert_eq!(store_cli(&store, &["nothing"]).status.code(), Some(1));
    // A missing realization is drawn as missing.
    fs::remove_dir_all(store.realization_dir(&a)).unwrap();
    assert!(said(&store_cli(&store, &["b"])).contains("1 realized, 1 missing"));
    assert!(said(&store_cli(&store, &[])).contains("2 realized, 1 missing"));
}

#[test]
fn what_a_run_would_do() {
    let (_folder, store) = scratch();
    let graph = |words: &[&str]| said(&experiment(store.root(), &[&["graph"], words].concat()));
    let begins = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| {
                line.split_whitespace()
                    .take(2)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    };
    assert_eq!(begins(&graph(&[]))[..2], ["○ numbers", "○ mean"]);
    said(&experiment(store.root(), &["run", "numbers"]));
    assert_eq!(begins(&graph(&["mean"]))[..2], ["● numbers", "○ mean"]);
    assert_eq!(
        begins(&graph(&["mean", "--count", "6"]))[..2],
        ["○ numbers", "○ mean"]
    );
    let json: serde_json::Value = serde_json::from_str(&graph(&["mean", "--json"])).unwrap();
    assert_eq!(json["nodes"][1]["state"], "to_build");
    assert_eq!(json["nodes"][1]["reason"], "missing");
    // A name that is not in the plan may be in the store.
    assert!(graph(&["numbers@1"]).contains("1 stage: 1 realized"));
    assert_eq!(
        experiment(store.root(), &["graph", "nothing"])
            .status
            .code(),
        Some(2)
    );
}
