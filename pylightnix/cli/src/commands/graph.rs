//! `graph`: draws the dependency graph.

use clap::ValueEnum;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::complete;
use crate::depends::Depends;
use crate::draw::{Grouping, Picture};
use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::{Session, style};
use crate::stages::{Stages, looking};
use pylightnix::internal::Target;

/// The width of a text drawing without a terminal.
const WIDTH: usize = 100;

/// Draw the dependency graph
///
/// Use it when you want to see what a result was made from, the derivations of a store, or, in a program with an experiment,
/// its plan and what a run would do. Dependencies are above the stages that use them. In a large graph, similar stages share
/// a box.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: everything that the newest `report` was made from, as an image\n  \
                        pylightnix graph report -o report.svg"
)]
pub(crate) struct Graph {
    /// Results, with everything that they were made from; in a program with an experiment, targets and stages of its plan
    /// [default: its first target, else the whole store]
    #[arg(value_name = "REF|NAME", add = complete::references())]
    targets: Vec<String>,
    /// The format of the drawing [default: by the file's extension, else `terminal`]
    #[arg(long, value_name = "FORMAT", conflicts_with = "json")]
    format: Option<Format>,
    /// Write the drawing to this file, which must not exist or be another drawing; `-` is standard output
    #[arg(long, short, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Draw every stage by itself
    #[arg(long, short)]
    all: bool,
    /// Draw every stage by itself in graphs of at most this many stages
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 40,
        conflicts_with = "all"
    )]
    group: usize,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// Lines of text
    Terminal,
    /// The language of Graphviz
    Dot,
    /// A flowchart for Markdown pages
    Mermaid,
    /// An image
    Svg,
}

impl Graph {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        // Checked before a large graph is read.
        let format = match session.json() {
            true => Format::Terminal,
            false => self.format()?,
        };
        let mut depends = self.depends(session)?;
        if !session.json() && session.has_store()? {
            depends.draw_series(session.store()?);
        }
        if session.json() {
            match &self.output {
                Some(path) => written(
                    session,
                    path,
                    &(serde_json::to_string_pretty(&depends)? + "\n"),
                )?,
                None => session.print_json(&depends)?,
            }
            return Ok(Exit::Done);
        }
        let grouping = if self.all {
            Grouping::Off
        } else {
            Grouping::Over(self.group)
        };
        let drawing = depends.drawing();
        let picture = drawing.grouped(grouping);
        match &self.output {
            Some(path) => written(session, path, &drawn(&picture, format, session, false))?,
            None => {
                let mut out = session.out();
                let drawn = drawn(&picture, format, session, session.color());
                // Unfiltered: a drawing contains no control characters except its own colours.
                out.raw().write_all(drawn.as_bytes())?;
                if format == Format::Terminal {
                    let hint = match picture.boxes().len() < drawing.nodes().len() {
                        true => "; `--all` draws each",
                        false => "",
                    };
                    let summary = format!("{}{hint}", picture.summary());
                    writeln!(out, "\n{}", session.paint(style::FAINT, summary))?;
                }
                out.flush()?;
            }
        }
        Ok(Exit::Done)
    }

    fn format(&self) -> CommandResult<Format> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let extension = self.output.as_deref().and_then(Path::extension);
        let by_name = match extension.and_then(|extension| extension.to_str()) {
            Some("svg") => Format::Svg,
            Some("dot" | "gv") => Format::Dot,
            Some("mmd" | "mermaid") => Format::Mermaid,
            None | Some("txt") => Format::Terminal,
            Some(other) => {
                return Err(CommandError::Usage(format!(
                    "the extension `.{other}` is not known\n  help: use `.svg`, `.dot`, `.mmd` or `.txt`, or give the format with `--format`"
                )));
            }
        };
        Ok(by_name)
    }

    fn depends(&self, session: &Session) -> CommandResult<Depends> {
        if let Some(experiment) = session.experiment() {
            let store = session.store_or_new()?;
            match Stages::of(
                experiment,
                &looking(experiment, store, false),
                &self.targets,
            ) {
                Ok(stages) => {
                    if let Some(error) = &stages.undecided {
                        session.say(error.message());
                    }
                    return Depends::of_plan(store, experiment, &stages);
                }
                // A name that is not in the plan may be in the store.
                Err(fault @ CommandError::Usage(_)) => {
                    return self.of_store(session).map_err(|other| match other {
                        CommandError::Error(_) | CommandError::Store(_) => fault,
                        other => other,
                    });
                }
                Err(fault) => return Err(fault),
            }
        }
        self.of_store(session)
    }

    fn of_store(&self, session: &Session) -> CommandResult<Depends> {
        if self.targets.is_empty() {
            return Depends::of_store(session.store()?);
        }
        let referred: CommandResult<Vec<_>> = self
            .targets
            .iter()
            .map(|word| session.refer(word))
            .collect();
        Depends::of_referred(session.store()?, &referred?)
    }
}

fn drawn(picture: &Picture, format: Format, session: &Session, color: bool) -> String {
    match format {
        Format::Terminal => picture.terminal(session.width().unwrap_or(WIDTH), color),
        Format::Dot => picture.dot(),
        Format::Mermaid => picture.mermaid(),
        Format::Svg => picture.svg(),
    }
}

/// Writes a drawing into a file that does not exist or is another drawing; `-` is standard output.
fn written(session: &Session, path: &Path, text: &str) -> CommandResult<()> {
    if path.as_os_str() == "-" {
        let mut out = session.out();
        out.raw().write_all(text.as_bytes())?;
        return Ok(out.flush()?);
    }
    let target = Target::check(path, "a drawing of this format", BEGIN as u64, |start| {
        begins_alike(start, text)
    })?;
    Ok(target.write(text.as_bytes())?)
}

/// How many bytes of a file are read to recognize a drawing.
const BEGIN: usize = 256;

/// Returns whether the start of a file looks like a drawing in the format of `text`: they share the first word, or for the
/// terminal format have one of its symbols in the first line.
fn begins_alike(start: &[u8], text: &str) -> bool {
    let start = String::from_utf8_lossy(start);
    let word = |text: &str| -> String { text.chars().take(5).collect() };
    let has_mark = |text: &str| {
        let line = text.lines().next().unwrap_or_default();
        line.contains(['●', '○', '◌', '◐', '✗'])
    };
    match has_mark(text) {
        true => has_mark(&start),
        false => word(&start) == word(text),
    }
}
