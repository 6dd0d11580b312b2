//! The session of a command: the store, the terminal, and the format of the answer.

use anstyle::{AnsiColor, Style};
use once_cell::sync::OnceCell;
use serde::Serialize;
use std::cell::Cell;
use std::fmt;
use std::io::{self, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};

use crate::exit::{CommandError, CommandResult, Exit};
use crate::experiment::Experiment;
use crate::out::{self, Border, Out};
use crate::progress::{LineSplitter, visible};
use crate::table::cut;
use pylightnix::ErrorKind;
use pylightnix::config::{DRefId, RRefId};
use pylightnix::store::{Realization, Referred, Store, Unread};

// Options that every command has. Not a doc comment: clap would show it as the description of the program.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub(crate) struct CommonOptions {
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

/// The store, the terminal and the options of a command.
pub(crate) struct Session {
    place: Option<PathBuf>,
    store: OnceCell<Store>,
    /// The experiment, in a user's program.
    experiment: Option<Experiment>,
    json: bool,
    color: bool,
    color_err: bool,
    width: Option<usize>,
    /// Whether standard output is a terminal.
    is_terminal: bool,
    /// The definition of the whole command line.
    command: clap::Command,
    /// Whether an unreadable part was left out of the answer.
    left_out: Cell<bool>,
}

impl Session {
    /// Creates a session with the options that were given to `command`; `experiment` is set in a user's program.
    pub(crate) fn new(
        common: &CommonOptions,
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

    /// Returns the folder that `--store` names.
    pub(crate) fn place(&self) -> Option<&Path> {
        self.place.as_deref()
    }

    /// Opens the store, which has to exist.
    pub(crate) fn store(&self) -> CommandResult<&Store> {
        self.open(Store::open_existing)
    }

    /// Opens the store, and creates it if it does not exist.
    pub(crate) fn store_or_new(&self) -> CommandResult<&Store> {
        self.open(Store::open)
    }

    fn open(
        &self,
        open: impl FnOnce(PathBuf) -> pylightnix::Result<Store>,
    ) -> CommandResult<&Store> {
        self.store.get_or_try_init(|| {
            open(self.store_folder()?).map_err(|error| {
                CommandError::Store(match error.kind() {
                    ErrorKind::Missing => error.with_help(
                        "a run creates it; if it is elsewhere, give its folder with `--store` or in `$PYLIGHTNIX_ROOT`",
                    ),
                    _ => error,
                })
            })
        })
    }

    /// Returns the folder of the store, which may not exist yet.
    pub(crate) fn store_folder(&self) -> CommandResult<PathBuf> {
        match &self.place {
            Some(place) => Ok(place.clone()),
            None => Store::default_root().map_err(CommandError::Store),
        }
    }

    /// Returns whether the store exists; fails if it cannot be used.
    pub(crate) fn has_store(&self) -> CommandResult<bool> {
        match self.store() {
            Ok(_) => Ok(true),
            Err(CommandError::Store(error)) if error.kind() == ErrorKind::Missing => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Opens another store, which has to exist.
    pub(crate) fn other_store(&self, place: &Path) -> CommandResult<Store> {
        Store::open_existing(place).map_err(CommandError::Store)
    }

    /// Returns the experiment, in a user's program.
    pub(crate) fn experiment(&self) -> Option<&Experiment> {
        self.experiment.as_ref()
    }

    /// Resolves an abbreviated reference.
    pub(crate) fn refer(&self, text: &str) -> CommandResult<Referred> {
        Ok(self.store()?.refer(text)?)
    }

    /// Resolves a word that is neither a name in the store nor a pattern of names; returns `None` if it is one, or if
    /// nothing matches.
    pub(crate) fn referred(&self, word: &str) -> CommandResult<Option<Referred>> {
        let store = self.store()?;
        // A text that is not a valid pattern may be a reference.
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
    pub(crate) fn called(&self, name: &str) -> CommandResult<Vec<DRefId>> {
        let mut drefs = self.store()?.drefs_beginning(name)?;
        drefs.retain(|dref| dref.name().as_str() == name);
        Ok(drefs)
    }

    /// Resolves an abbreviated reference to a realization: the newest one of a derivation.
    pub(crate) fn realization(&self, text: &str) -> CommandResult<RRefId> {
        Ok(self.store()?.refer_to_realization(text)?)
    }

    /// Resolves several abbreviated references to realizations.
    pub(crate) fn realizations(&self, texts: &[String]) -> CommandResult<Vec<RRefId>> {
        texts.iter().map(|text| self.realization(text)).collect()
    }

    /// Resolves an abbreviated reference to a realization, with the path of an artifact if it names one.
    pub(crate) fn artifact(&self, text: &str) -> CommandResult<(RRefId, Option<String>)> {
        match self.refer(text)? {
            Referred::Artifact(rref, path) => Ok((rref, Some(path))),
            Referred::Realization(rref) => Ok((rref, None)),
            Referred::Derivation(dref) => Ok((self.store()?.newest_of(&dref)?, None)),
        }
    }

    /// Resolves an abbreviated reference to a derivation, or to the derivation of a realization.
    pub(crate) fn derivation(&self, text: &str) -> CommandResult<DRefId> {
        Ok(self.refer(text)?.derivation().clone())
    }

    /// Returns whether the answer is JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Refuses `--json` for the command `what`, which prints no data.
    pub(crate) fn no_json(&self, what: &str) -> CommandResult<()> {
        match self.json {
            true => Err(CommandError::Usage(format!(
                "`{what}` cannot print JSON: remove `--json`"
            ))),
            false => Ok(()),
        }
    }

    /// Returns whether standard output takes colours.
    pub(crate) fn color(&self) -> bool {
        self.color
    }

    /// Returns whether standard error takes colours.
    pub(crate) fn color_err(&self) -> bool {
        self.color_err
    }

    /// Returns the maximum width of a line; `None` without a terminal, where there is no limit.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    /// Paints `text` in this style for standard output, if colours are on.
    pub(crate) fn paint<T: fmt::Display>(&self, style: Style, text: T) -> StyledText<T> {
        StyledText {
            style: self.color().then_some(style),
            text,
        }
    }

    /// Paints `text` in this style for standard error, if colours are on.
    pub(crate) fn paint_err<T: fmt::Display>(&self, style: Style, text: T) -> StyledText<T> {
        StyledText {
            style: self.color_err().then_some(style),
            text,
        }
    }

    /// Returns the definition of the whole command line.
    pub(crate) fn command(&self) -> clap::Command {
        self.command.clone()
    }

    /// Returns the output for the answer.
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

    /// Cuts a line that is too long for people on a terminal.
    pub(crate) fn shortened(&self, line: &str) -> String {
        const LINES: usize = 4;
        match self.width {
            Some(width) if self.is_terminal => cut(line, LINES * width),
            _ => line.to_owned(),
        }
    }

    /// Copies bytes from outside to standard output: unchanged, but on a terminal without sequences other than colours.
    pub(crate) fn copy(&self, mut from: impl Read) -> CommandResult<()> {
        let mut out = self.out();
        if !self.is_terminal {
            io::copy(&mut from, out.raw())?;
            return Ok(out.flush()?);
        }
        let mut cutter = LineSplitter::default();
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

    /// Returns a cleaned line, with its colours if they are on.
    fn fit(&self, line: String) -> String {
        match self.color {
            true => line,
            false => visible(&line, false),
        }
    }

    /// Writes an answer as JSON.
    pub(crate) fn print_json(&self, value: &impl Serialize) -> CommandResult<()> {
        let mut out = Out::new(Border::Json);
        serde_json::to_writer_pretty(&mut out, value)?;
        writeln!(out)?;
        Ok(out.flush()?)
    }

    /// Writes an answer as JSON, or as text with the function `text`.
    pub(crate) fn print<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T, &mut Out) -> CommandResult<()>,
    ) -> CommandResult<()> {
        if self.json {
            return self.print_json(value);
        }
        let mut out = self.out();
        text(value, &mut out)?;
        Ok(out.flush()?)
    }

    /// Reports the accepted realizations.
    pub(crate) fn say_accepted(&self, rrefs: &[RRefId]) {
        for rref in rrefs {
            self.say(format_args!("accepted {rref}"));
        }
        if rrefs.is_empty() {
            self.say("nothing to accept: no result is stale");
        }
    }

    /// Returns the value; reports an error, and leaves its part out of the answer.
    pub(crate) fn or_left_out<T>(&self, read: pylightnix::Result<T>) -> Option<T> {
        read.map_err(|error| self.say_left_out(&error)).ok()
    }

    /// Returns the realization; reports one that cannot be read, and leaves it out of the answer.
    pub(crate) fn or_unread(&self, read: Result<Realization, Unread>) -> Option<Realization> {
        self.or_left_out(read.map_err(|unread| unread.error))
    }

    /// Reports a part that is left out of the answer.
    pub(crate) fn say_left_out(&self, error: &pylightnix::Error) {
        self.left_out.set(true);
        self.say(format_args!(
            "{} {error}",
            self.paint_err(style::BAD, "left out:")
        ));
    }

    /// Returns the exit code of a command whose answer is written.
    pub(crate) fn exit(&self) -> Exit {
        match self.left_out.get() {
            true => Exit::Failed,
            false => Exit::Done,
        }
    }

    /// Reports that a search found nothing, with hints why.
    pub(crate) fn say_nothing_matches(&self, hints: &[String]) {
        let hints = hints.iter().map(|hint| format!("\n  help: {hint}"));
        self.say(format_args!("nothing matches{}", hints.collect::<String>()));
    }

    /// Writes a message to standard error.
    pub(crate) fn say(&self, text: impl fmt::Display) {
        // A closed standard error is ignored.
        let _ = writeln!(io::stderr(), "{}", out::text(&text.to_string()));
    }
}

/// Text with an optional style.
pub(crate) struct StyledText<T> {
    style: Option<Style>,
    text: T,
}

impl<T: fmt::Display> fmt::Display for StyledText<T> {
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

/// The styles of the output.
pub(crate) mod style {
    use super::{AnsiColor, Style};

    /// A reference.
    pub(crate) const REFERENCE: Style = AnsiColor::Yellow.on_default();
    /// A name.
    pub(crate) const NAME: Style = Style::new().bold();
    /// A success.
    pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
    /// A failure.
    pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
    /// Secondary information.
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

/// Returns `COLUMNS`, or the width of the terminal if there is one.
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
