//! Runs the example as a user does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test says where"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use pylightnix::store::Store;

/// The references of the paper's derivations in Pylightnix.
const PARAMS: &str = "7c308bad0e7fa364790b71e6ffab924a-params";
const ANNEAL: &str = "aeeb4bea649e22497b49dfc1ec5ebedf-anneal";
const PLOT: &str = "ff1dd5c155ee3faa445572e3246f0566-plot";

/// The hash of the realization of the parameters in the paper.
const PARAMS_THERE: &str = "6f906ca9ad8d9b128c57ed0df95ab899";

/// The standard output and standard error of a run.
struct Output {
    lines: Vec<String>,
    said: String,
}

fn run(folder: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annealing"));
    let output = command
        .arg("--folder")
        .arg(folder)
        .args(options)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let lines = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    Output { lines, said }
}

impl Output {
    /// Returns the references below a heading.
    fn below(&self, heading: &str) -> Vec<&str> {
        let at = self.lines.iter().position(|line| line == heading).unwrap();
        let rest = self.lines[at + 1..].iter().map(String::as_str);
        rest.take_while(|line| line.starts_with("rref:")).collect()
    }
}

/// Returns the derivation in an rref, after `rref:<hash>-`.
fn derivation(rref: &str) -> &str {
    &rref["rref:".len() + 33..]
}

#[test]
fn the_best_run_of_two_stores_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path(), &[]);
    assert_eq!(derivation(&first.lines[0]), PLOT);

    let before = first.below("_storageB before unpacking:");
    let mut names: Vec<_> = before.iter().map(|rref| derivation(rref)).collect();
    names.sort_unstable();
    assert_eq!(names, [PARAMS, ANNEAL, PLOT]);
    let after = first.below("_storageB after unpacking:");
    assert!(before.iter().all(|rref| after.contains(rref)));
    assert!(after.contains(&first.lines[0].as_str()));
    assert_eq!(
        after
            .iter()
            .filter(|rref| derivation(rref) == ANNEAL)
            .count(),
        2
    );
    assert_eq!(
        after
            .iter()
            .filter(|rref| derivation(rref) == PARAMS)
            .count(),
        1
    );

    let [.., picked, plot, picture] = first.lines.as_slice() else {
        panic!("too few lines")
    };
    let (store, energies) = picked
        .strip_prefix("picked the run of ")
        .unwrap()
        .split_once(": ")
        .unwrap();
    let (energy, all) = energies.split_once(" out of ").unwrap();
    let all: Vec<(f64, &str)> = all
        .split(", ")
        .map(|one| one.split_once(' ').unwrap())
        .map(|(energy, store)| (energy.parse().unwrap(), store))
        .collect();
    assert_eq!(all.len(), 2);
    let lowest = all
        .iter()
        .min_by(|one, two| one.0.total_cmp(&two.0))
        .unwrap();
    assert_eq!(energy.parse::<f64>().unwrap(), lowest.0);
    assert_eq!(format!("({store})"), lowest.1);
    assert_eq!(derivation(plot), PLOT);
    assert!(fs::read(picture).unwrap().starts_with(b"\x89PNG"));

    // The second run reuses everything.
    let second = run(folder.path(), &[]);
    assert_eq!(
        second.said.matches("nothing to build").count(),
        4,
        "{}",
        second.said
    );
    assert_eq!(second.said.lines().count(), 4, "{}", second.said);
    assert_eq!(second.lines[0], first.lines[0]);
    assert_eq!(
        second.lines[second.lines.len() - 3..],
        first.lines[first.lines.len() - 3..]
    );
}

#[test]
fn exported_to_python_the_parameters_are_those_of_the_paper() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["--maxiter", "20"]);
    let store = Store::open_existing(folder.path().join("_storageA")).unwrap();
    let all = store.rrefs().unwrap();
    let exported = store.export_python(all, folder.path().join("python"));
    let exported = exported.unwrap().realizations;
    let names: Vec<String> = exported.iter().map(|one| one.python.to_string()).collect();
    assert_eq!(names.len(), 3);
    assert_eq!(names[0], format!("rref:{PARAMS_THERE}-{PARAMS}"));
}

#[test]
fn an_option_that_differs_from_the_paper_enters_the_config() {
    let folder = tempfile::tempdir().unwrap();
    let same = run(folder.path(), &["--maxiter", "500", "--jobs", "1"]);
    assert_eq!(derivation(&same.lines[0]), PLOT);
    let other = run(folder.path(), &["--maxiter", "50"]);
    assert!(derivation(&other.lines[0]).ends_with("-plot"));
    assert_ne!(derivation(&other.lines[0]), PLOT);
    // `params` does not depend on it.
    assert!(
        other.said.contains("_storageA: 2 of 3 stages built"),
        "{}",
        other.said
    );
}

#[test]
fn force_runs_everything_again() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["--maxiter", "20"]);
    let again = run(folder.path(), &["--maxiter", "20", "--force"]);
    assert!(
        again
            .said
            .contains("_storageA: 3 of 3 stages built in 3 runs"),
        "{}",
        again.said
    );
}
