//! Thirty edits of an experiment of twelve stages, as a person makes them: each is compiled, planned and run. After each, the results
//! are those of a store made from nothing, and only those stages ran that the list of edits names. `SNAPSHOTS=overwrite` writes
//! the table for the book anew; the list, `tests/edits/edits.txt`, is written by hand.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

#[path = "stage_edits/edits.rs"]
mod edits;
#[path = "stage_edits/experiment.rs"]
mod experiment;
#[path = "stage_edits/table.rs"]
mod table;

use edits::{Change, edits};
use experiment::{Artifacts, Experiment};

/// The names of the stages of which an artifact is another.
fn changed(before: &Artifacts, after: &Artifacts) -> Vec<String> {
    let names = after.keys();
    let differs = names.filter(|name| before.get(*name) != after.get(*name));
    differs.cloned().collect()
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names
}

#[test]
fn results_are_those_of_a_new_store_and_nothing_runs_for_nothing() {
    let experiment = Experiment::new();
    let edits = edits();
    experiment.compile();
    experiment.commit("Begin");
    let stages: Vec<String> = experiment
        .plan()
        .into_iter()
        .map(|step| step.name)
        .collect();
    assert_eq!(stages.len(), 12);
    let first = experiment.run(&stages);
    assert_eq!(sorted(&first.ran), sorted(&stages));

    let mut before = first.artifacts;
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    for edit in &edits {
        for change in &edit.changes {
            experiment.make(change);
        }
        experiment.compile();
        let plan = experiment.plan();
        let accepted = edit.changes.iter().filter_map(|change| match change {
            Change::Accept(item) => Some(item.as_str()),
            _ => None,
        });
        experiment.accept(&accepted.collect::<Vec<_>>());
        let run = experiment.run(&stages);
        let anew = experiment.run_in_a_new_store(&stages);
        let changes = changed(&before, &run.artifacts);
        let mut check = |what: &str, is: &[String], wanted: &[String]| {
            if sorted(is) != sorted(wanted) {
                faults.push(format!("{}: {what} {is:?}, not {wanted:?}", edit.title));
            }
        };
        check("ran", &run.ran, &edit.runs);
        check("carried", &run.carried, &edit.carries);
        check("changed", &changes, &edit.changed);
        let stale = changed(&anew, &run.artifacts);
        check("stale or not reproducible are", &stale, &[]);
        rows.push(table::row(edit, &stages, &plan, &run, &changes));
        experiment.commit(&edit.title);
        before = run.artifacts;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(
        table::table(&rows),
        snapbox::file!["../edits/table.md"].raw(),
    );
}
