//! What a command works with: the store, the terminal, and how its answer is to be written.

use anstyle::{AnsiColor, Style};
use once_cell::sync::OnceCell;
use serde::Serialize;
use std::cell::Cell;
use std::fmt;
use std::io::{self, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};

use crate::exit::{Done, Exit, Fault};
use crate::experiment::Experiment;
use crate::out::{self, Border, Out};
use crate::progress::{Cutter, visible};
use crate::table::cut;
use pylightnix::ErrorKind;
use pylightnix::config::{DRefId, RRefId};
use pylightnix::store::{Realization, Referred, Store, Unread};

// Options that every command has. No documentation: clap would take it for what the whole program is about.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub(crate) struct Common {
    /// The folder of the store [default: $PYLIGHTNIX_ROOT, else ~/_pylightnix]
    #[arg(long, global = true, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath, help_heading = "Options of all commands")]
    pub(crate) store: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true, help_heading = "Options of all commands")]
    pub(crate) json: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Options of all commands"
    )]
    pub(crate) color: Colors,
}

/// When to use colours.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Colors {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What a command works with.
pub(crate) struct Session {
    place: Option<PathBuf>,
    store: OnceCell<Store>,
    /// The plan of the program, in a user's binary.
    experiment: Option<Experiment>,
    json: bool,
    color: bool,
    color_err: bool,
    width: Option<usize>,
    /// Whether standard output is a terminal.
    is_terminal: bool,
    /// All that can be on the command line.
    command: clap::Command,
    /// Whether something could not be read, and was left out of the answer.
    left_out: Cell<bool>,
}

impl Session {
    /// With these options, given to `command`; `experiment` is there in a user's program.
    pub(crate) fn new(
        common: &Common,
        experiment: Option<Experiment>,
        command: clap::Command,
    ) -> Self {
        Session {
            command,
            left_out: Cell::new(false),
            place: common.store.clone(),
            store: OnceCell::new(),
            experiment,
            json: common.json,
            color: wants_color(common.color, &io::stdout()),
            color_err: wants_color(common.color, &io::stderr()),
            width: width(),
            is_terminal: io::stdout().is_terminal(),
        }
    }

    /// The folder of the store, if `--store` names it.
    pub(crate) fn place(&self) -> Option<&Path> {
        self.place.as_deref()
    }

    /// The store, which has to be there.
    pub(crate) fn store(&self) -> Done<&Store> {
        self.open(Store::open_existing_at)
    }

    /// The store, which is made if it is not there.
    pub(crate) fn store_or_new(&self) -> Done<&Store> {
        self.open(Store::open_at)
    }

    fn open(&self, open: impl FnOnce(PathBuf) -> pylightnix::Result<Store>) -> Done<&Store> {
        self.store.get_or_try_init(|| {
            open(self.store_folder()?).map_err(|error| {
                Fault::Store(match error.kind() {
                    ErrorKind::Missing => error.help(
                        "a run makes it; is it somewhere else? name its folder with `--store` or in `$PYLIGHTNIX_ROOT`",
                    ),
                    _ => error,
                })
            })
        })
    }

    /// Where the store is, or will be when it is made.
    pub(crate) fn store_folder(&self) -> Done<PathBuf> {
        match &self.place {
            Some(place) => Ok(place.clone()),
            None => Store::default_root().map_err(Fault::Store),
        }
    }

    /// Whether the store is there. One that cannot be used is an error.
    pub(crate) fn has_store(&self) -> Done<bool> {
        match self.store() {
            Ok(_) => Ok(true),
            Err(Fault::Store(error)) if error.kind() == ErrorKind::Missing => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Another store, which has to be there.
    pub(crate) fn other_store(&self, place: &Path) -> Done<Store> {
        Store::open_existing_at(place).map_err(Fault::Store)
    }

    /// The plan of the program, if it has one: in a user's binary.
    pub(crate) fn experiment(&self) -> Option<&Experiment> {
        self.experiment.as_ref()
    }

    /// What an abbreviated reference stands for.
    pub(crate) fn refer(&self, text: &str) -> Done<Referred> {
        Ok(self.store()?.refer(text)?)
    }

    /// What a word stands for that is no name, nor a pattern of names, in the store; nothing if it is one, or is nothing at all.
    pub(crate) fn referred(&self, word: &str) -> Done<Option<Referred>> {
        let store = self.store()?;
        // What cannot be a pattern of names may be a reference.
        if !store.drefs_named(word).unwrap_or_default().is_empty() {
            return Ok(None);
        }
        match store.refer(word) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The derivations of exactly this name.
    pub(crate) fn called(&self, name: &str) -> Done<Vec<DRefId>> {
        let mut drefs = self.store()?.drefs_beginning(name)?;
        drefs.retain(|dref| dref.name().as_str() == name);
        Ok(drefs)
    }

    /// The realization that an abbreviated reference stands for: of a derivation, the newest one.
    pub(crate) fn realization(&self, text: &str) -> Done<RRefId> {
        Ok(self.store()?.refer_to_realization(text)?)
    }

    /// The same, with the path of the artifact if it stands for one.
    pub(crate) fn artifact(&self, text: &str) -> Done<(RRefId, Option<String>)> {
        match self.refer(text)? {
            Referred::Artifact(rref, path) => Ok((rref, Some(path))),
            Referred::Realization(rref) => Ok((rref, None)),
            Referred::Derivation(dref) => Ok((self.store()?.newest_of(&dref)?, None)),
        }
    }

    /// The derivation that an abbreviated reference stands for, or that of the realization.
    pub(crate) fn derivation(&self, text: &str) -> Done<DRefId> {
        Ok(self.refer(text)?.derivation().clone())
    }

    /// Whether the answer is to be JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Refuses `--json` where there is no data to print; `what` is the command.
    pub(crate) fn no_json(&self, what: &str) -> Done<()> {
        match self.json {
            true => Err(Fault::Usage(format!(
                "`{what}` has no data to print as JSON: leave out `--json`"
            ))),
            false => Ok(()),
        }
    }

    /// Whether standard output takes colours.
    pub(crate) fn color(&self) -> bool {
        self.color
    }

    /// Whether standard error takes colours.
    pub(crate) fn color_err(&self) -> bool {
        self.color_err
    }

    /// How many columns a line may have; `None` for any number, where no terminal is.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    /// `text` in this style, where colours are wanted.
    pub(crate) fn paint<T: fmt::Display>(&self, style: Style, text: T) -> Painted<T> {
        Painted {
            style: self.color().then_some(style),
            text,
        }
    }

    /// The same, for standard error.
    pub(crate) fn paint_err<T: fmt::Display>(&self, style: Style, text: T) -> Painted<T> {
        Painted {
            style: self.color_err().then_some(style),
            text,
        }
    }

    /// All that can be on the command line.
    pub(crate) fn command(&self) -> clap::Command {
        self.command.clone()
    }

    /// Where the answer goes.
    pub(crate) fn out(&self) -> Out {
        Out::new(match self.json {
            true => Border::Json,
            false => Border::Text,
        })
    }

    /// Whether standard output is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// A line for a person, cut where it would fill a terminal.
    pub(crate) fn shortened(&self, line: &str) -> String {
        const LINES: usize = 4;
        match self.width {
            Some(width) if self.is_terminal => cut(line, LINES * width),
            _ => line.to_owned(),
        }
    }

    /// Copies bytes from outside to standard output: as they are, but on a terminal no more of their sequences than colours.
    pub(crate) fn copy(&self, mut from: impl Read) -> Done<()> {
        let mut out = self.out();
        if !self.is_terminal {
            io::copy(&mut from, out.raw())?;
            return Ok(out.flush()?);
        }
        let mut cutter = Cutter::default();
        let mut buffer = vec![0; 32 << 10];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            for line in cutter.add(&buffer[..read]) {
                writeln!(out.raw(), "{}", self.fit(line))?;
            }
            if read == 0 {
                break;
            }
        }
        if cutter.has_rest()
            && let Some(rest) = cutter.rest()
        {
            writeln!(out.raw(), "{}", self.fit(rest))?;
        }
        Ok(out.flush()?)
    }

    /// A line that was made fit for a terminal, with its colours or without.
    fn fit(&self, line: String) -> String {
        match self.color {
            true => line,
            false => visible(&line, false),
        }
    }

    /// Writes an answer as JSON.
    pub(crate) fn print_json(&self, value: &impl Serialize) -> Done<()> {
        let mut out = Out::new(Border::Json);
        serde_json::to_writer_pretty(&mut out, value)?;
        writeln!(out)?;
        Ok(out.flush()?)
    }

    /// Writes an answer as JSON, or as the text that `text` makes of it.
    pub(crate) fn print<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T, &mut Out) -> Done<()>,
    ) -> Done<()> {
        if self.json {
            return self.print_json(value);
        }
        let mut out = self.out();
        text(value, &mut out)?;
        Ok(out.flush()?)
    }

    /// Says what was accepted.
    pub(crate) fn say_accepted(&self, rrefs: &[RRefId]) {
        for rref in rrefs {
            self.say(format_args!("accepted {rref}"));
        }
        if rrefs.is_empty() {
            self.say("nothing is stale: nothing was accepted");
        }
    }

    /// What was read; an error is said, and leaves its part out of the answer.
    pub(crate) fn or_left_out<T>(&self, read: pylightnix::Result<T>) -> Option<T> {
        read.map_err(|error| self.say_left_out(&error)).ok()
    }

    /// A realization if it can be read. Otherwise says that it is left out of the answer.
    pub(crate) fn or_unread(&self, read: Result<Realization, Unread>) -> Option<Realization> {
        self.or_left_out(read.map_err(|unread| unread.error))
    }

    /// Says what is left out of the answer, and why.
    pub(crate) fn say_left_out(&self, error: &pylightnix::Error) {
        self.left_out.set(true);
        self.say(format_args!(
            "{} {error}",
            self.paint_err(style::BAD, "left out:")
        ));
    }

    /// How a command ends whose answer is written.
    pub(crate) fn exit(&self) -> Exit {
        match self.left_out.get() {
            true => Exit::Failed,
            false => Exit::Done,
        }
    }

    /// Says that a search found nothing, and why that may be.
    pub(crate) fn say_nothing_matches(&self, hints: &[String]) {
        let hints = hints.iter().map(|hint| format!("\n  help: {hint}"));
        self.say(format_args!("nothing matches{}", hints.collect::<String>()));
    }

    /// Says something to the person, beside the answer.
    pub(crate) fn say(&self, text: impl fmt::Display) {
        // Without anybody to read it there is nothing to be done.
        let _ = writeln!(io::stderr(), "{}", out::text(&text.to_string()));
    }
}

/// Text with a colour, or without.
pub(crate) struct Painted<T> {
    style: Option<Style>,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.style {
            Some(style) => {
                let (begin, end) = (out::own(style), out::own(format_args!("{style:#}")));
                write!(f, "{begin}{}{end}", self.text)
            }
            None => write!(f, "{}", self.text),
        }
    }
}

/// What is what, by colour.
pub(crate) mod style {
    use super::{AnsiColor, Style};

    /// A reference.
    pub(crate) const REFERENCE: Style = AnsiColor::Yellow.on_default();
    /// A name.
    pub(crate) const NAME: Style = Style::new().bold();
    /// What went well.
    pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
    /// What went wrong.
    pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
    /// What is beside the point.
    pub(crate) const FAINT: Style = Style::new().dimmed();
    /// A heading.
    pub(crate) const HEADING: Style = Style::new().bold().underline();
}

fn wants_color(when: Colors, stream: &impl anstream::stream::RawStream) -> bool {
    match when {
        Colors::Always => true,
        Colors::Never => false,
        Colors::Auto => anstream::AutoStream::choice(stream) != anstream::ColorChoice::Never,
    }
}

/// `COLUMNS`, else the terminal's width if there is one.
fn width() -> Option<usize> {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    let terminal = || {
        let out = io::stdout();
        let size = out
            .is_terminal()
            .then(|| terminal_size::terminal_size_of(out))??;
        Some(usize::from(size.0.0))
    };
    columns.or_else(terminal).filter(|width| *width > 0)
}
