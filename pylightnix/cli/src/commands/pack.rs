//! `pack`, `unpack`, `copy`: bring realizations from one store to another.

use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use super::transfer::{receive, send};
use crate::complete;
use crate::exit::{CommandError, CommandResult};
use crate::out::Out;
use crate::session::{Session, style};
use crate::ssh::{Address, Other};
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
    /// Pack the records alone of results whose files are at a remote; without it, their files are fetched first
    #[arg(long)]
    stubs: bool,
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
    /// Take also an archive that was packed with `--stubs`: the files of some results stay at a remote until they are needed
    #[arg(long)]
    stubs: bool,
}

/// Copy realizations, with everything that they were made from, to or from another store
///
/// Use it when another store needs the results, on this machine or on another one: `ssh://[user@]host[:port]/store`, or `/~/store` for one
/// in the home folder there. Every byte is hashed on the way. On one machine, copies use no disk space if the file system can
/// share blocks. Over ssh, the other side says once what it lacks, and that is sent; the program `pylightnix` has to be on the `PATH` there.
/// The store that is copied to is created if it does not exist.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the newest `report` from a cluster\n  pylightnix copy report --from ssh://ada@cluster/work/store"
)]
pub(crate) struct Copy {
    /// Names, or beginnings of references
    #[arg(value_name = "REF", required_unless_present = "all", add = complete::references())]
    references: Vec<String>,
    /// All realizations in the store
    #[arg(long, conflicts_with = "references")]
    all: bool,
    /// The store to copy to
    #[arg(long, value_name = "STORE", value_hint = clap::ValueHint::DirPath, required_unless_present = "from", conflicts_with = "from")]
    to: Option<String>,
    /// The store to copy from, into this one; names are looked up there
    #[arg(long, value_name = "STORE", value_hint = clap::ValueHint::DirPath)]
    from: Option<String>,
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
        if self.stubs {
            packing = packing.stubs();
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
        if self.stubs {
            unpacking = unpacking.stubs();
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
        match (&self.from, &self.to) {
            (Some(from), _) => self.bring(session, from),
            (None, Some(to)) => self.send(session, to),
            (None, None) => Err(CommandError::Usage(
                "`--to` or `--from` is missing".to_owned(),
            )),
        }
    }

    fn send(&self, session: &Session, to: &str) -> CommandResult {
        let from = session.store()?;
        let roots = match self.all {
            true => None,
            false => Some(session.realizations(&self.references)?),
        };
        if let Some(address) = Address::parse(to) {
            let address = address.map_err(CommandError::Usage)?;
            let roots = roots.map_or_else(|| from.rrefs(), Ok)?;
            let mut other = address.start(&["transfer", "receive"])?;
            let sent = other.sends(from, &roots);
            let rrefs = other.end(sent)?;
            let store = PathBuf::from(to);
            return print_brought(session, Added { store, rrefs });
        }
        let to = Store::open(to).map_err(CommandError::Store)?;
        copied(session, from, &to, roots)
    }

    fn bring(&self, session: &Session, from: &str) -> CommandResult {
        let to = session.store_or_new()?;
        if let Some(address) = Address::parse(from) {
            let address = address.map_err(CommandError::Usage)?;
            let mut arguments = vec!["transfer", "send", "--"];
            arguments.extend(self.references.iter().map(String::as_str));
            let mut other = address.start(&arguments)?;
            let received = other.gives(to);
            let rrefs = other.end(received)?;
            let store = to.root().to_owned();
            return print_brought(session, Added { store, rrefs });
        }
        let from = Store::open_existing(from).map_err(CommandError::Store)?;
        let roots = match self.all {
            true => None,
            false => {
                let references = self.references.iter();
                let roots = references.map(|text| from.refer_to_realization(text));
                Some(roots.collect::<Result<_, _>>()?)
            }
        };
        copied(session, &from, to, roots)
    }
}

impl Other {
    fn sends(&mut self, from: &Store, roots: &[RRefId]) -> CommandResult<Vec<RRefId>> {
        let mut writes = self.to()?;
        send(from, roots, &mut self.from, &mut writes)
    }

    fn gives(&mut self, to: &Store) -> CommandResult<Vec<RRefId>> {
        let writes = self.to()?;
        receive(to, &mut self.from, writes)
    }
}

fn copied(
    session: &Session,
    from: &Store,
    to: &Store,
    roots: Option<Vec<RRefId>>,
) -> CommandResult {
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
    let store = to.root().to_owned();
    print_brought(session, Added { store, rrefs })
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
