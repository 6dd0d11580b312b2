//! The command `compare`.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::config::ConfigJson;
use pylightnix::store::{Context, Outcome, Store};
use snapbox::cmd::Command;
use snapbox::str;
use std::fs;
use tests::runs::scratch;
use tests::store::built;

fn compare(store: &Store) -> Command {
    Command::new(env!("CARGO_BIN_EXE_store-cli"))
        .env("PYLIGHTNIX_ROOT", store.root())
        .env("TZ", "UTC")
        .env("COLUMNS", "120")
        .env("NO_COLOR", "1")
        .arg("compare")
}

/// Three runs of one stage.
fn three_runs(store: &Store) {
    for (at, (rate, accuracy, loss)) in [
        (0.1, 0.8, "[4, 2, 1, 0.5]"),
        (0.01, 0.95, "[4, 3, 2, 1.25]"),
        (1.0, 0.5, "[4, null, 4, 4]"),
    ]
    .into_iter()
    .enumerate()
    {
        let config = format!(r#"{{"name": "train", "layers": [4, 5], "opt": {{"rate": {rate}}}}}"#);
        let config = ConfigJson::from_json(&config).unwrap();
        let mut draft = store.plumbing().draft().unwrap();
        let scores = format!(r#"{{"accuracy": {accuracy}, "loss": {loss}}}"#);
        fs::write(draft.out().join("scores.json"), scores).unwrap();
        let mut build = built();
        build.start = format!("2026-01-02T03:0{at}:00Z").parse().unwrap();
        build.stop = format!("2026-01-02T03:0{at}:12.5Z").parse().unwrap();
        let done = draft.publish(&config, &Context::empty(), Outcome::Ok, &build);
        done.unwrap();
    }
}

#[test]
fn as_a_table() {
    let (_folder, store) = scratch();
    three_runs(&store);
    let all = compare(&store).arg("train").assert().success();
    all.stdout_eq(str![[r#"
REFERENCE          opt.rate  scores.accuracy  scores.loss  built             seconds  bytes
320a92dc/ee6e529b       0.1              0.8  █▄▂▁ 0.5     2026-01-02 03:00   12.5 s   41 B
24f25823/8964ff25      0.01             0.95  █▆▃▁ 1.25    2026-01-02 03:01   12.5 s   43 B
bb79de00/3f1489d7         1              0.5  ▄·▄▄ 4       2026-01-02 03:02   12.5 s   42 B

"#]])
        .stderr_eq("");
    let sorted = compare(&store).args(["tr*", "--sort", "scores.accuracy", "--reverse", "-n2"]);
    sorted.assert().success().stdout_eq(str![[r#"
REFERENCE          opt.rate  scores.accuracy  scores.loss  built             seconds  bytes
24f25823/8964ff25      0.01             0.95  █▆▃▁ 1.25    2026-01-02 03:01   12.5 s   43 B
320a92dc/ee6e529b       0.1              0.8  █▄▂▁ 0.5     2026-01-02 03:00   12.5 s   41 B

"#]]);
    let few = compare(&store).args(["train", "-w", "opt.rate < 0.5", "-c", "scores.loss,bytes"]);
    few.assert().success().stdout_eq(str![[r#"
REFERENCE          scores.loss  bytes
320a92dc/ee6e529b  █▄▂▁ 0.5      41 B
24f25823/8964ff25  █▆▃▁ 1.25     43 B

"#]]);
    let narrow = compare(&store).arg("train").env("COLUMNS", "60");
    narrow.assert().success().stdout_eq(str![[r#"
REFERENCE          opt.rate  scores.accuracy  scores.loss
320a92dc/ee6e529b       0.1              0.8  █▄▂▁ 0.5
24f25823/8964ff25      0.01             0.95  █▆▃▁ 1.25
bb79de00/3f1489d7         1              0.5  ▄·▄▄ 4
3 columns do not fit: see `--columns` and `--csv`

"#]]);
}

#[test]
fn for_other_programs() {
    let (_folder, store) = scratch();
    three_runs(&store);
    let csv = compare(&store).args(["train", "--csv", "--columns", "opt.rate,scores.loss,built"]);
    csv.assert().success().stdout_eq(str![[r#"
realization,opt.rate,scores.loss,built
rref:ee6e529bbc845550220b35e472efea10-320a92dc1c2f7ef978c469938f2c4af6-train,0.1,"[4.0,2.0,1.0,0.5]",2026-01-02T03:00:00Z
rref:8964ff259a308c4f150d1e939fd0394c-24f25823af60ef5cc357ea1cb20219ef-train,0.01,"[4.0,3.0,2.0,1.25]",2026-01-02T03:01:00Z
rref:3f1489d7e0b01e89faef3c4930976407-bb79de00c151e05324b89dd7171ac3a9-train,1,"[4.0,null,4.0,4.0]",2026-01-02T03:02:00Z

"#]]);
    let json = compare(&store).args(["train@1", "train@3", "--json"]);
    json.assert().success().stdout_eq(str![[r#"
[
  {
    "rref": "rref:ee6e529bbc845550220b35e472efea10-320a92dc1c2f7ef978c469938f2c4af6-train",
    "values": {
      "opt.rate": 0.1,
      "scores.accuracy": 0.8,
      "scores.loss": [
        4.0,
        2.0,
        1.0,
        0.5
      ],
      "built": "2026-01-02T03:00:00Z",
      "seconds": 12.5,
      "bytes": 41
    }
  },
  {
    "rref": "rref:3f1489d7e0b01e89faef3c4930976407-bb79de00c151e05324b89dd7171ac3a9-train",
    "values": {
      "opt.rate": 1,
      "scores.accuracy": 0.5,
      "scores.loss": [
        4.0,
        null,
        4.0,
        4.0
      ],
      "built": "2026-01-02T03:02:00Z",
      "seconds": 12.5,
      "bytes": 42
    }
  }
]

"#]]);
}

#[test]
fn what_cannot_be() {
    let (_folder, store) = scratch();
    three_runs(&store);
    let none = compare(&store).arg("nobody").assert().code(1);
    none.stderr_eq("nothing matches\n  help: nothing is named `nobody`: there is `train`\n")
        .stdout_eq("");
    let none = compare(&store)
        .args(["train", "-w", "bytes > 1000", "--csv"])
        .assert()
        .code(1);
    none.stderr_eq("none of the 3 compared realizations matches\n")
        .stdout_eq("");
    let unknown = compare(&store)
        .args(["train", "--sort", "score"])
        .assert()
        .code(2);
    unknown.stderr_eq(str![[r#"
error: there is no column `score`
  help: there is `scores.accuracy`, `scores.loss`, `seconds`, `built`, `bytes`, `opt.rate`

"#]]);
    let condition = compare(&store)
        .args(["train", "--where", "bytes"])
        .assert()
        .code(2);
    condition.stderr_eq(str![[r#"
error: "bytes" is not a condition
  help: write a field or a number in an artifact, one of `=`, `!=`, `<`, `<=`, `>`, `>=`, and a value: `rate >= 0.1`; or `~` and a part of a text: `data ~ march`; or `tag:best`, `note:kink`

"#]]);
    compare(&store).assert().code(2);
    compare(&store)
        .args(["train", "--csv", "--json"])
        .assert()
        .code(2);
}

#[test]
fn help_says_what_when_and_an_example() {
    let (_folder, store) = scratch();
    let help = compare(&store).arg("--help").assert().success();
    help.stdout_eq(str![[r#"
Compare the realizations of a stage side by side

Use it when you want to know which run was the best, and why. Each realization has a row, with the
fields of the configs that differ (`data.path` is the field `path` of the dependency in the field
`data`), the numbers in the JSON artifacts (`scores.accuracy` in `scores.json`), a sparkline of each
series of numbers (a one-dimensional npy file, a list in JSON), the time of the build, its duration,
its memory if that is known, and the size.

Usage: pylightnix compare [OPTIONS] <NAME|REF>...

Arguments:
  <NAME|REF>...
          Names, which may contain `*` and `?`, or references

Options:
  -s, --sort <COLUMN>
          Sort by this column [default: the time of the build]

  -r, --reverse
          Reverse the order

  -w, --where <CONDITION>
          Show only rows that meet this condition: a column, `=`, `!=`, `<`, `<=`, `>`, `>=` or `~`
          (contains), and a value; may be repeated

  -c, --columns <COLUMNS>
          Show only these columns, in this order, separated by commas

  -n, --limit <COUNT>
          Show at most this many

      --csv
          Print comma-separated values, with complete references and series

  -l, --long
          Show complete references

  -h, --help
          Print help (see a summary with '-h')

Options of all commands:
      --store <FOLDER>
          The folder of the store [default: $PYLIGHTNIX_ROOT, else ~/_pylightnix]

      --json
          Print data as JSON

      --color <WHEN>
          When to use colours

          Possible values:
          - auto:   On a terminal, unless NO_COLOR is set
          - always: Always
          - never:  Never
          
          [default: auto]

Example: the runs with a small rate, the most accurate first
  pylightnix compare train --where 'rate < 0.1' --sort scores.accuracy --reverse

"#]]);
}
