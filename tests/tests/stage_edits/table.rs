//! The table of edits for the book.

use super::edits::Edit;
use super::experiment::{Run, Step};

/// The maximum number of stages that are named in one place.
const MOST: usize = 3;

/// Names of stages, in the order of the plan.
fn names(of: &[String], stages: &[String]) -> String {
    let in_order = stages.iter().filter(|stage| of.contains(stage));
    let mut names: Vec<_> = in_order.map(|name| format!("`{name}`")).collect();
    if names.len() > MOST + 1 {
        let more = names.split_off(MOST).len();
        names.push(format!("{more} more"));
    }
    match names.pop() {
        None => "–".to_owned(),
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} and {last}", names.join(", ")),
    }
}

/// What the plan said: the stages that are certain to run, with the reason that is their own, how many others are, and how many are
/// decided later.
fn said(plan: &[Step]) -> String {
    let certain = plan.iter().filter(|step| step.action == "build");
    let (above, own): (Vec<_>, Vec<_>) = certain.partition(|step| step.why().starts_with("from "));
    let own = own.into_iter();
    let own = own.map(|step| format!("`{}`: {}", step.name, in_short(step.why())));
    let mut said: Vec<_> = own.collect();
    let later = plan.iter().filter(|step| step.action == "later").count();
    for (count, what) in [(above.len(), "above"), (later, "later")] {
        said.extend((count > 0).then(|| format!("{count} {what}")));
    }
    match said.is_empty() {
        true => "nothing to build".to_owned(),
        false => said.join("; "),
    }
}

/// A reason without advice and without texts that are long.
fn in_short(why: &str) -> String {
    let why = why.strip_prefix("code changed: ").unwrap_or(why);
    let why = why.split(": if ").next().unwrap_or(why);
    let words = why.split(' ');
    let words = words.map(|word| if word.len() > 32 { ".." } else { word });
    words.collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// The row of an edit.
pub(crate) fn row(
    edit: &Edit,
    stages: &[String],
    plan: &[Step],
    run: &Run,
    changes: &[String],
) -> String {
    let cells = [
        edit.title.clone(),
        said(plan),
        names(&run.ran, stages),
        names(&run.carried, stages),
        names(changes, stages),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// The whole table.
pub(crate) fn table(rows: &[String]) -> String {
    let mut table =
        "| | edit | `plan` says | runs | carried | other results |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for (at, row) in rows.iter().enumerate() {
        table += &format!("| {} {row}", at + 1);
    }
    table
}
