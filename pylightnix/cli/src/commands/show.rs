//! `show`: shows the details of a realization.

use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use unicode_width::UnicodeWidthStr as _;

use super::note;
use crate::complete;
use crate::exit::CommandResult;
use crate::out::Out;
use crate::picture::{Pictures, is_picture};
use crate::session::{Session, style};
use crate::table::cut;
use crate::text::{count, local_second, number, seconds, short_dref, short_rref, size};
use crate::visible;
use pylightnix::config::{ConfigJson, DRefId, RRefId};
use pylightnix::internal::compact;
use pylightnix::keys::KnownKey;
use pylightnix::store::{
    BuildKind, BuildRecord, Carried, Entry, EntryKind, Environment, Outcome, PythonOrigin, Reads,
    Realization, Record, RecordedSeries, Remark, Signature, Store, Unread,
};

/// In a store with more realizations, dependents are looked for only on demand.
const MANY: usize = 2000;

/// The maximum width of a key up to which values are aligned.
const WIDEST_KEY: usize = 24;

/// The width of the drawing of a series.
const DRAWING: usize = 32;

/// The maximum number of artifacts, series, builds or dependents to show.
const MOST: usize = 20;

/// Show the details of a realization
///
/// Use it when you want to know what a result is. Shows its config, what it was made from, its notes and tags, its artifacts, its builds (when,
/// where, by whom, by which code, how long) and the results made from it. Shows pictures if the terminal can.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: the second newest `train`\n  pylightnix show train@2")]
pub(crate) struct Show {
    /// A name, the beginning of a reference, or a link to a result
    #[arg(value_name = "REF", add = complete::references())]
    reference: String,
    /// Find the results made from it in a large store too, which reads all of it
    #[arg(long, short)]
    dependents: bool,
    /// Show everything, without limits
    #[arg(long, short)]
    all: bool,
    /// Do not show pictures
    #[arg(long)]
    no_pictures: bool,
}

/// The JSON answer.
#[derive(Serialize)]
struct Answer<'a> {
    rref: &'a RRefId,
    dref: &'a DRefId,
    name: &'a str,
    outcome: Outcome,
    path: PathBuf,
    config: Box<RawValue>,
    context: Vec<Dependency<'a>>,
    artifacts: &'a [Entry],
    size_bytes: u64,
    /// Whether the files are not in the store.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stub: bool,
    /// The address of the remote that it was taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_from: Option<String>,
    builds: Vec<BuildRow<'a>>,
    /// The notes and tags.
    remarks: Vec<Remark>,
    series: &'a [RecordedSeries],
    /// `None` if they were not looked for.
    dependents: Option<&'a [RRefId]>,
}

#[derive(Serialize)]
struct Dependency<'a> {
    dref: &'a DRefId,
    rrefs: &'a [RRefId],
}

/// A build in the JSON answer.
#[derive(Serialize)]
struct BuildRow<'a> {
    kind: BuildKind,
    start: String,
    stop: String,
    build_seconds: f64,
    attempts: u32,
    index: Option<usize>,
    of: Option<usize>,
    host: &'a str,
    user: &'a str,
    command: &'a [String],
    fingerprint: Option<&'a str>,
    accepted: Option<&'a str>,
    commit: Option<&'a str>,
    dirty: Option<bool>,
    difference: Option<&'a str>,
    environment: Option<&'a Environment>,
    reads: Option<&'a Reads>,
    sealed: bool,
    peak_memory_bytes: Option<u64>,
    carried: Option<&'a Carried>,
    /// Which realization it was in a store of the Python package.
    #[serde(skip_serializing_if = "Option::is_none")]
    python: Option<&'a PythonOrigin>,
    params: &'a BTreeMap<String, serde_json::Value>,
    omitted: &'a BTreeMap<String, serde_json::Value>,
    signatures: Vec<SignatureRow>,
    log: Option<PathBuf>,
}

/// A signature of a build in the JSON answer.
#[derive(Serialize)]
struct SignatureRow {
    key: String,
    /// The name of the key here; `None` if it has none.
    name: Option<String>,
    standing: Option<&'static str>,
    valid: bool,
}

impl SignatureRow {
    fn text(&self) -> String {
        let name = self.name.as_deref().unwrap_or(&self.key);
        match (self.valid, self.standing) {
            (false, _) => format!("{name} (not valid)"),
            (true, None) => format!("{name} (unknown)"),
            (true, Some("trusted")) => name.to_owned(),
            (true, Some(standing)) => format!("{name} ({standing})"),
        }
    }
}

impl Show {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let rref = session.realization(&self.reference)?;
        let realization = store.realization(&rref)?;
        let record = store.record(&rref)?;
        let config = store.config(rref.dref())?;
        let dependents = match self.dependents || !has_more_than(store, MANY)? {
            true => {
                let (found, unread) = store.dependents_readable(&rref)?;
                for Unread { error, .. } in &unread {
                    session.say_left_out(error);
                }
                Some(found)
            }
            false => None,
        };
        let page = Page {
            session,
            store,
            realization,
            record,
            config,
            dependents,
            series: store.series(&rref)?,
            signatures: store.signatures(&rref)?,
            // Without the keys, signatures have no names.
            keys: store
                .keys()
                .and_then(|keys| keys.list().ok())
                .unwrap_or_default(),
        };
        if session.json() {
            session.print_json(&page.answer()?)?;
            return Ok(session.exit());
        }
        let most = if self.all { usize::MAX } else { MOST };
        let mut out = session.out();
        page.write(most, &mut out)?;
        if !self.no_pictures {
            page.pictures(most, &mut out)?;
        }
        out.flush()?;
        Ok(session.exit())
    }
}

/// Returns whether the store has more than `count` derivations or realizations. On file systems that do not count
/// subfolders, such as btrfs, only derivations count.
fn has_more_than(store: &Store, count: usize) -> CommandResult<bool> {
    let drefs = store.drefs_named("*")?;
    let mut left = count as u64;
    for dref in drefs.iter().take(count) {
        // The link count of a folder is the number of its subfolders plus two.
        let links = fs::metadata(store.derivation_dir(dref)).map_or(0, |found| found.nlink());
        match left.checked_sub(links.saturating_sub(2)) {
            Some(rest) => left = rest,
            None => return Ok(true),
        }
    }
    Ok(drefs.len() > count)
}

/// Formats a value of a config, with a note: promises and dependencies are not shown as they are written in the config.
fn for_people(value: String) -> (String, &'static str) {
    match serde_json::from_str(&value) {
        Ok(serde_json::Value::Array(parts)) => {
            let parts: Option<Vec<&str>> = parts.iter().map(|part| part.as_str()).collect();
            match parts.as_deref() {
                Some(["__self__", path @ ..]) => (path.join("/"), " (an artifact)"),
                _ => (value, ""),
            }
        }
        Ok(serde_json::Value::String(text)) => match text.parse::<DRefId>() {
            Ok(dref) => (format!("{} {}", short_dref(&dref), dref.name()), ""),
            Err(_) => (value, ""),
        },
        _ => (value, ""),
    }
}

/// The data of the page.
struct Page<'s> {
    session: &'s Session,
    store: &'s Store,
    realization: Realization,
    record: Record,
    config: ConfigJson,
    dependents: Option<Vec<RRefId>>,
    series: Vec<RecordedSeries>,
    signatures: Vec<Signature>,
    keys: Vec<KnownKey>,
}

impl Page<'_> {
    fn answer(&self) -> CommandResult<Answer<'_>> {
        let id = &self.realization.id;
        let context = self.realization.context.iter();
        let entries = self.record.manifest().entries();
        let build = |build| self.build_row(build);
        Ok(Answer {
            rref: id,
            dref: id.dref(),
            name: id.name().as_str(),
            outcome: self.realization.outcome,
            path: self.realization.out(),
            config: RawValue::from_string(compact(serde_json::from_str(self.config.text())?))?,
            context: context
                .map(|(dref, rrefs)| Dependency { dref, rrefs })
                .collect(),
            artifacts: entries,
            size_bytes: self.size(),
            stub: self.realization.is_stub(),
            taken_from: self.realization.taken_from(),
            builds: self.realization.builds().iter().map(build).collect(),
            remarks: self.realization.remarks(),
            series: &self.series,
            dependents: self.dependents.as_deref(),
        })
    }

    fn build_row<'a>(&self, build: &'a BuildRecord) -> BuildRow<'a> {
        BuildRow {
            kind: build.kind,
            start: build.start.to_string(),
            stop: build.stop.to_string(),
            build_seconds: build.seconds(),
            attempts: build.attempts,
            index: build.index,
            of: build.of,
            host: &build.host,
            user: &build.user,
            command: &build.command,
            fingerprint: build.fingerprint.as_deref(),
            accepted: build.accepted.as_deref(),
            commit: build.commit.as_deref(),
            dirty: build.dirty,
            difference: build.difference.as_deref(),
            environment: build.environment.as_deref(),
            reads: build.reads.as_ref(),
            sealed: build.sealed,
            peak_memory_bytes: build.peak_memory,
            carried: build.carried.as_ref(),
            python: build.python.as_ref(),
            params: &build.params,
            omitted: &build.omitted,
            signatures: self.signatures_of(build),
            log: self.store.log_of(&self.realization.id, build),
        }
    }

    fn signatures_of(&self, build: &BuildRecord) -> Vec<SignatureRow> {
        let of_build = self.signatures.iter().filter(|one| one.build == build.id);
        let row = |one: &Signature| {
            let known = self.keys.iter().find(|known| known.key.id() == one.key);
            SignatureRow {
                key: one.key.to_string(),
                name: known.map(|known| known.name.clone()),
                standing: known.map(|known| known.standing.word()),
                valid: one.is_valid,
            }
        };
        of_build.map(row).collect()
    }

    fn size(&self) -> u64 {
        let sizes = self
            .record
            .manifest()
            .entries()
            .iter()
            .map(|entry| match entry.kind {
                EntryKind::File { size, .. } => size,
                _ => 0,
            });
        sizes.sum()
    }

    fn write(&self, most: usize, out: &mut impl Write) -> CommandResult<()> {
        let (session, realization) = (self.session, &self.realization);
        let id = &realization.id;
        writeln!(out, "{}", session.paint(style::REFERENCE, id))?;
        let name = session.paint(style::NAME, id.name());
        let when = realization
            .last_built()
            .map(|time| format!(", {}", local_second(time)))
            .unwrap_or_default();
        match realization.outcome {
            Outcome::Ok => writeln!(out, "{name}{when}")?,
            _ => writeln!(
                out,
                "{name}{when}, {}",
                session.paint(style::BAD, "a recorded failure")
            )?,
        }
        writeln!(out, "{}", realization.out().display())?;
        if let Some(address) = realization.taken_from() {
            let known = self.store.remotes()?;
            let name = known.iter().find(|(_, url)| **url == address);
            let name = name.map_or(String::new(), |(name, _)| format!("{name}, "));
            let from = format!("taken from the remote {name}{address}");
            writeln!(out, "{}", session.paint(style::FAINT, visible::line(&from)))?;
        }
        self.write_remarks(out)?;
        self.write_config(out)?;
        self.write_context(out)?;
        self.write_series(most, out)?;
        self.write_artifacts(most, out)?;
        self.write_builds(most, out)?;
        self.write_dependents(most, out)
    }

    fn heading(&self, text: impl std::fmt::Display, out: &mut impl Write) -> CommandResult<()> {
        Ok(writeln!(
            out,
            "\n{}",
            self.session.paint(style::HEADING, text)
        )?)
    }

    fn write_remarks(&self, out: &mut impl Write) -> CommandResult<()> {
        let remarks = self.realization.remarks();
        if !remarks.is_empty() {
            self.heading("Notes", out)?;
        }
        for remark in &remarks {
            writeln!(out, "  {}", note::line(remark))?;
        }
        Ok(())
    }

    fn write_series(&self, most: usize, out: &mut impl Write) -> CommandResult<()> {
        if self.series.is_empty() {
            return Ok(());
        }
        self.heading("Series", out)?;
        for series in self.series.iter().take(most) {
            let name = self.session.paint(style::NAME, visible::line(&series.name));
            let range = match series.range {
                Some((low, high)) if series.count > 1 => {
                    format!(", from {} to {}", number(low), number(high))
                }
                _ => String::new(),
            };
            let said = format!(
                "{} at step {}{range}, {}",
                number(series.last),
                series.step,
                count(series.count, "number", "numbers")
            );
            writeln!(out, "  {name}  {}  {said}", series.sparkline(DRAWING))?;
        }
        self.more(self.series.len(), most, "`--all` shows them", out)
    }

    fn write_config(&self, out: &mut impl Write) -> CommandResult<()> {
        let keys: Vec<_> = self.config.fields()?.rest().collect();
        // Build records have the defaults that the config leaves out.
        let newest = self.realization.builds_newest_first().next();
        let omitted = newest.map(|build| &build.omitted);
        if keys.is_empty() && omitted.is_none_or(BTreeMap::is_empty) {
            return Ok(());
        }
        self.heading("Config", out)?;
        let mut fields = self.config.fields()?;
        let mut lines = Vec::new();
        for key in &keys {
            if let Some(value) = fields.take(key) {
                let (value, note) = for_people(compact(value));
                lines.push((
                    visible::line(key).into_owned(),
                    visible::line(&value).into_owned(),
                    note,
                ));
            }
        }
        for (key, value) in omitted.into_iter().flatten() {
            let key = visible::line(key).into_owned();
            let value = visible::line(&value.to_string()).into_owned();
            lines.push((key, value, " (default)"));
        }
        let widest = lines.iter().map(|(key, ..)| key.width()).max().unwrap_or(0);
        for (key, value, note) in lines {
            let pad = " ".repeat(widest.min(WIDEST_KEY).saturating_sub(key.width()));
            let room = self.session.width().map_or(usize::MAX, |width| {
                width.saturating_sub(4 + key.width() + pad.len() + note.len())
            });
            let key = self.session.paint(style::NAME, key);
            let note = self.session.paint(style::FAINT, note);
            writeln!(out, "  {key}{pad}  {}{note}", cut(&value, room.max(10)))?;
        }
        Ok(())
    }

    fn write_context(&self, out: &mut impl Write) -> CommandResult<()> {
        if self.realization.context.is_empty() {
            return Ok(());
        }
        self.heading("Made from", out)?;
        for rref in self.realization.context.realizations() {
            self.line(rref, out)?;
        }
        Ok(())
    }

    fn line(&self, rref: &RRefId, out: &mut impl Write) -> CommandResult<()> {
        let short = self.session.paint(style::REFERENCE, short_rref(rref));
        Ok(writeln!(out, "  {short}  {}", rref.name())?)
    }

    fn write_artifacts(&self, most: usize, out: &mut impl Write) -> CommandResult<()> {
        let entries = self.record.manifest().entries();
        if entries.is_empty() {
            return Ok(());
        }
        let (all, id) = (size(self.size()), short_rref(&self.realization.id));
        match self.realization.is_stub() {
            true => {
                let how = format_args!("Artifacts ({all}, not here: `pull {id}` fetches them)");
                self.heading(how, out)?;
            }
            false => self.heading(format_args!("Artifacts ({all})"), out)?,
        }
        for entry in entries.iter().take(most) {
            let faint = |text: String| self.session.paint(style::FAINT, text);
            let path = visible::line(&entry.path);
            match &entry.kind {
                EntryKind::Dir => writeln!(out, "  {path}/")?,
                EntryKind::File { size: bytes, .. } => {
                    writeln!(out, "  {path}  {}", faint(size(*bytes)))?
                }
                EntryKind::Link { target } => writeln!(
                    out,
                    "  {path} {}",
                    faint(format!("-> {}", visible::line(target)))
                )?,
                _ => writeln!(out, "  {path}")?,
            }
        }
        self.more(entries.len(), most, "`tree` lists them", out)
    }

    fn write_builds(&self, most: usize, out: &mut impl Write) -> CommandResult<()> {
        let (id, builds) = (&self.realization.id, self.realization.builds());
        self.heading("Builds", out)?;
        if builds.is_empty() {
            writeln!(out, "  none: it was unpacked without its build records")?;
        }
        for build in self.realization.builds_newest_first().take(most) {
            let what = match build.kind {
                BuildKind::Build if build.sealed => {
                    format!("built sealed in {}", seconds(build.seconds()))
                }
                BuildKind::Build => format!("built in {}", seconds(build.seconds())),
                BuildKind::Import => "imported".to_owned(),
                BuildKind::Accept => "accepted".to_owned(),
                _ => "recorded".to_owned(),
            };
            let tries = match build.attempts {
                1 => String::new(),
                tries => format!(", {tries} tries"),
            };
            let memory = match build.peak_memory {
                Some(bytes) => format!(", with {} of memory", size(bytes)),
                None => String::new(),
            };
            let run = match (build.index, build.of) {
                (Some(index), Some(of)) if of > 1 => format!(" in run {index} of {of}"),
                _ => String::new(),
            };
            let ahead = match build.ended() {
                Some(_) => "",
                None => " (ahead of this machine's clock)",
            };
            // Of a build by Python neither is known.
            let by = match (&*build.user, &*build.host) {
                ("", "") => String::new(),
                (user, host) => format!(" by {} on {}", visible::line(user), visible::line(host)),
            };
            writeln!(
                out,
                "  {}{ahead}  {what}{run}{tries}{memory}{by}",
                local_second(build.stop),
            )?;
            let mut more = Vec::new();
            if let Some(origin) = &build.python {
                let store = origin.store.as_ref();
                let store = store.map_or(String::new(), |store| format!(" in {store}"));
                let unchecked = match origin.unchecked {
                    true => ", its hash was not checked",
                    false => "",
                };
                let from = format!(
                    "from Python: {}{store}{unchecked}",
                    short_rref(&origin.rref)
                );
                more.push(visible::line(&from).into_owned());
            }
            if let Some(fingerprint) = &build.fingerprint {
                let counts_as = build.accepted.as_ref().filter(|was| *was != fingerprint);
                let counts_as = counts_as.map(|was| format!(" counts as {}", cut(was, 17)));
                let counts_as = counts_as.unwrap_or_default();
                more.push(format!("code {}{counts_as}", cut(fingerprint, 17)));
            }
            let signatures = self.signatures_of(build);
            if !signatures.is_empty() {
                let signers: Vec<_> = signatures.iter().map(SignatureRow::text).collect();
                more.push(format!("signed by {}", signers.join(", ")));
            }
            if let Some(commit) = &build.commit {
                let changes = match (build.dirty, &build.difference) {
                    (None, _) => "with or without changes".to_owned(),
                    (Some(false), _) => "without changes".to_owned(),
                    (Some(true), Some(hash)) => format!("with changes {}", cut(hash, 13)),
                    (Some(true), None) => "with many changes".to_owned(),
                };
                let commit = cut(commit, 13);
                more.push(format!("git commit {commit} was checked out, {changes}"));
            }
            if let Some(environment) = &build.environment {
                more.push(visible::line(&environment.to_string()).into_owned());
            }
            if !build.params.is_empty() {
                let params = build.params.iter();
                let params: Vec<_> = params
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                let text = format!("parameters {}", params.join(" "));
                more.push(visible::line(&text).into_owned());
            }
            if !build.command.is_empty() {
                more.push(visible::line(&build.command.join(" ")).into_owned());
            }
            if self.store.log_of(id, build).is_some() {
                more.push(format!("`log {}` shows what it printed", short_rref(id)));
            }
            for line in more {
                let room = self
                    .session
                    .width()
                    .map_or(usize::MAX, |width| width.saturating_sub(4));
                writeln!(
                    out,
                    "    {}",
                    self.session.paint(style::FAINT, cut(&line, room))
                )?;
            }
        }
        self.more(builds.len(), most, "`--all` shows them", out)
    }

    fn write_dependents(&self, most: usize, out: &mut impl Write) -> CommandResult<()> {
        self.heading("Used by", out)?;
        match &self.dependents {
            None => writeln!(
                out,
                "  not looked for in a large store: `--dependents` reads all of it"
            )?,
            Some(none) if none.is_empty() => writeln!(out, "  nothing in this store")?,
            Some(all) => {
                for rref in all.iter().take(most) {
                    self.line(rref, out)?;
                }
                self.more(all.len(), most, "`--all` shows them", out)?;
            }
        }
        Ok(())
    }

    fn more(&self, all: usize, most: usize, how: &str, out: &mut impl Write) -> CommandResult<()> {
        if all > most {
            writeln!(out, "  and {}: {how}", count(all - most, "more", "more"))?;
        }
        Ok(())
    }

    fn pictures(&self, most: usize, out: &mut Out) -> CommandResult<()> {
        let entries = self.record.manifest().entries().iter();
        let is_file = |entry: &&Entry| matches!(entry.kind, EntryKind::File { .. });
        let all: Vec<_> = entries
            .filter(|entry| is_file(entry) && is_picture(&entry.path))
            .filter(|_| !self.realization.is_stub())
            .collect();
        // The terminal is queried only if there are pictures.
        let terminal = match all.is_empty() {
            true => None,
            false => Pictures::of_terminal(out.raw())?,
        };
        let Some(pictures) = terminal else {
            return Ok(());
        };
        let folder = self.realization.out();
        let shown: Vec<_> = all
            .iter()
            .filter(|entry| pictures.can_show(&entry.path))
            .collect();
        for entry in shown.iter().take(most) {
            let path = visible::line(&entry.path);
            writeln!(out, "\n{}", self.session.paint(style::FAINT, path))?;
            pictures.show(&folder.join(&entry.path), out.raw())?;
        }
        self.more(shown.len(), most, "`--all` shows them", out)
    }
}
