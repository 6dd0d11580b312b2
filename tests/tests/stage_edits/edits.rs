//! Reads the list of edits.

/// One edit, and what has to follow from it.
pub(crate) struct Edit {
    pub(crate) title: String,
    pub(crate) changes: Vec<Change>,
    pub(crate) runs: Vec<String>,
    pub(crate) carries: Vec<String>,
    /// The stages of which an artifact becomes another.
    pub(crate) changed: Vec<String>,
}

pub(crate) enum Change {
    /// Lines of a file give way to others. Without lines before them, these are the file.
    Lines {
        file: String,
        before: String,
        after: String,
    },
    Move(String, String),
    /// The last edit is undone.
    Undo,
    /// All sources are formatted with these options.
    Format(String),
    /// The change of an item is accepted.
    Accept(String),
}

/// Returns the edits of the list, in order.
pub(crate) fn edits() -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for line in include_str!("../../edits/edits.txt").lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let names = || rest.split(' ').map(str::to_owned).collect();
        if word == "#" {
            edits.push(Edit {
                title: rest.to_owned(),
                changes: Vec::new(),
                runs: Vec::new(),
                carries: Vec::new(),
                changed: Vec::new(),
            });
            continue;
        }
        if line.is_empty() || word == ";" {
            continue;
        }
        let edit = edits.last_mut().unwrap();
        match word {
            "@" => edit.changes.push(Change::Lines {
                file: rest.to_owned(),
                before: String::new(),
                after: String::new(),
            }),
            "-" | "+" => {
                let Some(Change::Lines { before, after, .. }) = edit.changes.last_mut() else {
                    unreachable!("{line}: of no file");
                };
                let side = if word == "-" { before } else { after };
                *side += rest;
                side.push('\n');
            }
            "move" => {
                let (from, to) = rest.split_once(' ').unwrap();
                edit.changes
                    .push(Change::Move(from.to_owned(), to.to_owned()));
            }
            "undo" => edit.changes.push(Change::Undo),
            "format" => edit.changes.push(Change::Format(rest.to_owned())),
            "accept" => edit.changes.push(Change::Accept(rest.to_owned())),
            "runs:" => edit.runs = names(),
            "carries:" => edit.carries = names(),
            "changes:" => edit.changed = names(),
            _ => unreachable!("{line}: no such word"),
        }
    }
    edits
}
