//! `push`, `pull`, `remote`: results that a group shares.

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::Write as _;

use crate::complete;
use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use crate::text::{count, local_time, short_rref, size};
use pylightnix::Error;
use pylightnix::config::RRefId;
use pylightnix::store::Outcome;
use pylightnix::store::remote::{
    Pull as Pulling, Pulled, Push as Pushing, Pushed, Remote as Place, RemoteRealization, Transfer,
    Verified,
};

/// Send realizations, with everything that they were made from, to a remote
///
/// Use it when others are to have your results. What the remote has already is not sent again; if that is all, it is asked once. A push that
/// is stopped leaves nothing that counts. The remote is a name that `remote add` knows, or an address: a folder, or a bucket of an object store.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: send the newest `train`, under the name `best`\n  pylightnix push train --as best --remote /shared/results"
)]
pub(crate) struct Push {
    /// Names, or beginnings of references
    #[arg(value_name = "REF", required_unless_present = "all", add = complete::references())]
    references: Vec<String>,
    /// All realizations in the store that can be sent
    #[arg(long, conflicts_with = "references")]
    all: bool,
    /// Give them this name at the remote, where it keeps them; another root of the name is replaced
    #[arg(long = "as", value_name = "NAME", conflicts_with = "all")]
    root: Option<String>,
    /// Say what would be sent, and send nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    at: At,
}

/// Fetch realizations, with everything that they were made from, from a remote
///
/// Use it when others have results that you want here. Nothing at the remote is trusted: every byte is hashed, and compared with the reference,
/// before anything is published. What is damaged or missing there is left out, and said; the exit status is 1 then.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: see what would come, and fetch it\n  pylightnix pull best --remote /shared/results --dry-run"
)]
pub(crate) struct Pull {
    /// Names of stages or of roots at the remote, or beginnings of references
    #[arg(value_name = "REF", required_unless_present = "all")]
    references: Vec<String>,
    /// All realizations that the remote has
    #[arg(long, conflicts_with = "references")]
    all: bool,
    /// Say what would be fetched, and fetch nothing but the index
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    at: At,
}

/// Name remotes, see what they have, and verify them
///
/// Use it when you want to name the places with which `push` and `pull` work, or to see whether all is well there. A place is a folder, a bucket
/// of an object store as `s3://bucket/folder`, or the URL of a web server, which can only be read.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: name a folder that a group shares\n  pylightnix remote add team /shared/results"
)]
pub(crate) struct Remote {
    #[command(subcommand)]
    command: RemoteCommand,
}

#[derive(clap::Subcommand, Debug)]
enum RemoteCommand {
    Add(Add),
    List(List),
    Remove(Remove),
    Ls(Ls),
    Roots(Roots),
    Verify(Verify),
}

// The remote of a command. Not a doc comment, which clap would show.
#[derive(clap::Args, Debug)]
struct At {
    /// The remote, by its name or address [default: $PYLIGHTNIX_REMOTE, else the only one that the store knows]
    #[arg(long, short = 'r', value_name = "REMOTE")]
    remote: Option<String>,
}

/// Give a remote a name in this store
///
/// Use it once for each remote. The name and the address stand in the file `remotes.toml` of the store, and nothing else does: no passwords.
/// A remote is made by the first push to it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: a folder\n  pylightnix remote add team /shared/results")]
struct Add {
    /// The name
    #[arg(value_name = "NAME")]
    name: String,
    /// A folder, or a URL that begins with `https://`, `http://`, `s3://`, `gs://`, `az://` or `abfss://`
    #[arg(value_name = "ADDRESS", value_hint = clap::ValueHint::AnyPath)]
    address: String,
}

/// List the remotes that this store knows
///
/// Use it to see their names and addresses. Asks none of them.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: as JSON\n  pylightnix remote list --json")]
struct List {}

/// Forget the name of a remote
///
/// Use it when this store no longer works with it. What the remote has stays as it is.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: forget `team`\n  pylightnix remote remove team")]
struct Remove {
    /// The name
    #[arg(value_name = "NAME")]
    name: String,
}

/// List the realizations that a remote has
///
/// Use it before a `pull`. Reads the index alone, and none of it is verified.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: those of one stage\n  pylightnix remote ls train --remote /shared/results"
)]
struct Ls {
    /// Only those of stages with this name
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    at: At,
}

/// List the roots of a remote, or remove one
///
/// Use it to see under which names results are kept there.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: keep `best` no longer\n  pylightnix remote roots --remove best --remote /shared/results"
)]
struct Roots {
    /// Remove this root; what it kept stays until garbage is collected there
    #[arg(long, value_name = "NAME")]
    remove: Option<String>,
    #[command(flatten)]
    at: At,
}

/// Read a remote, and compare everything with its hash
///
/// Use it now and then, and when a `pull` says that something is broken. Notes at the remote what is broken or missing, so that the next `push`
/// of it sends it again. The exit status is 1 if something is broken or lost.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: read a twentieth of it\n  pylightnix remote verify --sample 5 --remote /shared/results"
)]
struct Verify {
    /// Read this percentage of the packs and blobs
    #[arg(long, value_name = "PERCENT", value_parser = super::check::percent)]
    sample: Option<f64>,
    #[command(flatten)]
    at: At,
}

impl At {
    fn open(&self, session: &Session) -> CommandResult<Place> {
        let name = self.remote.as_deref();
        // Another program of the group may read a remote without a store.
        if !session.has_store()?
            && let Some(address) = name.filter(|name| name.contains('/'))
        {
            return Ok(Place::open(address)?);
        }
        Ok(session.store()?.remote(name)?)
    }
}

/// A line on a terminal that says how far a transfer is.
struct Display(ProgressBar);

impl Display {
    fn new(what: &str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Display(bar)
    }

    fn show(&self, what: &str, how_far: Transfer) {
        let Transfer {
            realizations, of, ..
        } = how_far;
        let transferred = transferred(how_far);
        self.0.set_message(format!(
            "{what}: {realizations} of {of} realizations, {transferred}"
        ));
        self.0.tick();
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn transferred(how_far: Transfer) -> String {
    let objects = usize::try_from(how_far.objects).unwrap_or(usize::MAX);
    format!(
        "{} of {}",
        count(objects, "object", "objects"),
        size(how_far.bytes)
    )
}

fn say_told(session: &Session, told: &[Error]) {
    for error in told {
        session.say(format_args!(
            "{} {error}",
            session.paint_err(style::BAD, "passed over:")
        ));
    }
}

/// Prints references, and says below how many.
fn print_rrefs(session: &Session, answer: &impl Serialize, rrefs: &[RRefId]) -> CommandResult<()> {
    session.print(answer, |_, out| {
        for rref in rrefs {
            writeln!(out, "{}", session.paint(style::REFERENCE, rref))?;
        }
        Ok(())
    })
}

impl Push {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let remote = self.at.open(session)?;
        let display = Display::new("looks what the remote has");
        let observer = |how_far| display.show("sending", how_far);
        let mut pushing = Pushing::new(store, &remote).observe(&observer);
        if let Some(root) = &self.root {
            pushing = pushing.root(root);
        }
        if self.dry_run {
            pushing = pushing.dry_run();
        }
        let (pushed, left_out): (Pushed, Vec<Error>) = match self.all {
            true => pushing.run_every()?,
            false => (
                pushing.run(session.realizations(&self.references)?)?,
                Vec::new(),
            ),
        };
        drop(display);
        say_told(session, &pushed.told);
        for error in &left_out {
            session.say_left_out(error);
        }
        print_rrefs(session, &pushed, &pushed.rrefs)?;
        let rrefs = count(pushed.rrefs.len(), "realization", "realizations");
        let sent = transferred(pushed.sent);
        let there = pushed.there;
        session.say(match (pushed.rrefs.is_empty(), pushed.dry) {
            (true, _) => format!(
                "nothing to send: {} there already",
                count(there, "realization is", "realizations are")
            ),
            (false, true) => format!("would send {rrefs} to {}: {sent}", remote.url()),
            (false, false) => format!(
                "sent {rrefs} to {}: {sent}, {}",
                remote.url(),
                requests(pushed.requests)
            ),
        });
        Ok(session.exit())
    }
}

fn requests(requests: u64) -> String {
    count(
        usize::try_from(requests).unwrap_or(usize::MAX),
        "request",
        "requests",
    )
}

impl Pull {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let remote = self.at.open(session)?;
        let display = Display::new("looks what the remote has");
        let known = match session.has_store()? {
            true => Some(session.store()?),
            false => None,
        };
        // Asked first, so that a word that stands for nothing makes no store.
        let rrefs = match self.all {
            true => None,
            false => Some(remote.refer(known, &self.references)?),
        };
        let store = session.store_or_new()?;
        let observer = |how_far| display.show("fetching", how_far);
        let mut pulling = Pulling::new(store, &remote).observe(&observer);
        if self.dry_run {
            pulling = pulling.dry_run();
        }
        let pulled: Pulled = match rrefs {
            Some(rrefs) => pulling.run(rrefs)?,
            None => pulling.run_every()?,
        };
        drop(display);
        say_told(session, &pulled.told);
        for error in &pulled.left_out {
            session.say_left_out(error);
        }
        print_rrefs(session, &pulled, &pulled.rrefs)?;
        let rrefs = count(pulled.rrefs.len(), "realization", "realizations");
        let fetched = transferred(pulled.fetched);
        let there = pulled.there;
        session.say(match (pulled.rrefs.is_empty(), pulled.dry) {
            (true, _) => format!(
                "nothing was fetched: {} here already",
                count(there, "realization is", "realizations are")
            ),
            (false, true) => format!("would fetch {rrefs} from {}: {fetched}", remote.url()),
            (false, false) => format!(
                "fetched {rrefs} from {}: {fetched}, {}",
                remote.url(),
                requests(remote.requests())
            ),
        });
        Ok(session.exit())
    }
}

impl Remote {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        match self.command {
            RemoteCommand::Add(command) => command.run(session),
            RemoteCommand::List(command) => command.run(session),
            RemoteCommand::Remove(command) => command.run(session),
            RemoteCommand::Ls(command) => command.run(session),
            RemoteCommand::Roots(command) => command.run(session),
            RemoteCommand::Verify(command) => command.run(session),
        }
    }
}

impl Add {
    fn run(self, session: &Session) -> CommandResult {
        session.no_json("remote add")?;
        let store = session.store_or_new()?;
        store.add_remote(&self.name, &self.address)?;
        session.say(format_args!(
            "{} is {}",
            self.name,
            store.remotes()?[&self.name]
        ));
        Ok(Exit::Done)
    }
}

/// A remote in the JSON answer.
#[derive(Serialize)]
struct Known {
    name: String,
    address: String,
}

impl List {
    fn run(self, session: &Session) -> CommandResult {
        let remotes = session.store()?.remotes()?;
        if remotes.is_empty() {
            session.say("this store knows no remote: `remote add NAME ADDRESS` adds one");
        }
        let known = remotes
            .into_iter()
            .map(|(name, address)| Known { name, address });
        let known: Vec<Known> = known.collect();
        session.print(&known, |known, out| {
            for Known { name, address } in known {
                writeln!(out, "{}  {address}", session.paint(style::NAME, name))?;
            }
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}

impl Remove {
    fn run(self, session: &Session) -> CommandResult {
        session.no_json("remote remove")?;
        match session.store()?.remove_remote(&self.name)? {
            true => Ok(Exit::Done),
            false => Err(no_remote(&self.name)),
        }
    }
}

fn no_remote(name: &str) -> CommandError {
    let text = format!("this store knows no remote `{name}`");
    let error = Error::new(pylightnix::ErrorKind::Missing, text);
    CommandError::Error(error.with_help("`remote list` shows those that it knows"))
}

impl Ls {
    fn run(self, session: &Session) -> CommandResult {
        let remote = self.at.open(session)?;
        let store = match session.has_store()? {
            true => Some(session.store()?),
            false => None,
        };
        let mut found: Vec<RemoteRealization> = remote.realizations(store)?;
        if let Some(name) = &self.name {
            found.retain(|one| one.rref.name().as_str() == name);
        }
        session.print(&found, |found, out| {
            let mut table = Table::new(
                session,
                [
                    Column::left("REALIZATION"),
                    Column::left("MADE"),
                    Column::right("SIZE"),
                    Column::left("RESULT"),
                ],
            );
            for one in found {
                let time = one.time.map(local_time).unwrap_or_default();
                let outcome = match one.outcome {
                    Outcome::Ok => Cell::from("ok"),
                    _ => Cell::styled("failed", style::BAD),
                };
                table.row([
                    Cell::styled(short_rref(&one.rref), style::REFERENCE),
                    time.into(),
                    size(one.size).to_string().into(),
                    outcome,
                ]);
            }
            Ok(table.write(out)?)
        })?;
        match found.is_empty() {
            true => Ok(Exit::Failed),
            false => Ok(Exit::Done),
        }
    }
}

impl Roots {
    fn run(self, session: &Session) -> CommandResult {
        let remote = self.at.open(session)?;
        if let Some(name) = &self.remove {
            session.no_json("remote roots --remove")?;
            return match remote.remove_root(name)? {
                true => Ok(Exit::Done),
                false => {
                    let text = format!("the remote {} has no root `{name}`", remote.url());
                    Err(Error::new(pylightnix::ErrorKind::Missing, text).into())
                }
            };
        }
        let roots = remote.roots()?;
        session.print(&roots, |roots, out| {
            for root in roots {
                for rref in &root.rrefs {
                    let (name, rref) = (
                        session.paint(style::NAME, &root.name),
                        session.paint(style::REFERENCE, rref),
                    );
                    writeln!(out, "{name}  {rref}")?;
                }
            }
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}

impl Verify {
    fn run(self, session: &Session) -> CommandResult {
        let remote = self.at.open(session)?;
        let verified = remote.verify(self.sample.unwrap_or(100.0) / 100.0)?;
        session.print(&verified, |verified, out| {
            write_verified(session, verified, out)
        })?;
        if !verified.noted && !verified.holes.is_empty() {
            session.say("nothing was noted at the remote, which cannot be written from here");
        }
        match verified.is_sound() {
            true => Ok(Exit::Done),
            false => Ok(Exit::Failed),
        }
    }
}

fn write_verified(
    session: &Session,
    verified: &Verified,
    out: &mut crate::out::Out,
) -> CommandResult<()> {
    for hole in &verified.holes {
        writeln!(
            out,
            "{} {}",
            session.paint(style::BAD, &hole.object),
            hole.message
        )?;
    }
    for rref in &verified.lost {
        writeln!(
            out,
            "{} is lost until somebody pushes it again",
            session.paint(style::REFERENCE, rref)
        )?;
    }
    let found = match verified.is_sound() {
        true => session.paint(style::GOOD, "no faults".to_owned()),
        false => session.paint(
            style::BAD,
            count(
                verified.holes.len() + verified.lost.len(),
                "fault",
                "faults",
            ),
        ),
    };
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let realizations = count(number(verified.realizations), "realization", "realizations");
    let objects = count(number(verified.objects), "object", "objects");
    writeln!(
        out,
        "{found} in {realizations}; {objects} read, {}",
        size(verified.bytes)
    )?;
    Ok(())
}
