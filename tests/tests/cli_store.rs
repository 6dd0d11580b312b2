//! The commands that inspect a store, on a store with fixed bytes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use pylightnix::config::RRefId;
use pylightnix::store::{Context, Durability, Store};
use snapbox::{assert_data_eq, str};
use tests::line::{Line, Said};
use tests::store::{by_older_rules, config, publish, publish_on, publish_texts};

/// Returns the exit code, standard output, and after a separator standard error.
fn shown(line: &Line, arguments: &str) -> String {
    let Said { code, out, err } = line.say(arguments);
    let err = if err.is_empty() {
        err
    } else {
        format!("---\n{err}")
    };
    format!("{out}{err}= {code}\n")
}

fn line() -> Line {
    Line::new(env!("CARGO_BIN_EXE_store-cli"))
}

#[test]
fn list() {
    let line = line();
    assert_data_eq!(
        shown(&line, "list"),
        str![[r#"
REFERENCE          BUILT             TOOK  NAME
6b97bed3/411d5f0c  2026-01-01 00:06   5 s  flaky (failed)
1cdb520f/f63c049d  2026-01-01 00:02   5 s  mean
41270c52/6f736356  2026-01-01 00:04   5 s  mean
a34a5511/cef4e1c6  2026-01-01 00:01   5 s  numbers
da8c3c32/9949d1ad  2026-01-01 00:03   5 s  numbers
966f6385/410be467  2026-01-01 00:05   5 s  plot
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "list --newest -n 2"),
        str![[r#"
REFERENCE          BUILT             TOOK  NAME
6b97bed3/411d5f0c  2026-01-01 00:06   5 s  flaky (failed)
966f6385/410be467  2026-01-01 00:05   5 s  plot
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "list mean --long"),
        str![[r#"
REFERENCE                                                                    NAME
rref:f63c049d44f63f7f9fdcf4acbf78eaa4-1cdb520f1ee60e4b1bec6f22d804fc09-mean  mean
rref:6f736356e317ed84f3699f840ad23dd0-41270c52692eb0ce9094caff11265691-mean  mean
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "list --derivations"),
        str![[r#"
REFERENCE  REALIZATIONS  NAME
6b97bed3              1  flaky
1cdb520f              1  mean
41270c52              1  mean
a34a5511              1  numbers
da8c3c32              1  numbers
966f6385              1  plot
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "list --json"),
        str![[r#"
[
  {"rref":"rref:411d5f0c260b32b5d4c63f969c401352-6b97bed3a1025af644462337a6bb30de-flaky","dref":"dref:6b97bed3a1025af644462337a6bb30de-flaky","name":"flaky","outcome":"failed","time":"2026-01-01T00:06:00Z","build_seconds":5.0,"builds":1,"tags":[]},
  {"rref":"rref:f63c049d44f63f7f9fdcf4acbf78eaa4-1cdb520f1ee60e4b1bec6f22d804fc09-mean","dref":"dref:1cdb520f1ee60e4b1bec6f22d804fc09-mean","name":"mean","outcome":"ok","time":"2026-01-01T00:02:00Z","build_seconds":5.0,"builds":1,"tags":[]},
  {"rref":"rref:6f736356e317ed84f3699f840ad23dd0-41270c52692eb0ce9094caff11265691-mean","dref":"dref:41270c52692eb0ce9094caff11265691-mean","name":"mean","outcome":"ok","time":"2026-01-01T00:04:00Z","build_seconds":5.0,"builds":1,"tags":[]},
  {"rref":"rref:cef4e1c61b1a461e68fd434cddae7e4f-a34a5511f4b8655ee9a0d6cf2366ff7c-numbers","dref":"dref:a34a5511f4b8655ee9a0d6cf2366ff7c-numbers","name":"numbers","outcome":"ok","time":"2026-01-01T00:01:00Z","build_seconds":5.0,"builds":1,"tags":[]},
  {"rref":"rref:9949d1ad222ca022c7480e0165d2378b-da8c3c3256fbc3b7f276ebc7860b5c1c-numbers","dref":"dref:da8c3c3256fbc3b7f276ebc7860b5c1c-numbers","name":"numbers","outcome":"ok","time":"2026-01-01T00:03:00Z","build_seconds":5.0,"builds":1,"tags":[]},
  {"rref":"rref:410be467600915e403bf36faee2f531f-966f6385e7bc0961ff0466d63b438b24-plot","dref":"dref:966f6385e7bc0961ff0466d63b438b24-plot","name":"plot","outcome":"ok","time":"2026-01-01T00:05:00Z","build_seconds":5.0,"builds":1,"tags":[]}
]
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "list nothing"),
        str![[r#"
---
nothing matches
= 1

"#]]
    );
}

#[test]
fn show() {
    let line = line();
    assert_data_eq!(
        shown(&line, "show numbers@2"),
        str![[r#"
rref:cef4e1c61b1a461e68fd434cddae7e4f-a34a5511f4b8655ee9a0d6cf2366ff7c-numbers
numbers, 2026-01-01 00:01:00
[STORE]/store-v1/a34a5511f4b8655ee9a0d6cf2366ff7c-numbers/cef4e1c61b1a461e68fd434cddae7e4f/out

Config
  out    numbers.json (an artifact)
  count  3

Artifacts (10 B)
  numbers.json  10 B

Builds
  2026-01-01 00:01:00  built in 5 s by ada on lab
    code 003c003c003c003c…
    git commit 012345678901… was checked out, with or without changes
    ./experiment run
    `log a34a5511/cef4e1c6` shows what it printed

Used by
  1cdb520f/f63c049d  mean
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "show plot"),
        str![[r#"
rref:410be467600915e403bf36faee2f531f-966f6385e7bc0961ff0466d63b438b24-plot
plot, 2026-01-01 00:05:00
[STORE]/store-v1/966f6385e7bc0961ff0466d63b438b24-plot/410be467600915e403bf36faee2f531f/out

Config
  mean   1cdb520f mean
  title  "The mean"

Made from
  1cdb520f/f63c049d  mean

Artifacts (20 B)
  data/
  data/more/
  data/more/notes.txt  5 B
  data/points.csv  8 B
  plot.svg  7 B

Builds
  2026-01-01 00:05:00  built in 5 s by ada on lab
    code 012c012c012c012c…
    git commit 012345678901… was checked out, with or without changes
    ./experiment run
    `log 966f6385/410be467` shows what it printed

Used by
  nothing in this store
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "show plot --json"),
        str![[r#"
{
  "rref": "rref:410be467600915e403bf36faee2f531f-966f6385e7bc0961ff0466d63b438b24-plot",
  "dref": "dref:966f6385e7bc0961ff0466d63b438b24-plot",
  "name": "plot",
  "outcome": "ok",
  "path": "[STORE]/store-v1/966f6385e7bc0961ff0466d63b438b24-plot/410be467600915e403bf36faee2f531f/out",
  "config": {"name": "plot", "mean": "dref:1cdb520f1ee60e4b1bec6f22d804fc09-mean", "title": "The mean"},
  "context": [
    {
      "dref": "dref:1cdb520f1ee60e4b1bec6f22d804fc09-mean",
      "rrefs": [
        "rref:f63c049d44f63f7f9fdcf4acbf78eaa4-1cdb520f1ee60e4b1bec6f22d804fc09-mean"
      ]
    }
  ],
  "artifacts": [
    {
      "path": "data",
      "kind": "folder"
    },
    {
      "path": "data/more",
      "kind": "folder"
    },
    {
      "path": "data/more/notes.txt",
      "kind": "file",
      "size_bytes": 5,
      "sha256": "fcf33dfbe13c2354bf0e1b063f9fb422747a46cee00b7420bceff2b81457b345"
    },
    {
      "path": "data/points.csv",
      "kind": "file",
      "size_bytes": 8,
      "sha256": "81bf9fa83c6f7f151bd491a98cd7d933de3965289e3ebd77c6c425f7eaa16392"
    },
    {
      "path": "plot.svg",
      "kind": "file",
      "size_bytes": 7,
      "sha256": "cd1fafe3cc7f06f55ead3f0dce39300aca7a8911793e76fcdd327799c0709ac2"
    }
  ],
  "size_bytes": 20,
  "builds": [
    {
      "kind": "build",
      "start": "2026-01-01T00:04:55Z",
      "stop": "2026-01-01T00:05:00Z",
      "build_seconds": 5.0,
      "attempts": 1,
      "index": null,
      "of": null,
      "host": "lab",
      "user": "ada",
      "command": [
        "./experiment",
        "run"
      ],
      "fingerprint": "012c012c012c012c012c012c012c012c",
      "accepted": null,
      "commit": "0123456789012345678901234567890123456789",
      "dirty": null,
      "difference": null,
      "environment": null,
      "reads": null,
      "sealed": false,
      "peak_memory_bytes": null,
      "carried": null,
      "params": {},
      "omitted": {},
      "signatures": [],
      "log": "[STORE]/store-v1/966f6385e7bc0961ff0466d63b438b24-plot/410be467600915e403bf36faee2f531f/build-019b0000-0000-7000-8000-000000000300.log"
    }
  ],
  "remarks": [],
  "series": [],
  "dependents": []
}
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "show flaky"),
        str![[r#"
rref:411d5f0c260b32b5d4c63f969c401352-6b97bed3a1025af644462337a6bb30de-flaky
flaky, 2026-01-01 00:06:00, a recorded failure
[STORE]/store-v1/6b97bed3a1025af644462337a6bb30de-flaky/411d5f0c260b32b5d4c63f969c401352/out

Artifacts (16 B)
  failure.txt  16 B

Builds
  2026-01-01 00:06:00  built in 5 s by ada on lab
    code 0168016801680168…
    git commit 012345678901… was checked out, with or without changes
    ./experiment run

Used by
  nothing in this store
= 0

"#]]
    );
}

#[test]
fn path() {
    let line = line();
    assert_data_eq!(
        shown(&line, "path mean"),
        str![[r#"
[STORE]/store-v1/41270c52692eb0ce9094caff11265691-mean/6f736356e317ed84f3699f840ad23dd0/out
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "path plot data/points.csv --json"),
        str![[r#"
{
  "reference": "rref:410be467600915e403bf36faee2f531f-966f6385e7bc0961ff0466d63b438b24-plot",
  "path": "[STORE]/store-v1/966f6385e7bc0961ff0466d63b438b24-plot/410be467600915e403bf36faee2f531f/out/data/points.csv"
}
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "path mean --derivation"),
        str![[r#"
[STORE]/store-v1/41270c52692eb0ce9094caff11265691-mean
= 0

"#]]
    );
}

#[test]
fn cat() {
    let line = line();
    assert_data_eq!(
        shown(&line, "cat mean"),
        str![[r#"
{"value": 2.0}
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "cat plot plot.svg"),
        str![[r#"
<svg/>
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "cat plot"),
        str![[r#"
---
error: rref:410be467600915e403bf36faee2f531f-966f6385e7bc0961ff0466d63b438b24-plot has 3 files: name one of them
  help: its files:
      data/more/notes.txt
      data/points.csv
      plot.svg
= 1

"#]]
    );
}

#[test]
fn tree() {
    let line = line();
    assert_data_eq!(
        shown(&line, "tree plot"),
        str![[r#"
rref:410be467600915e403bf36faee2f531f-966f6385e7bc0961ff0466d63b438b24-plot
├─ data/
│  ├─ more/
│  │  └─ notes.txt  5 B
│  └─ points.csv  8 B
└─ plot.svg  7 B
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "tree plot --json"),
        str![[r#"
{
  "rref": "rref:410be467600915e403bf36faee2f531f-966f6385e7bc0961ff0466d63b438b24-plot",
  "entries": [
    {
      "path": "data",
      "kind": "folder"
    },
    {
      "path": "data/more",
      "kind": "folder"
    },
    {
      "path": "data/more/notes.txt",
      "kind": "file",
      "size_bytes": 5,
      "sha256": "fcf33dfbe13c2354bf0e1b063f9fb422747a46cee00b7420bceff2b81457b345"
    },
    {
      "path": "data/points.csv",
      "kind": "file",
      "size_bytes": 8,
      "sha256": "81bf9fa83c6f7f151bd491a98cd7d933de3965289e3ebd77c6c425f7eaa16392"
    },
    {
      "path": "plot.svg",
      "kind": "file",
      "size_bytes": 7,
      "sha256": "cd1fafe3cc7f06f55ead3f0dce39300aca7a8911793e76fcdd327799c0709ac2"
    }
  ]
}
= 0

"#]]
    );
}

#[test]
fn log() {
    let line = line();
    assert_data_eq!(
        shown(&line, "log plot"),
        str![[r#"
drawing
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "log numbers --list"),
        str![[r#"
2026-01-01 00:01:00  done     [STORE]/store-v1/a34a5511f4b8655ee9a0d6cf2366ff7c-numbers/cef4e1c61b1a461e68fd434cddae7e4f/build-019b0000-0000-7000-8000-000000000060.log
2026-01-01 00:03:00  done     [STORE]/store-v1/da8c3c3256fbc3b7f276ebc7860b5c1c-numbers/9949d1ad222ca022c7480e0165d2378b/build-019b0000-0000-7000-8000-000000000180.log
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "log mean"),
        str![[r#"
---
it printed nothing
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "log nothing"),
        str![[r#"
---
error: nothing in the store [STORE] matches `nothing`
  help: give a name (`train`, or `train@2` for the second newest), the beginning of a reference, a path in the store, or a link to a result; `list` shows the realizations
= 1

"#]]
    );
}

#[test]
fn find() {
    let line = line();
    assert_data_eq!(
        shown(&line, "find mea*"),
        str![[r#"
REFERENCE          BUILT             NAME
1cdb520f/f63c049d  2026-01-01 00:02  mean
41270c52/6f736356  2026-01-01 00:04  mean
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "find --field count=3 --json"),
        str![[r#"
[
  {"rref":"rref:cef4e1c61b1a461e68fd434cddae7e4f-a34a5511f4b8655ee9a0d6cf2366ff7c-numbers","dref":"dref:a34a5511f4b8655ee9a0d6cf2366ff7c-numbers","name":"numbers","time":"2026-01-01T00:01:00Z","metrics":[],"tags":[]}
]
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "find --metric mean.json:value=1.5.. --long"),
        str![[r#"
REFERENCE                                                                    METRIC  NAME
rref:6f736356e317ed84f3699f840ad23dd0-41270c52692eb0ce9094caff11265691-mean       2  mean
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "find --failed"),
        str![[r#"
REFERENCE          BUILT             NAME
6b97bed3/411d5f0c  2026-01-01 00:06  flaky
= 0

"#]]
    );
}

#[test]
fn find_some() {
    let line = line();
    assert_data_eq!(
        shown(&line, "find mea* --limit 1"),
        str![[r#"
REFERENCE          BUILT             NAME
1cdb520f/f63c049d  2026-01-01 00:02  mean
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "find nosuch"),
        str![[r#"
---
nothing matches
  help: nothing is named `nosuch`: there is `flaky`, `mean`, `numbers`, `plot`
= 1

"#]]
    );
    // In the form of `compare`, and as comparisons for ranges.
    assert_data_eq!(
        shown(&line, "find --where mean.value>=1.5 --field count!=3"),
        str![[r#"
REFERENCE          BUILT             NAME
41270c52/6f736356  2026-01-01 00:04  mean
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "find -m mean.json:value>1.5"),
        str![[r#"
REFERENCE          BUILT             METRIC  NAME
41270c52/6f736356  2026-01-01 00:04       2  mean
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "find -m means.json>0.97"),
        str![[r#"
---
nothing matches
  help: nothing has an artifact `means.json`: there is `mean.json`, `numbers.json`, `plot.svg`, `data/points.csv`, `failure.txt`, `data/more/notes.txt`
= 1

"#]]
    );
    assert_data_eq!(
        shown(&line, "find 1cdb520f"),
        str![[r#"
REFERENCE          BUILT             NAME
1cdb520f/f63c049d  2026-01-01 00:02  mean
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "find -m mean.json~3"),
        str![[r#"
---
error: invalid value 'mean.json~3' for '--metric <ARTIFACT[:FIELD][=FROM..TO]>': `mean.json~3` does not name a number in an artifact, as `scores.json:accuracy=0.9..` and `scores.json:accuracy>0.9` do

For more information, try '--help'.
= 2

"#]]
    );
    assert_data_eq!(
        shown(&line, "find -w mean"),
        str![[r#"
---
error: "mean" is not a condition
  help: write a field or a number in an artifact, one of `=`, `!=`, `<`, `<=`, `>`, `>=`, and a value: `rate >= 0.1`; or `~` and a part of a text: `data ~ march`; or `tag:best`, `note:kink`
= 2

"#]]
    );
}

#[test]
fn list_what_took_longest() {
    let line = line();
    assert_data_eq!(
        shown(&line, "list --slowest -n 2"),
        str![[r#"
REFERENCE          BUILT             TOOK  NAME
6b97bed3/411d5f0c  2026-01-01 00:06   5 s  flaky (failed)
1cdb520f/f63c049d  2026-01-01 00:02   5 s  mean
= 0

"#]]
    );
}

/// Among 17 stages, some hashes begin with the same digit.
#[test]
fn list_has_room_for_all_that_begin_so() {
    let line = Line::empty(env!("CARGO_BIN_EXE_store-cli"));
    let mut begun: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..17 {
        let mut draft = line.store.plumbing().draft().unwrap();
        let new = publish(&mut draft, &config(&format!("stage-{number}"))).unwrap();
        *begun
            .entry(new.id.dref().folder()[..1].to_owned())
            .or_default() += 1;
    }
    for (digit, count) in &begun {
        let listed = line.out(&format!("list {digit}"));
        assert_eq!(listed.lines().count(), 1 + count, "{digit}: {listed}");
    }
    assert!(begun.values().any(|count| *count > 1));
}

#[test]
fn help_is_a_command_too() {
    let line = line();
    assert_eq!(line.out("help gc"), line.out("gc --help"));
    assert_eq!(line.out("help"), line.out("--help"));
    assert_eq!(line.say("help nosuch").code, 2);
}

#[test]
fn all_of_a_store() {
    let line = line();
    assert_eq!(line.say("copy --all --to other").code, 0);
    assert_eq!(line.out("list --store other"), line.out("list"));
    assert_eq!(line.say("pack --all all.zip").code, 0);
    assert_eq!(
        line.json("pack --all all.zip")["roots"]
            .as_array()
            .unwrap()
            .len(),
        6
    );
    assert_eq!(line.say("pack all.zip").code, 2);
}

#[test]
fn diff() {
    let line = line();
    assert_data_eq!(
        shown(&line, "diff numbers@2 numbers"),
        str![[r#"
count: 3 -> 5
! numbers.json (10 B -> 16 B)
= 1

"#]]
    );
    assert_data_eq!(
        shown(&line, "diff numbers@2 numbers --contents --json"),
        str![[r#"
{
  "old": "rref:cef4e1c61b1a461e68fd434cddae7e4f-a34a5511f4b8655ee9a0d6cf2366ff7c-numbers",
  "new": "rref:9949d1ad222ca022c7480e0165d2378b-da8c3c3256fbc3b7f276ebc7860b5c1c-numbers",
  "fields": [
    {
      "path": "count",
      "old": 3,
      "new": 5
    }
  ],
  "outcomes": [
    "ok",
    "ok"
  ],
  "only_old": [],
  "only_new": [],
  "files": [
    {
      "path": "numbers.json",
      "old": "file",
      "new": "file",
      "old_bytes": 10,
      "new_bytes": 16,
      "first_difference": {
        "offset": 8,
        "line": 1
      }
    }
  ]
}
= 1

"#]]
    );
    assert_data_eq!(
        shown(&line, "diff mean mean"),
        str![[r#"
nothing differs
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "diff plot mean"),
        str![[r#"
name: "plot" -> "mean"
mean: "dref:1cdb520f1ee60e4b1bec6f22d804fc09-mean" -> (none)
title: "The mean" -> (none)
out: (none) -> ["__self__", "mean.json"]
numbers: (none) -> "dref:da8c3c3256fbc3b7f276ebc7860b5c1c-numbers"
- from rref:f63c049d44f63f7f9fdcf4acbf78eaa4-1cdb520f1ee60e4b1bec6f22d804fc09-mean
+ from rref:9949d1ad222ca022c7480e0165d2378b-da8c3c3256fbc3b7f276ebc7860b5c1c-numbers
- data (a folder)
- data/more (a folder)
- data/more/notes.txt (5 B)
- data/points.csv (8 B)
+ mean.json (15 B)
- plot.svg (7 B)
= 1

"#]]
    );
}

#[test]
fn check() {
    let line = line();
    assert_data_eq!(
        shown(&line, "check"),
        str![[r#"
no faults in 6 realizations; no artifact was read
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "check --contents --json"),
        str![[r#"
{
  "sound": true,
  "realizations": 6,
  "files_read": 8,
  "read_bytes": 92,
  "faults": [],
  "notes": []
}
= 0

"#]]
    );
}

#[test]
fn repair() {
    let line = line();
    assert_data_eq!(
        shown(&line, "repair"),
        str![[r#"
0 faults in 6 realizations; 0 repairs, 0 left
= 0

"#]]
    );
}

#[test]
fn stats() {
    let line = line();
    assert_data_eq!(
        shown(&line, "stats"),
        str![[r#"
NAME     DERIVATIONS  REALIZATIONS  FAILURES  BUILDS  TIME  NEWEST
mean               2             2         0       2  10 s  2026-01-01 00:04
numbers            2             2         0       2  10 s  2026-01-01 00:03
flaky              1             1         1       1   5 s  2026-01-01 00:06
plot               1             1         0       1   5 s  2026-01-01 00:05
6 derivations, 6 realizations, 6 builds in 30 s
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "stats --json"),
        str![[r#"
[
  {
    "name": "mean",
    "derivations": 2,
    "realizations": 2,
    "failures": 0,
    "builds": 2,
    "build_seconds": 10.0,
    "newest": "2026-01-01T00:04:00Z"
  },
  {
    "name": "numbers",
    "derivations": 2,
    "realizations": 2,
    "failures": 0,
    "builds": 2,
    "build_seconds": 10.0,
    "newest": "2026-01-01T00:03:00Z"
  },
  {
    "name": "flaky",
    "derivations": 1,
    "realizations": 1,
    "failures": 1,
    "builds": 1,
    "build_seconds": 5.0,
    "newest": "2026-01-01T00:06:00Z"
  },
  {
    "name": "plot",
    "derivations": 1,
    "realizations": 1,
    "failures": 0,
    "builds": 1,
    "build_seconds": 5.0,
    "newest": "2026-01-01T00:05:00Z"
  }
]
= 0

"#]]
    );
}

#[test]
fn gc_and_roots() {
    let line = line();
    assert_data_eq!(
        shown(&line, "roots --add best mean@2"),
        str![[r#"
---
best keeps rref:f63c049d44f63f7f9fdcf4acbf78eaa4-1cdb520f1ee60e4b1bec6f22d804fc09-mean
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "link plot result"),
        str![[r#"
result -> [STORE]/store-v1/966f6385e7bc0961ff0466d63b438b24-plot/410be467600915e403bf36faee2f531f/out
= 0

"#]]
    );
    // Independent of the length of the folder's path, which is replaced here: tables cut long texts.
    let mut roots = line.command("roots");
    let roots = line.said(roots.env("COLUMNS", "500").output().unwrap());
    assert_data_eq!(
        format!("{}= {}\n", roots.out, roots.code),
        str![[r#"
REFERENCE          STAGE  SINCE             KEPT BY
1cdb520f/f63c049d  mean   [..]  best
966f6385/410be467  plot   [..]  link [FOLDER]/result
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "gc --dry-run"),
        str![[r#"
REFERENCE          BUILT             FREES  NAME
41270c52/6f736356  2026-01-01 00:04  405 B  mean
da8c3c32/9949d1ad  2026-01-01 00:03  280 B  numbers
6b97bed3/411d5f0c  2026-01-01 00:06  283 B  flaky
would remove 3 of 6 realizations, 3 derivations: 968 B
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "gc --json"),
        str![[r#"
{
  "dry_run": false,
  "realizations": [
    {
      "rref": "rref:6f736356e317ed84f3699f840ad23dd0-41270c52692eb0ce9094caff11265691-mean",
      "size_bytes": 405,
      "freed_bytes": 405,
      "time": "2026-01-01T00:04:00Z"
    },
    {
      "rref": "rref:9949d1ad222ca022c7480e0165d2378b-da8c3c3256fbc3b7f276ebc7860b5c1c-numbers",
      "size_bytes": 280,
      "freed_bytes": 280,
      "time": "2026-01-01T00:03:00Z"
    },
    {
      "rref": "rref:411d5f0c260b32b5d4c63f969c401352-6b97bed3a1025af644462337a6bb30de-flaky",
      "size_bytes": 283,
      "freed_bytes": 283,
      "time": "2026-01-01T00:06:00Z"
    }
  ],
  "stubs": [],
  "derivations": [
    "dref:41270c52692eb0ce9094caff11265691-mean",
    "dref:6b97bed3a1025af644462337a6bb30de-flaky",
    "dref:da8c3c3256fbc3b7f276ebc7860b5c1c-numbers"
  ],
  "failed_builds": [],
  "partial_downloads": [],
  "runs": [],
  "abandoned_runs": [],
  "ended_roots": [],
  "code_texts": 0,
  "freed_bytes": 968,
  "kept": 3,
  "elsewhere": 0,
  "refused": []
}
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "list"),
        str![[r#"
REFERENCE          BUILT             TOOK  NAME
1cdb520f/f63c049d  2026-01-01 00:02   5 s  mean
a34a5511/cef4e1c6  2026-01-01 00:01   5 s  numbers
966f6385/410be467  2026-01-01 00:05   5 s  plot
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "link --remove result"),
        str![[r#"
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "roots --remove best"),
        str![[r#"
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "roots --json"),
        str![[r#"
[
  {
    "name": "link-[..]",
    "rref": "rref:410be467600915e403bf36faee2f531f-966f6385e7bc0961ff0466d63b438b24-plot",
    "link": "[FOLDER]/result",
    "counts": false,
    "since": "[..]",
    "run": null,
    "planned": null
  }
]
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "gc"),
        str![[r#"
---
error: no root keeps anything in this store: `gc` would remove all results
  help: choose first what to keep: `run` keeps the results of the targets of a program, `link REF PATH` and `roots --add NAME REF` keep single results
    to remove everything, add `--without-roots`; `--dry-run` shows what that is
= 1

"#]]
    );
    assert_data_eq!(
        shown(&line, "gc --without-roots"),
        str![[r#"
REFERENCE          BUILT             FREES  NAME
966f6385/410be467  2026-01-01 00:05  618 B  plot
1cdb520f/f63c049d  2026-01-01 00:02  405 B  mean
a34a5511/cef4e1c6  2026-01-01 00:01  274 B  numbers
root of the link [FOLDER]/result, which no longer exists
removed 3 of 3 realizations, 3 derivations: 1.3 KiB
= 0

"#]]
    );
}

#[test]
fn remove() {
    let line = line();
    assert_data_eq!(
        shown(&line, "rm numbers"),
        str![[r#"
---
error: `numbers` is a name
  help: `numbers@1` is the newest of that name, and `--all` removes all of them
= 2

"#]]
    );
    assert_data_eq!(
        shown(&line, "rm numbers@1"),
        str![[r#"
---
error: rref:9949d1ad222ca022c7480e0165d2378b-da8c3c3256fbc3b7f276ebc7860b5c1c-numbers cannot be removed:
rref:6f736356e317ed84f3699f840ad23dd0-41270c52692eb0ce9094caff11265691-mean was made from it
  help: `--with-dependents` removes as well what was made from it
= 1

"#]]
    );
    assert_data_eq!(
        shown(&line, "rm numbers@1 --with-dependents --dry-run"),
        str![[r#"
REFERENCE          BUILT             FREES  NAME
41270c52/6f736356  2026-01-01 00:04  405 B  mean
da8c3c32/9949d1ad  2026-01-01 00:03  280 B  numbers
would remove 2 of 6 realizations: 685 B
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "rm numbers@1 --with-dependents --json"),
        str![[r#"
[
  {
    "dry_run": false,
    "realizations": [
      {
        "rref": "rref:6f736356e317ed84f3699f840ad23dd0-41270c52692eb0ce9094caff11265691-mean",
        "size_bytes": 405,
        "freed_bytes": 405,
        "time": "2026-01-01T00:04:00Z"
      },
      {
        "rref": "rref:9949d1ad222ca022c7480e0165d2378b-da8c3c3256fbc3b7f276ebc7860b5c1c-numbers",
        "size_bytes": 280,
        "freed_bytes": 280,
        "time": "2026-01-01T00:03:00Z"
      }
    ],
    "stubs": [],
    "derivations": [],
    "failed_builds": [],
    "partial_downloads": [],
    "runs": [],
    "abandoned_runs": [],
    "ended_roots": [],
    "code_texts": 0,
    "freed_bytes": 685,
    "kept": 4,
    "elsewhere": 0,
    "refused": []
  }
]
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "rm flaky --all"),
        str![[r#"
REFERENCE          BUILT             FREES  NAME
6b97bed3/411d5f0c  2026-01-01 00:06  283 B  flaky
removed 1 of 4 realizations, 1 derivation: 283 B
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "list --derivations"),
        str![[r#"
REFERENCE  REALIZATIONS  NAME
1cdb520f              1  mean
41270c52              0  mean
a34a5511              1  numbers
da8c3c32              0  numbers
966f6385              1  plot
= 0

"#]]
    );
}

#[test]
fn from_store_to_store() {
    let line = line();
    assert_data_eq!(
        shown(&line, "pack plot.zip plot --without-builds"),
        str![[r#"
plot.zip: 1 realization with everything that it was made from, 5.2 KiB
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "unpack plot.zip --store other"),
        str![[r#"
rref:cef4e1c61b1a461e68fd434cddae7e4f-a34a5511f4b8655ee9a0d6cf2366ff7c-numbers
rref:f63c049d44f63f7f9fdcf4acbf78eaa4-1cdb520f1ee60e4b1bec6f22d804fc09-mean
rref:410be467600915e403bf36faee2f531f-966f6385e7bc0961ff0466d63b438b24-plot
---
3 realizations are in [FOLDER]/other
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "list --store other"),
        str![[r#"
REFERENCE          BUILT  TOOK  NAME
1cdb520f/f63c049d               mean
a34a5511/cef4e1c6               numbers
966f6385/410be467               plot
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "copy mean --to other --json"),
        str![[r#"
{
  "store": "[FOLDER]/other",
  "rrefs": [
    "rref:9949d1ad222ca022c7480e0165d2378b-da8c3c3256fbc3b7f276ebc7860b5c1c-numbers",
    "rref:6f736356e317ed84f3699f840ad23dd0-41270c52692eb0ce9094caff11265691-mean"
  ]
}
---
2 realizations are in [FOLDER]/other
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "list --store other"),
        str![[r#"
REFERENCE          BUILT             TOOK  NAME
1cdb520f/f63c049d                          mean
41270c52/6f736356  2026-01-01 00:04   5 s  mean
a34a5511/cef4e1c6                          numbers
da8c3c32/9949d1ad  2026-01-01 00:03   5 s  numbers
966f6385/410be467                          plot
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "pack plot.zip plot --json --without-builds"),
        str![[r#"
{
  "archive": "plot.zip",
  "roots": [
    "rref:410be467600915e403bf36faee2f531f-966f6385e7bc0961ff0466d63b438b24-plot"
  ],
  "size_bytes": 5326
}
= 0

"#]]
    );
}

#[test]
fn one_broken_realization_stops_no_other() {
    let line = line();
    let numbers = line.newest("numbers");
    let record = line.store.realization_dir(&numbers).join("record");
    fs::set_permissions(&record, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&record, "").unwrap();
    // The index takes a folder that did not change for whole.
    let _ = fs::remove_dir_all(line.store.root().join("cache/index"));
    for (command, rest) in [
        ("list", "mean"),
        ("list --newest", "mean"),
        ("list --json", "mean"),
        ("stats", "mean"),
        ("compare numbers mean", "1cdb520f"),
        ("pack --all all.zip", ""),
        ("copy --all --to other", "numbers"),
    ] {
        let Said { code, out, err } = line.say(command);
        assert_eq!(code, 1, "{command}: {err}");
        assert!(out.contains(rest), "{command}: {out}");
        assert!(err.contains("left out: "), "{command}: {err}");
        assert!(err.contains(&numbers.to_string()), "{command}: {err}");
    }
    // A realization with dependents cannot be removed alone; with them it can.
    let all = line.store.rrefs().unwrap().len();
    let copied = line.json("list --store other");
    let copied = copied.as_array().unwrap();
    assert!((1..all - 1).contains(&copied.len()), "{copied:?}");
    assert_eq!(line.say("unpack all.zip --store third").code, 0);
    assert_eq!(
        line.json("list --store third").as_array().unwrap().len(),
        copied.len()
    );
}

#[test]
fn one_broken_realization_hides_none_of_the_same_derivation() {
    let line = line();
    let twins = ["1", "2"].map(|text| {
        let none = Context::empty();
        publish_texts(&line.store, &config("twins"), &none, &[("x.json", text)])
    });
    let [broken, whole] = &twins;
    let record = line.store.realization_dir(broken).join("record");
    fs::set_permissions(&record, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&record, "").unwrap();
    let hash = &whole.to_string()["rref:".len()..][..8];
    for command in [
        "list",
        "list --json",
        "list --newest",
        "list --slowest",
        "find twins --ok",
        "compare twins --csv",
        "log twins --list",
        "stats twins",
        "show twins",
    ] {
        let Said { code, out, err } = line.say(command);
        assert_eq!(code, 1, "{command}: {out}{err}");
        assert!(err.contains(&broken.to_string()), "{command}: {err}");
        let shown = match command {
            "stats twins" => "1",
            "log twins --list" => "(it printed nothing)",
            _ => hash,
        };
        assert!(out.contains(shown), "{command}: {out}");
    }
    // A name stands for the newest readable realization.
    assert!(line.out("path twins").contains(&*whole.folder()));
    fs::remove_dir_all(line.store.realization_dir(whole)).unwrap();
    let Said { code, err, .. } = line.say("path twins");
    assert!(code == 1 && err.contains(&broken.to_string()), "{err}");
}

#[test]
fn a_pipe_in_place_of_a_file_is_not_waited_for() {
    let line = line();
    let numbers = line.newest("numbers");
    let (place, out) = (
        line.store.realization_dir(&numbers),
        line.store.out_dir(&numbers),
    );
    let pipe = |path: &Path| {
        fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    fs::set_permissions(&out, fs::Permissions::from_mode(0o755)).unwrap();
    pipe(&out.join("numbers.json"));
    for command in [
        "cat numbers",
        "find numbers --metric numbers.json:x=..",
        "diff numbers@2 numbers --contents",
        "pack all.zip numbers",
        "copy numbers --to other",
    ] {
        let Said { code, out, err } = line.say(command);
        assert_eq!(code, 1, "{command}: {out}{err}");
        assert!(err.contains("numbers.json"), "{command}: {err}");
    }
    assert!(line.out("compare numbers --csv").contains("bytes"));
    assert!(
        line.store
            .lens(&numbers)
            .unwrap()
            .get("out")
            .unwrap()
            .contents()
            .is_err()
    );
    let build = line.store.realization(&numbers).unwrap().builds()[0].id;
    pipe(&place.join(format!("build-{build}.log")));
    let Said { code, err, .. } = line.say("log numbers");
    assert!(code == 1 && err.contains("it is a pipe"), "{err}");
    for command in ["pack all.zip numbers", "copy numbers --to other"] {
        let Said { code, err, .. } = line.say(command);
        assert!(code == 1 && err.contains("cannot"), "{command}: {err}");
    }
}

#[test]
fn what_cannot_be_read_stops_nothing_else_from_being_saved() {
    let line = line();
    let numbers = line.newest("numbers");
    let damage = |store: &Store| {
        let path = store.out_dir(&numbers).join("numbers.json");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let length = fs::read(&path).unwrap().len();
        fs::write(&path, " ".repeat(length)).unwrap();
    };
    let all = line.store.rrefs().unwrap();
    // Also if only the copy is damaged, and its dependent exists.
    assert_eq!(line.say("copy --all --to damaged").code, 0);
    let damaged = Store::open(line.folder.path().join("damaged")).unwrap();
    damage(&damaged);
    let more = publish(&mut line.store.plumbing().draft().unwrap(), &config("more"))
        .unwrap()
        .id;
    let Said { code, err, .. } = line.say("copy --all --to damaged");
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("already, and is damaged"), "{err}");
    assert!(damaged.has(&more).unwrap());
    assert_eq!(damaged.rrefs().unwrap().len(), all.len() + 1);

    damage(&line.store);
    let made_from_it = |rref: &RRefId| {
        let context = line.store.realization(rref).unwrap().context;
        *rref == numbers || context.realizations().any(|dep| *dep == numbers)
    };
    let all = line.store.rrefs().unwrap();
    let whole: Vec<_> = all.iter().filter(|rref| !made_from_it(rref)).collect();
    assert!(whole.len() < all.len() - 1);
    for (command, brought) in [
        ("pack --all all.zip", "unpack all.zip --store third"),
        ("copy --all --to other", "list --store other"),
    ] {
        let Said { code, err, .. } = line.say(command);
        assert_eq!(code, 1, "{command}: {err}");
        assert!(
            err.contains("left out: ") && err.contains("numbers.json"),
            "{command}: {err}"
        );
        assert!(
            err.contains(&format!("was made from {numbers}, which is left out")),
            "{err}"
        );
        assert_eq!(line.say(brought).code, 0);
    }
    for store in ["other", "third"] {
        let store = Store::open(line.folder.path().join(store)).unwrap();
        assert_eq!(store.rrefs().unwrap().iter().collect::<Vec<_>>(), whole);
    }
    // A realization that was requested by name is not left out.
    assert_eq!(line.say("pack some.zip numbers").code, 1);
    assert!(!line.folder.path().join("some.zip").exists());
}

#[test]
fn what_was_published_by_older_rules_is_noted_and_left_out() {
    let line = line();
    let store = &line.store;
    let numbers = by_older_rules(store, &line.newest("numbers"), |out| {
        fs::remove_file(out.join("numbers.json")).unwrap();
    });
    let linking = publish(&mut store.plumbing().draft().unwrap(), &config("linking"))
        .unwrap()
        .id;
    let linking = by_older_rules(store, &linking, |out| {
        symlink("nowhere", out.join("link")).unwrap();
    });
    // Remove the dependent of the numbers, which does not matter here.
    store.remove(line.newest("mean")).run().unwrap();
    let Said { code, out, .. } = line.say("check --contents");
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("numbers.json is promised by the config and missing\n  note: "),
        "{out}"
    );
    assert!(out.contains("no faults in "), "{out}");
    let notes = line.json("check");
    assert_eq!(notes["notes"].as_array().unwrap().len(), 2, "{notes}");
    for command in ["pack --all all.zip", "copy --all --to other"] {
        let Said { code, err, .. } = line.say(command);
        assert_eq!(code, 1, "{command}: {err}");
        for rref in [&numbers, &linking] {
            let left = format!("left out: {rref} cannot be packed or copied: ");
            assert!(err.contains(&left), "{command}: {err}");
        }
    }
    let whole = store.rrefs().unwrap().len() - 2;
    assert_eq!(
        line.json("list --store other").as_array().unwrap().len(),
        whole
    );
    assert_eq!(line.say("unpack all.zip --store third").code, 0);
    assert_eq!(
        line.json("list --store third").as_array().unwrap().len(),
        whole
    );
}

#[test]
fn what_is_broken_is_found_and_repaired() {
    let line = line();
    let artifact = line
        .out("path mean mean.json")
        .trim_end()
        .replace("[STORE]", &line.store.root().display().to_string());
    fs::set_permissions(&artifact, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&artifact, "{\"value\": 3.0}\n").unwrap();
    let found = line.say("check");
    assert_eq!(found.code, 1);
    assert!(
        found.out.contains("mean.json has the mode"),
        "{}",
        found.out
    );
    let found = line.say("check --contents --json");
    assert_eq!(found.code, 1);
    let found: serde_json::Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!(found["faults"][0]["rref"], line.newest("mean").to_string());
    let (_folder, peer) = tests::store::unused(&Line::new(env!("CARGO_BIN_EXE_store-cli")).store);
    let repaired = line.say(&format!("repair --from {}", peer.root().display()));
    assert_eq!(repaired.code, 0, "{repaired:?}");
    assert!(
        repaired.out.contains("was replaced by a good copy"),
        "{}",
        repaired.out
    );
    assert_eq!(line.out("cat mean"), "{\"value\": 2.0}\n");
}

#[test]
fn room() {
    let line = line();
    let du = line.json("du plot --closure");
    assert_eq!(du["realizations"].as_array().unwrap().len(), 3);
    assert!(du["all"]["disk_bytes"].as_u64().unwrap() > 0);
    let all = line.out("du");
    assert!(all.lines().any(|line| line.ends_with("  plot")), "{all}");
    assert!(
        all.lines()
            .last()
            .unwrap()
            .ends_with("6 realizations of 6 derivations"),
        "{all}"
    );
}

#[test]
fn references() {
    let line = line();
    let (numbers, mean) = (line.newest("numbers"), line.newest("mean"));
    let path = format!("{}\n", line.store.out_dir(&numbers).display())
        .replace(&line.store.root().display().to_string(), "[STORE]");
    let (dref, rref) = (numbers.dref().folder(), numbers.folder());
    assert_eq!(line.say(&format!("link {numbers} there")).code, 0);
    for text in [
        numbers.to_string(),
        numbers.dref().to_string(),
        numbers.to_string()[..12].to_owned(),
        format!("rref:{rref}-{}", &dref[..6]),
        format!("dref:{}", &dref[..6]),
        dref.clone(),
        dref[..6].to_owned(),
        rref[..6].to_owned(),
        format!("{}/{}", &dref[..6], &rref[..4]),
        format!("numbers/{}", &rref[..4]),
        format!("{}@1", &dref[..6]),
        "numbers".to_owned(),
        "numbers@1".to_owned(),
        "there".to_owned(),
        "./there".to_owned(),
        line.store.out_dir(&numbers).display().to_string(),
        line.store.realization_dir(&numbers).display().to_string(),
        line.store
            .derivation_dir(numbers.dref())
            .display()
            .to_string(),
    ] {
        assert_eq!(line.out(&format!("path {text}")), path, "{text}");
    }
    let artifact = line.store.out_dir(&mean).join("mean.json");
    assert_eq!(
        line.out(&format!("cat {}", artifact.display())),
        "{\"value\": 2.0}\n"
    );
    assert_eq!(
        line.out("path ./there/numbers.json"),
        path.replace("/out", "/out/numbers.json")
    );
    assert_data_eq!(
        shown(&line, "path 4"),
        str![[r#"
[STORE]/store-v1/41270c52692eb0ce9094caff11265691-mean/6f736356e317ed84f3699f840ad23dd0/out
= 0

"#]]
    );
    assert_data_eq!(
        shown(&line, "path rref:"),
        str![[r#"
---
error: `rref:` is ambiguous: it matches 6 references
  help: give more of the reference; it may be:
      2026-01-01 00:02 UTC  rref:f63c049d44f63f7f9fdcf4acbf78eaa4-1cdb520f1ee60e4b1bec6f22d804fc09-mean
      2026-01-01 00:04 UTC  rref:6f736356e317ed84f3699f840ad23dd0-41270c52692eb0ce9094caff11265691-mean
      2026-01-01 00:06 UTC  rref:411d5f0c260b32b5d4c63f969c401352-6b97bed3a1025af644462337a6bb30de-flaky
      2026-01-01 00:05 UTC  rref:410be467600915e403bf36faee2f531f-966f6385e7bc0961ff0466d63b438b24-plot
      2026-01-01 00:01 UTC  rref:cef4e1c61b1a461e68fd434cddae7e4f-a34a5511f4b8655ee9a0d6cf2366ff7c-numbers
      2026-01-01 00:03 UTC  rref:9949d1ad222ca022c7480e0165d2378b-da8c3c3256fbc3b7f276ebc7860b5c1c-numbers
= 1

"#]]
    );
    assert_data_eq!(
        shown(&line, "path numbers@3"),
        str![[r#"
---
error: there is no `numbers@3`: only 2 realizations exist
  help: `list` shows the realizations
= 1

"#]]
    );
    assert_data_eq!(
        shown(&line, "path numbers@0"),
        str![[r#"
---
error: `numbers@0`: give a number from 1 after `@`, which counts from the newest, or a tag
= 1

"#]]
    );
    assert_data_eq!(
        shown(&line, "path /etc/passwd"),
        str![[r#"
---
error: /etc/passwd is not in the store [STORE]
  help: name the store that it is in with `--store`
= 1

"#]]
    );
}

#[test]
fn nothing_is_no_reference() {
    let line = line();
    let mut command = line.command("rm --force --all");
    let said = line.said(command.arg("").output().unwrap());
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("an empty text is not a reference"),
        "{said:?}"
    );
    assert_data_eq!(
        shown(&line, "show umber"),
        str![[r#"
---
error: nothing in the store [STORE] matches `umber`
  help: did you mean one of these? numbers
= 1

"#]]
    );
}

#[test]
fn what_cannot_be() {
    let line = line();
    assert_data_eq!(
        shown(&line, "graph -o graph.png"),
        str![[r#"
---
error: the extension `.png` is not known
  help: use `.svg`, `.dot`, `.mmd` or `.txt`, or give the format with `--format`
= 2

"#]]
    );
    assert_data_eq!(
        shown(&line, "list --store nowhere"),
        str![[r#"
---
error: there is no store at nowhere
  help: a run creates it; if it is elsewhere, give its folder with `--store` or in `$PYLIGHTNIX_ROOT`
= 3

"#]]
    );
    assert!(!line.folder.path().join("nowhere").exists());
    assert_data_eq!(
        shown(&line, "cat mean --json"),
        str![[r#"
---
error: `cat` cannot print JSON: remove `--json`
= 2

"#]]
    );
    assert_eq!(line.say("lst").code, 2);
    assert_eq!(line.say("gc --older-than yesterday").code, 2);
}

#[test]
fn colours() {
    let line = line();
    let said = |set: &[(&str, &str)], arguments: &str| {
        let mut command = line.command(arguments);
        command.envs(set.iter().copied());
        line.said(command.output().unwrap()).out
    };
    assert!(!said(&[], "list").contains('\x1b'));
    assert!(said(&[], "list --color always").contains("\x1b[33m6b97bed3"));
    assert!(said(&[("CLICOLOR_FORCE", "1")], "list").contains('\x1b'));
    assert!(!said(&[("NO_COLOR", "1")], "list").contains('\x1b'));
    assert!(!said(&[("CLICOLOR_FORCE", "1")], "list --color never").contains('\x1b'));
}

#[test]
fn tables_fit() {
    let line = line();
    for width in (32..=80).step_by(4) {
        for arguments in ["list", "find mean", "stats", "gc -n"] {
            let mut command = line.command(arguments);
            let out = command.env("COLUMNS", width.to_string()).output().unwrap();
            let out = line.said(out).out;
            // Summary lines are sentences.
            let table = out.lines().filter(|line| !line.contains(", "));
            let most = table.map(|line| line.chars().count()).max().unwrap();
            assert!(most <= width, "{most} of {width}: {out}");
        }
    }
    let mut command = line.command("list");
    let out = line
        .said(command.env("COLUMNS", "30").output().unwrap())
        .out;
    assert_data_eq!(
        out,
        str![[r#"
REFERENCE          NAME
6b97bed3/411d5f0c  flaky (fai…
1cdb520f/f63c049d  mean
41270c52/6f736356  mean
a34a5511/cef4e1c6  numbers
da8c3c32/9949d1ad  numbers
966f6385/410be467  plot

"#]]
    );
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let line = line();
    for arguments in [
        "list",
        "list --json",
        "show plot",
        "cat mean",
        "man",
        "stats --json",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = line.command(arguments);
        let said = line.said(
            command
                .stdout(writer)
                .stderr(std::process::Stdio::piped())
                .output()
                .unwrap(),
        );
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments}");
    }
}

/// A large store has a cache of derivation names, which notices later changes.
#[test]
fn names_that_are_kept_are_no_older_than_the_store() {
    let line = line();
    let store = line.store.clone().with_durability(Durability::None);
    for at in 0..1100 {
        store
            .plumbing()
            .add_derivation(&config(&format!("many-{at}")))
            .unwrap();
    }
    let mean = line.out("path mean");
    // A folder that has just changed is not cached.
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(line.out("path mean"), mean);
    let names = store.root().join("cache/index/names");
    assert!(names.exists());
    let mut draft = store.plumbing().draft().unwrap();
    let new = publish(&mut draft, &config("newcomer")).unwrap().id;
    assert_eq!(line.newest("newcomer"), new);
    store.remove(&new).force().run().unwrap();
    store.remove_derivation(new.dref()).force().run().unwrap();
    assert_eq!(line.say("path newcomer").code, 1);
    fs::write(&names, "nothing that is kept").unwrap();
    assert_eq!(line.out("path mean"), mean);
}

/// The index entry of a derivation counts as long as its folder is unchanged.
#[test]
fn a_realization_by_its_beginning_with_and_without_the_index() {
    let line = line();
    let whole = "rref:410be467600915e403bf36faee2f531f-966f6385e7bc0961ff0466d63b438b24-plot";
    let index = line.store.root().join("cache/index");
    assert!(!index.exists());
    assert!(line.out("path 410be4 --json").contains(whole));
    assert_eq!(line.say("path 410be5").code, 1);
    // A folder that has just changed is not cached.
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(line.say("list").code, 0);
    assert!(fs::read_dir(&index).unwrap().count() > 0);
    assert!(line.out("path 410be4 --json").contains(whole));
    assert_eq!(line.say("path 410be5").code, 1);
    assert_eq!(line.say("rm 410be4").code, 0);
    assert_eq!(line.say("path 410be4").code, 1);
}

#[test]
fn a_large_store_is_gone_through_only_on_demand() {
    let line = line();
    let store = line.store.clone().with_durability(Durability::None);
    let config = config("many");
    for number in 0..2_000 {
        publish_on(&store, &config, &[], &number.to_string());
    }
    let said = "not looked for in a large store: `--dependents` reads all of it";
    assert!(line.say("show numbers@2").out.contains(said));
    let asked = line.say("show numbers@2 --dependents").out;
    assert!(!asked.contains(said), "{asked}");
}
