//! `pack`, `unpack`, `copy`: bring realizations from one store to another.

use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use crate::complete;
use crate::exit::{CommandError, CommandResult};
use crate::out::Out;
use crate::session::{Session, style};
use crate::text::{count, size};
use crate::values;
use pylightnix::config::RRefId;
use pylightnix::store::{self, ArchiveFile, Pack as Packing, Store, Unpack as Unpacking};

/// Write realizations, with everything that they were made from, into an archive
///
/// Use it when you send results to another machine or person. The archive is a zip file; the same results give the same
/// bytes. Build records contain hosts, users and commands; `--without-builds` leaves them out. The receiver of such an
/// archive has to accept the results, or their stages run again.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: pack the newest `report`\n  pylightnix pack report.zip report")]
pub(crate) struct Pack {
    /// The archive; an existing archive is replaced, any other file is left as it is. `-` is standard output
    #[arg(value_name = "ARCHIVE", value_hint = clap::ValueHint::FilePath)]
    archive: PathBuf,
    /// Names, or beginnings of references
    #[arg(value_name = "REF", required_unless_present = "all", add = complete::references())]
    references: Vec<String>,
    /// All realizations in the store
    #[arg(long, conflicts_with = "references")]
    all: bool,
    /// Leave out build records and logs
    #[arg(long)]
    without_builds: bool,
}

/// Unpack an archive into the store
///
/// Use it when you received results from elsewhere. Nothing in the archive is trusted: every byte is hashed, and the archive
/// is taken as a whole or not at all. The disk must have space for the size that it states. Prints the references of all its
/// realizations, dependencies first.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: into a new store beside the usual one\n  pylightnix unpack report.zip --store ~/other"
)]
pub(crate) struct Unpack {
    /// The archive; `-` is standard input
    #[arg(value_name = "ARCHIVE", value_hint = clap::ValueHint::FilePath)]
    archive: PathBuf,
    /// Refuse an archive that unpacks to more than this, as in `10GiB` [default: the free disk space]
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    max_size: Option<u64>,
}

/// Copy realizations, with everything that they were made from, to another store
///
/// Use it when another store on this machine needs the results. Every byte is hashed on the way; if the file system can
/// share blocks, copies use no disk space. The other store is created if it does not exist.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the newest `train` to the shared store\n  pylightnix copy train --to /shared/_pylightnix"
)]
pub(crate) struct Copy {
    /// Names, or beginnings of references
    #[arg(value_name = "REF", required_unless_present = "all", add = complete::references())]
    references: Vec<String>,
    /// All realizations in the store
    #[arg(long, conflicts_with = "references")]
    all: bool,
    /// The store to copy to
    #[arg(long, value_name = "STORE", value_hint = clap::ValueHint::DirPath)]
    to: PathBuf,
}

/// The JSON answer.
#[derive(Serialize)]
struct Packed {
    archive: PathBuf,
    #[serde(flatten)]
    packed: store::Packed,
}

impl Packed {
    fn in_short(&self) -> String {
        let roots = match self.packed.roots.len() {
            1 => "1 realization with everything that it was made from".to_owned(),
            more => format!("{more} realizations with everything that they were made from"),
        };
        let archive = self.archive.display();
        format!("{archive}: {roots}, {}", size(self.packed.bytes))
    }
}

/// The JSON answer.
#[derive(Serialize)]
struct Added {
    store: PathBuf,
    rrefs: Vec<RRefId>,
}

impl Pack {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let mut packing = Packing::new(session.store()?);
        if self.without_builds {
            packing = packing.without_builds();
        }
        let packed = match self.all {
            true => self.write_every(session, packing)?,
            false => {
                let roots = session.realizations(&self.references);
                let roots = roots.map_err(|fault| self.swapped(session, fault))?;
                self.write(session, packing, roots)?
            }
        };
        for error in &packed.left_out {
            session.say_left_out(error);
        }
        let is_stream = self.is_stream() || packed.is_stream;
        let packed = Packed {
            archive: self.archive,
            packed,
        };
        if is_stream && !session.json() {
            // The archive may be on standard output.
            session.say(packed.in_short());
            return Ok(session.exit());
        }
        session.print(&packed, |packed, out| {
            Ok(writeln!(out, "{}", packed.in_short())?)
        })?;
        Ok(session.exit())
    }

    fn is_stream(&self) -> bool {
        self.archive.as_os_str() == "-"
    }

    fn write_every(&self, session: &Session, packing: Packing<'_>) -> CommandResult<store::Packed> {
        if !self.is_stream() {
            return Ok(packing.write_every(&self.archive)?);
        }
        let mut out = standard_output(session)?;
        let packed = packing.write_every_to(out.raw())?;
        out.flush()?;
        Ok(packed)
    }

    fn write(
        &self,
        session: &Session,
        packing: Packing<'_>,
        roots: Vec<RRefId>,
    ) -> CommandResult<store::Packed> {
        if !self.is_stream() {
            return Ok(packing.write(roots, &self.archive)?);
        }
        let mut out = standard_output(session)?;
        let packed = packing.write_to(roots, out.raw())?;
        out.flush()?;
        Ok(packed)
    }

    /// Adds a hint to the fault if the first argument is a result instead of an archive.
    fn swapped(&self, session: &Session, fault: CommandError) -> CommandError {
        match (fault, self.archive.to_str(), self.references.last()) {
            (CommandError::Error(error), Some(first), Some(last)) if session.refer(first).is_ok() => {
                CommandError::Error(error.more_help(&format!(
                    "`{first}` is a result, but the first argument is the archive: did you mean `pack {last} {first}`?"
                )))
            }
            (fault, ..) => fault,
        }
    }
}

impl Unpack {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let is_stream = self.archive.as_os_str() == "-";
        let has_store = session.has_store()?;
        let archive = match is_stream {
            true => standard_input(session, has_store)?,
            false => ArchiveFile::open(&self.archive)?,
        };
        // Checked first, so that a refused archive does not create a store.
        if !has_store {
            archive.check(self.max_size, session.store_folder()?)?;
        }
        let store = session.store_or_new()?;
        let mut unpacking = Unpacking::new(store);
        if let Some(bytes) = self.max_size {
            unpacking = unpacking.max_size(bytes);
        }
        let rrefs = unpacking.read_file(&archive)?;
        print_brought(
            session,
            Added {
                store: store.root().to_owned(),
                rrefs,
            },
        )
    }
}

/// Standard output, for an archive.
fn standard_output(session: &Session) -> CommandResult<Out> {
    session.no_json("pack -")?;
    if io::stdout().is_terminal() {
        return Err(CommandError::Usage(
            "standard output is a terminal: write the archive to a pipe or a file".to_owned(),
        ));
    }
    Ok(session.out())
}

/// The archive that comes from standard input.
fn standard_input(session: &Session, has_store: bool) -> CommandResult<ArchiveFile> {
    let input = io::stdin();
    if input.is_terminal() {
        return Err(CommandError::Usage(
            "standard input is a terminal: read the archive from a pipe or a file".to_owned(),
        ));
    }
    let store = has_store.then(|| session.store()).transpose()?;
    Ok(ArchiveFile::from_stream(
        input.lock(),
        "standard input",
        store,
    )?)
}

impl Copy {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let from = session.store()?;
        let roots = match self.all {
            true => None,
            false => Some(session.realizations(&self.references)?),
        };
        let to = Store::open(&self.to).map_err(CommandError::Store)?;
        let rrefs = match roots {
            Some(roots) => to.copy_from(from, &roots)?,
            None => {
                let (rrefs, left_out) = to.copy_every(from)?;
                for error in &left_out {
                    session.say_left_out(error);
                }
                rrefs
            }
        };
        print_brought(
            session,
            Added {
                store: to.root().to_owned(),
                rrefs,
            },
        )
    }
}

fn print_brought(session: &Session, brought: Added) -> CommandResult {
    session.print(&brought, |brought, out| {
        for rref in &brought.rrefs {
            writeln!(out, "{}", session.paint(style::REFERENCE, rref))?;
        }
        Ok(())
    })?;
    let rrefs = count(brought.rrefs.len(), "realization is", "realizations are");
    session.say(format_args!("{rrefs} in {}", brought.store.display()));
    Ok(session.exit())
}
