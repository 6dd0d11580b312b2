//! `pack`, `unpack`, `copy`: realizations from one store to another.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::complete;
use crate::exit::{Done, Fault};
use crate::session::{Session, style};
use crate::text::{count, size};
use crate::values;
use pylightnix::config::RRefId;
use pylightnix::internal::{Written, examine, open_archive, spooled};
use pylightnix::store::{Pack as Packing, Unpack as Unpacking};
use pylightnix::{Error, ErrorKind};

/// Write realizations, with all that they were made from, into an archive
///
/// When results go to another machine, or to somebody else. It is a zip file, and the same results make the same bytes.
/// Build records tell hosts, users and commands; `--without-builds` leaves them out. The receiver of such an archive
/// has to accept the results, or their stages run again.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the newest `report` for a friend\n  pylightnix pack report.zip report"
)]
pub(crate) struct Pack {
    /// The archive; one that is there is replaced, and any other file is left as it is. `-` is standard output
    #[arg(value_name = "ARCHIVE", value_hint = clap::ValueHint::FilePath)]
    archive: PathBuf,
    /// Names or the beginnings of references
    #[arg(value_name = "REF", required_unless_present = "all", add = complete::references())]
    references: Vec<String>,
    /// Everything in the store
    #[arg(long, conflicts_with = "references")]
    all: bool,
    /// Leave out build records and logs
    #[arg(long)]
    without_builds: bool,
}

/// Publish what an archive holds
///
/// When you got results from somewhere else. Nothing in the archive is trusted: every byte is hashed, and it is taken whole
/// or not at all. What it says is in it has to have room on the disk. The references of all realizations in it are printed,
/// dependencies first.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: into a new store beside the usual one\n  pylightnix unpack report.zip --store ~/other"
)]
pub(crate) struct Unpack {
    /// The archive; `-` is standard input
    #[arg(value_name = "ARCHIVE", value_hint = clap::ValueHint::FilePath)]
    archive: PathBuf,
    /// Take no more than this, as in `10GiB` [default: what is free on the disk]
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    max_size: Option<u64>,
}

/// Copy realizations, with all that they were made from, to another store
///
/// When another store on this machine should have them. Every byte is hashed on the way; where the file system can, copies
/// take no room. The other store is made if it is not there.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the newest `train` to the shared store\n  pylightnix copy train --to /shared/_pylightnix"
)]
pub(crate) struct Copy {
    /// Names or the beginnings of references
    #[arg(value_name = "REF", required_unless_present = "all", add = complete::references())]
    references: Vec<String>,
    /// Everything in the store
    #[arg(long, conflicts_with = "references")]
    all: bool,
    /// The store that they are copied to
    #[arg(long, value_name = "STORE", value_hint = clap::ValueHint::DirPath)]
    to: PathBuf,
}

/// For programs.
#[derive(Serialize)]
struct Packed {
    archive: PathBuf,
    roots: Vec<RRefId>,
    size_bytes: u64,
}

impl Packed {
    fn in_short(&self) -> String {
        let roots = match self.roots.len() {
            1 => "1 realization with all that it was made from".to_owned(),
            more => format!("{more} realizations with all that they were made from"),
        };
        let archive = self.archive.display();
        format!("{archive}: {roots}, {}", size(self.size_bytes))
    }
}

/// For programs.
#[derive(Serialize)]
struct Brought {
    store: PathBuf,
    rrefs: Vec<RRefId>,
}

fn wanted(session: &Session, words: &[String]) -> Done<Vec<RRefId>> {
    words.iter().map(|word| session.realization(word)).collect()
}

/// What becomes of results of a build of several runs that has begun and not ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unfinished {
    /// They are taken, with the mark that says so.
    Taken,
    /// They are left out: an archive has no marks.
    LeftOut,
}

/// All realizations that can be packed, each with what it was made from. The others are named, and left out.
fn every_whole(session: &Session, unfinished: Unfinished) -> Done<BTreeMap<RRefId, Vec<RRefId>>> {
    let store = session.store()?;
    let mut made_from = BTreeMap::new();
    for dref in store.drefs()? {
        let rrefs = session.or_left_out(store.rrefs_of(&dref));
        for rref in rrefs.into_iter().flatten() {
            let complete = || {
                store.expect_complete(&rref)?;
                store.realization(&rref)
            };
            if let Some(found) = session.or_left_out(complete()) {
                if unfinished == Unfinished::LeftOut && store.is_of_begun(&found)? {
                    let message = format!("{rref} is of a build that has begun and not ended");
                    session.say_left_out(
                        &Error::new(ErrorKind::Store, message)
                            .help("run its stage again for the runs that are missing, or pack it by its reference"),
                    );
                    continue;
                }
                let deps: Vec<_> = found.context.realizations().cloned().collect();
                made_from.insert(rref, deps);
            }
        }
    }
    Ok(made_from)
}

/// Leaves out what was made from something that is left out, and so on, and gives what stays.
fn take_whole(session: &Session, made_from: &mut BTreeMap<RRefId, Vec<RRefId>>) -> Vec<RRefId> {
    let mut dependents: BTreeMap<&RRefId, Vec<&RRefId>> = BTreeMap::new();
    for (rref, deps) in &*made_from {
        for dep in deps {
            dependents.entry(dep).or_default().push(rref);
        }
    }
    let lacking = dependents.keys().copied();
    let mut to_follow: Vec<_> = lacking
        .filter(|dep| !made_from.contains_key(*dep))
        .collect();
    let mut broken = BTreeSet::new();
    while let Some(dep) = to_follow.pop() {
        for rref in dependents.get(dep).into_iter().flatten() {
            if broken.insert(*rref) {
                let message = format!("{rref} was made from {dep}, which is left out");
                session.say_left_out(&Error::new(ErrorKind::Store, message));
                to_follow.push(rref);
            }
        }
    }
    let broken: Vec<RRefId> = broken.into_iter().cloned().collect();
    for rref in broken {
        made_from.remove(&rref);
    }
    made_from.keys().cloned().collect()
}

impl Pack {
    pub(crate) fn run(self, session: &Session) -> Done {
        let mut packing = Packing::new(session.store()?);
        if self.without_builds {
            packing = packing.without_builds();
        }
        let (roots, written) = match self.all {
            true => self.write_every(session, packing)?,
            false => {
                let roots = wanted(session, &self.references);
                let roots = roots.map_err(|fault| self.swapped(session, fault))?;
                let written = self.write(session, packing, &roots)?;
                (roots, written)
            }
        };
        let packed = Packed {
            archive: self.archive,
            roots,
            size_bytes: written.bytes,
        };
        if written.is_stream && !session.json() {
            // It may be standard output.
            session.say(packed.in_short());
            return Ok(session.exit());
        }
        session.print(&packed, |packed, out| {
            Ok(writeln!(out, "{}", packed.in_short())?)
        })?;
        Ok(session.exit())
    }

    /// Packs all that can be read, and gives what that is. The others are named.
    fn write_every(&self, session: &Session, packing: Packing<'_>) -> Done<(Vec<RRefId>, Written)> {
        let mut every = every_whole(session, Unfinished::LeftOut)?;
        loop {
            let roots = take_whole(session, &mut every);
            let unreadable = Mutex::default();
            let written = self.write(session, packing.clone().noting(&unreadable), &roots);
            let unreadable = unreadable.into_inner();
            let unreadable = unreadable.unwrap_or_else(PoisonError::into_inner);
            if unreadable.is_empty() {
                return Ok((roots, written?));
            }
            for (rref, error) in unreadable {
                session.say_left_out(&error);
                every.remove(&rref);
            }
        }
    }

    fn write(&self, session: &Session, packing: Packing<'_>, roots: &[RRefId]) -> Done<Written> {
        if self.archive.as_os_str() != "-" {
            return Ok(packing.written(roots, &self.archive)?);
        }
        session.no_json("pack -")?;
        if io::stdout().is_terminal() {
            return Err(Fault::Usage(
                "standard output is a terminal: an archive goes into a pipe or a file".to_owned(),
            ));
        }
        let mut out = session.out();
        let bytes = packing.write_to(roots, out.raw())?;
        out.flush()?;
        Ok(Written {
            bytes,
            is_stream: true,
        })
    }

    /// Says it if what stands in the place of the archive is a result.
    fn swapped(&self, session: &Session, fault: Fault) -> Fault {
        match (fault, self.archive.to_str(), self.references.last()) {
            (Fault::Error(error), Some(first), Some(last)) if session.refer(first).is_ok() => {
                Fault::Error(error.more_help(&format!(
                    "`{first}` is a result, and stands where the archive is named: did you mean `pack {last} {first}`?"
                )))
            }
            (fault, ..) => fault,
        }
    }
}

impl Unpack {
    pub(crate) fn run(self, session: &Session) -> Done {
        let is_stream = self.archive.as_os_str() == "-";
        let path = match is_stream {
            true => Path::new("standard input"),
            false => &self.archive,
        };
        let has_store = session.has_store()?;
        let file = match is_stream {
            true => standard_input(session, path, has_store)?,
            false => open_archive(path)?,
        };
        // An archive that is refused makes no store.
        if !has_store {
            examine(&file, path, self.max_size, &session.store_folder()?)?;
        }
        let store = session.store_or_new()?;
        let mut unpacking = Unpacking::new(store);
        if let Some(bytes) = self.max_size {
            unpacking = unpacking.max_size(bytes);
        }
        let rrefs = unpacking.read_file(&file, path)?;
        print_brought(
            session,
            Brought {
                store: store.root().to_owned(),
                rrefs,
            },
        )
    }
}

/// What comes there, in a file: archives are read from their ends.
fn standard_input(session: &Session, name: &Path, has_store: bool) -> Done<File> {
    let input = io::stdin();
    if input.is_terminal() {
        return Err(Fault::Usage(
            "standard input is a terminal: an archive comes from a pipe or a file".to_owned(),
        ));
    }
    let folder = match has_store {
        true => session.store()?.temporary_dir(),
        false => std::env::temp_dir(),
    };
    Ok(spooled(input.lock(), name, &folder)?)
}

impl Copy {
    pub(crate) fn run(self, session: &Session) -> Done {
        let roots = match self.all {
            true => take_whole(session, &mut every_whole(session, Unfinished::Taken)?),
            false => wanted(session, &self.references)?,
        };
        let to = pylightnix::store::Store::open_at(&self.to).map_err(Fault::Store)?;
        let from = session.store()?;
        let rrefs = match self.all {
            true => to.copy_but(from, &roots, &mut |error| {
                session.say_left_out(&error);
                Ok(())
            })?,
            false => to.copy_from(from, &roots)?,
        };
        print_brought(
            session,
            Brought {
                store: to.root().to_owned(),
                rrefs,
            },
        )
    }
}

fn print_brought(session: &Session, brought: Brought) -> Done {
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
