//! The command `why`, on a store without the code of the experiment, and in a program with it.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::store::{BuildRecord, Environment, Outcome, Store};
use serde_json::Value;
use snapbox::cmd::Command;
use snapbox::str;
use std::fs;
use std::path::Path;
use tests::runs::scratch;
use tests::store::built;

/// Returns a program on this store, in a fixed environment.
fn program(path: &str, store: &Path) -> Command {
    Command::new(path)
        .env("PYLIGHTNIX_ROOT", store)
        .env("TZ", "UTC")
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        // Outside of a repository, whose changes would be told.
        .current_dir(std::env::temp_dir())
}

fn pylightnix(store: &Store) -> Command {
    program(env!("CARGO_BIN_EXE_store-cli"), store.root())
}

/// Returns the code of a stage, in the format of stores.
fn code(body: &str) -> String {
    let body = format!("fn train(b: &Build<Train>) -> Result<TrainOutputs> {{\n{body}}}");
    format!("[stage train {}]\n{body}\n", body.len())
}

/// Publishes a realization whose build ended at this minute.
fn publish(store: &Store, config: &str, on: &[&RRefId], code: &str, minute: u32) -> RRefId {
    publish_as(store, config, on, code, minute, |_| {})
}

/// Publishes a realization whose build record is changed before.
fn publish_as(
    store: &Store,
    config: &str,
    on: &[&RRefId],
    code: &str,
    minute: u32,
    change: impl FnOnce(&mut BuildRecord),
) -> RRefId {
    let config = ConfigJson::from_json(config).unwrap();
    let mut draft = store.plumbing().draft().unwrap();
    fs::write(draft.out().join("x"), minute.to_string()).unwrap();
    let mut build = built();
    build.id = format!("01933f00-{minute:04}-7000-8000-000000000000")
        .parse()
        .unwrap();
    build.start = format!("2026-01-02T03:{minute:02}:00Z").parse().unwrap();
    build.stop = format!("2026-01-02T03:{minute:02}:01.5Z").parse().unwrap();
    build.host = "host".to_owned();
    build.user = "me".to_owned();
    build.command = vec!["train".to_owned()];
    let fingerprint = format!("{:032x}", code.len());
    store.plumbing().save_code(&fingerprint, code).unwrap();
    build.fingerprint = Some(fingerprint);
    build.omitted = [("seed".to_owned(), 1.into())].into();
    for rref in on {
        let choice = serde_json::json!({"matcher": "latest()", "took": [rref], "from": 2});
        let choice = serde_json::from_value(choice).unwrap();
        build.choices.insert(rref.dref().clone(), choice);
    }
    change(&mut build);
    let context = on.iter().map(|rref| (*rref).clone()).collect();
    draft
        .publish(&config, &context, Outcome::Ok, &build)
        .unwrap()
        .id
}

/// Publishes two versions of two stages.
fn two_versions(store: &Store) {
    let versions = [
        (
            "a.csv",
            0.1,
            "    let model = fit(&b.data.load()?, b.rate)?;\n    save(model)\n",
            1,
        ),
        (
            "b.csv",
            0.2,
            "    let model = fit(&b.data.load()?, b.rate / 2.)?;\n    save(model)\n",
            2,
        ),
    ];
    for (path, rate, body, minute) in versions {
        let load = format!(r#"{{"name": "load", "path": "{path}"}}"#);
        let load = publish(store, &load, &[], "[stage load 0]\n\n", minute * 2);
        let train = format!(
            r#"{{"name": "train", "data": "{}", "rate": {rate}}}"#,
            load.dref()
        );
        publish(store, &train, &[&load], &code(body), minute * 2 + 1);
    }
}

#[test]
fn in_full() {
    let (_folder, store) = scratch();
    two_versions(&store);
    let why = pylightnix(&store).args(["why", "train"]).assert().success();
    why.stdout_eq(str![[r#"
1bd44a4d/398cfd9c was built 2026-01-02 03:05:00, in 1.5 s
compared with f0d3b95c/e4c4003b, the nearest before it (2 fields differ):
  rate: 0.1 -> 0.2
  code: stage `train` changed
      fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    -     let model = fit(&b.data.load()?, b.rate)?;
    +     let model = fit(&b.data.load()?, b.rate / 2.)?;
          save(model)
      }
  data: another `load`
`load`, data of `train`: 644182ac/187ecac8 -> ce20eeae/4720ad82
  path: "a.csv" -> "b.csv"
made from:
  ce20eeae/4720ad82, taken by `latest()` from 2

"#]])
        .stderr_eq("");
}

/// Publishes a result that was made with this compiler and this version of a crate.
fn made_with(store: &Store, path: &str, rustc: &str, ndarray: &str, minute: u32) -> RRefId {
    let config = format!(r#"{{"name": "load", "path": "{path}"}}"#);
    publish_as(store, &config, &[], "[stage load 0]\n\n", minute, |build| {
        let mut environment = Environment::default();
        environment.rustc = Some(rustc.to_owned());
        environment.profile = Some("release".to_owned());
        environment.crates = [("ndarray".to_owned(), ndarray.to_owned())].into();
        build.environment = Some(environment.into());
        build.commit = Some("0".repeat(40));
        (build.dirty, build.difference) = (Some(minute > 1), None);
    })
}

#[test]
fn what_differs_in_the_environment() {
    let (_folder, store) = scratch();
    let (old, new) = ("rustc 1.94.0 (a 2026-03-02)", "rustc 1.95.0 (b 2026-04-14)");
    made_with(&store, "a.csv", old, "0.16.1", 1);
    made_with(&store, "a.csv", new, "0.17.2", 2);
    made_with(&store, "b.csv", new, "0.17.3", 3);
    // It explains what nothing else explains.
    let why = pylightnix(&store).args(["why", "load@2"]);
    why.assert().success().stdout_eq(str![[r#"
644182ac/187ecac8 was built 2026-01-02 03:02:00, in 1.5 s
the same code gave this result from the same inputs once before, most recently 644182ac/8a93ba4c
  the environment was different: ndarray 0.16.1 -> 0.17.2, rustc 1.94.0 -> 1.95.0, uncommitted none -> long
the store has no earlier build with the name `load`

"#]]);
    let short = pylightnix(&store).args(["why", "--short", "load@2"]);
    short.assert().success().stdout_eq(str![[r#"
rebuilt by the same code (ndarray 0.16.1 -> 0.17.2, rustc 1.94.0 -> 1.95.0, uncommitted none -> long)

"#]]);
    // Beside a cause it is told as well.
    let why = pylightnix(&store).args(["why", "load"]);
    why.assert().success().stdout_eq(str![[r#"
ce20eeae/2287f67c was built 2026-01-02 03:03:00, in 1.5 s
compared with 644182ac/187ecac8, the nearest before it (1 field differs):
  path: "a.csv" -> "b.csv"
  also different: ndarray 0.17.2 -> 0.17.3

"#]]);
    let json = pylightnix(&store).args(["why", "load@2", "--json"]);
    let json = json.output().unwrap().stdout;
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        json["environment"][0],
        serde_json::json!({"what": "crates.ndarray", "old": "0.16.1", "new": "0.17.2"})
    );

    let compare = pylightnix(&store).args(["compare", "load", "--csv", "-c"]);
    let compare = compare.arg("env.rustc,env.crates.ndarray,env.uncommitted");
    compare.assert().success().stdout_eq(str![[r#"
realization,env.rustc,env.crates.ndarray,env.uncommitted
rref:8a93ba4c8a8bad69cda83489a8d31389-644182acfd0c32bb3900046d3b4a7df1-load,rustc 1.94.0 (a 2026-03-02),0.16.1,none
rref:187ecac8258717bea7bbf705cabfb2d0-644182acfd0c32bb3900046d3b4a7df1-load,rustc 1.95.0 (b 2026-04-14),0.17.2,long
rref:2287f67c58cd2744e3e5ce1547269aef-ce20eeae680a164bf3fd967c14263a69-load,rustc 1.95.0 (b 2026-04-14),0.17.3,long

"#]]);
    // What is the same has no column.
    let all = store.find().name("load").run().unwrap();
    let table = store
        .compare(all.map(|found| found.unwrap().id().clone()))
        .unwrap();
    let names = table.columns.iter().map(|column| column.name.as_str());
    let names: Vec<_> = names.filter(|name| name.starts_with("env.")).collect();
    assert_eq!(
        names,
        ["env.crates.ndarray", "env.rustc", "env.uncommitted"]
    );
}

#[test]
fn in_a_few_words_and_for_programs() {
    let (_folder, store) = scratch();
    two_versions(&store);
    let short = pylightnix(&store).args(["why", "--short", "train"]);
    short.assert().success().stdout_eq(str![[r#"
`rate` changed; its code changed; `path` of `load` changed

"#]]);
    let json = pylightnix(&store).args(["why", "train", "--json"]);
    json.assert().success().stdout_eq(str![[r#"
{
  "dref": "dref:1bd44a4daedc47f9ff32fbd7fb134cb2-train",
  "rref": "rref:398cfd9c042542a51c250be17155b222-1bd44a4daedc47f9ff32fbd7fb134cb2-train",
  "action": null,
  "choice": null,
  "build": {
    "start": "2026-01-02T03:05:00Z",
    "build_seconds": 1.5,
    "host": "host",
    "user": "me",
    "command": [
      "train"
    ]
  },
  "remarks": [],
  "carried": null,
  "repeated": [],
  "environment": [],
  "nearest": {
    "fields": 2,
    "compared": 1,
    "there": 1
  },
  "changes": [
    {
      "old": {
        "dref": "dref:f0d3b95c3133216e0a35fcf626744381-train",
        "rref": "rref:e4c4003b614b7b59c5c7da2d9f08b6d9-f0d3b95c3133216e0a35fcf626744381-train"
      },
      "new": {
        "dref": "dref:1bd44a4daedc47f9ff32fbd7fb134cb2-train",
        "rref": "rref:398cfd9c042542a51c250be17155b222-1bd44a4daedc47f9ff32fbd7fb134cb2-train"
      },
      "causes": [
        {
          "kind": "field",
          "path": "rate",
          "old": 0.1,
          "new": 0.2
        },
        {
          "kind": "code",
          "old": "00000000000000000000000000000088",
          "new": "0000000000000000000000000000008d",
          "parts": [
            {
              "what": "stage `train`",
              "old": "fn train(b: &Build<Train>) -> Result<TrainOutputs> {/n    let model = fit(&b.data.load()?, b.rate)?;/n    save(model)/n}",
              "new": "fn train(b: &Build<Train>) -> Result<TrainOutputs> {/n    let model = fit(&b.data.load()?, b.rate / 2.)?;/n    save(model)/n}"
            }
          ]
        },
        {
          "kind": "dependency",
          "field": "data",
          "old": "dref:644182acfd0c32bb3900046d3b4a7df1-load",
          "new": "dref:ce20eeae680a164bf3fd967c14263a69-load",
          "old_taken": [
            "rref:187ecac8258717bea7bbf705cabfb2d0-644182acfd0c32bb3900046d3b4a7df1-load"
          ],
          "new_taken": [
            "rref:4720ad825aa0bc4df6ee9c24020a7ebd-ce20eeae680a164bf3fd967c14263a69-load"
          ],
          "old_choice": {
            "matcher": "latest()",
            "took": [
              "rref:187ecac8258717bea7bbf705cabfb2d0-644182acfd0c32bb3900046d3b4a7df1-load"
            ],
            "from": 2
          },
          "new_choice": {
            "matcher": "latest()",
            "took": [
              "rref:4720ad825aa0bc4df6ee9c24020a7ebd-ce20eeae680a164bf3fd967c14263a69-load"
            ],
            "from": 2
          },
          "change": 1
        }
      ],
      "environment": []
    },
    {
      "old": {
        "dref": "dref:644182acfd0c32bb3900046d3b4a7df1-load",
        "rref": "rref:187ecac8258717bea7bbf705cabfb2d0-644182acfd0c32bb3900046d3b4a7df1-load"
      },
      "new": {
        "dref": "dref:ce20eeae680a164bf3fd967c14263a69-load",
        "rref": "rref:4720ad825aa0bc4df6ee9c24020a7ebd-ce20eeae680a164bf3fd967c14263a69-load"
      },
      "causes": [
        {
          "kind": "field",
          "path": "path",
          "old": "a.csv",
          "new": "b.csv"
        }
      ],
      "environment": []
    }
  ],
  "cut": false,
  "choices": {
    "dref:ce20eeae680a164bf3fd967c14263a69-load": {
      "matcher": "latest()",
      "took": [
        "rref:4720ad825aa0bc4df6ee9c24020a7ebd-ce20eeae680a164bf3fd967c14263a69-load"
      ],
      "from": 2
    }
  }
}

"#]]);
    let first = pylightnix(&store).args(["why", "train@2"]);
    first.assert().success().stdout_eq(str![[r#"
f0d3b95c/e4c4003b was built 2026-01-02 03:03:00, in 1.5 s
the store has no earlier build with the name `train`
made from:
  644182ac/187ecac8, taken by `latest()` from 2

"#]]);
}

#[test]
fn nothing_to_tell() {
    let (_folder, store) = scratch();
    two_versions(&store);
    let none = pylightnix(&store).args(["why", "nobody"]).assert();
    none.code(1).stderr_eq(str![[r#"
error: nothing in the store [..] matches `nobody`
...
"#]]);
    let nowhere = program(env!("CARGO_BIN_EXE_store-cli"), &store.root().join("no"));
    nowhere.args(["why", "x"]).assert().code(3);
    let usage = pylightnix(&store).arg("why").assert();
    usage.code(2);
}

#[test]
fn of_a_plan() {
    let (folder, _) = scratch();
    let store = folder.path().join("new");
    let experiment = || program(env!("CARGO_BIN_EXE_experiment"), &store);
    experiment().arg("run").assert().success();
    let args = ["why", "mean", "--count", "6"];
    let why = experiment().args(args).assert().success();
    why.stdout_eq(str![[r#"
dref:[..]-mean is to be built
a run would: build: missing
compared with [..]/[..], the nearest before it (1 field differs):
  numbers: another `numbers`
`numbers`, numbers of `mean`: [..]/[..] -> to be built
  count: 5 -> 6
its matcher `latest()` chooses from: nothing

"#]]);
    // The command only explains.
    let json = experiment().args(args).arg("--json").output().unwrap();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["rref"], Value::Null);
    assert_eq!(json["changes"][1]["causes"][0]["path"], "count");
    // An existing realization is a candidate.
    let there = experiment().args(["why", "numbers"]).assert().success();
    there.stdout_eq(str![[r#"
[..]/[..] was built [..]
a run would: reuse
the store has no earlier build with the name `numbers`
its matcher `latest()` chooses from:
  [..]/[..]: taken

"#]]);
    // A name that is only in the store, and an unknown name.
    experiment()
        .args(["run", "--count", "7"])
        .assert()
        .success();
    let other = experiment().args(["why", "numbers@1"]).assert().success();
    other.stdout_eq(str![[r#"
[..]/[..] was built [..]
compared with [..]/[..], the nearest before it (1 field differs):
  count: 5 -> 7

"#]]);
    let nobody = experiment().args(["why", "nobody"]).assert().code(2);
    nobody.stderr_eq(str![[r#"
error: the plan has no stage `nobody`
  help: its stages are: [..]

"#]]);
}

#[test]
fn help_says_what_when_and_an_example() {
    let (_folder, store) = scratch();
    let help = pylightnix(&store)
        .args(["why", "--help"])
        .assert()
        .success();
    help.stdout_eq(str![[r#"
Explain why a stage ran, or would run

Use it when a stage is built unexpectedly, or a result changed. Compares it with the nearest earlier
version of that stage: fields of the config, code, and dependencies, followed to the first change;
and the choices of matchers. In a program with an experiment, it explains a stage of the plan;
otherwise a result in the store.

Usage: pylightnix why [OPTIONS] <STAGE|REF>

Arguments:
  <STAGE|REF>
          A stage of the plan; or a realization: a name, or the beginning of a reference

Options:
  -s, --short
          Print a one-line summary

      --remote <REMOTE>
          What this remote has of the stage of the plan, and what differs between the code there and
          that of the plan

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

Example: what made the newest `train` run?
  pylightnix why train

"#]]);
}

/// As on a terminal with colours.
#[test]
fn diffs_have_colours() {
    let (_folder, store) = scratch();
    two_versions(&store);
    let args = ["why", "train", "--color", "always"];
    let shown = pylightnix(&store).args(args).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let green = shown.lines().find(|line| line.contains("+ ")).unwrap();
    assert!(green.contains("\u{1b}[32m"), "{green:?}");
}
