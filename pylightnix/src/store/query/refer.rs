//! Resolves abbreviated references.
//!
//! There is no index for this: a name or the beginning of a derivation's hash costs one listing of the store's folder, and
//! a complete reference or a path none. Only the bare beginning of a realization's hash, which does not tell
//! its folder, needs all folders, and the newest of a name needs all folders of that name.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::config::{DRefId, RRefId, is_near, list_names, nearest_first};
use crate::store::publish::remarks::is_tag;
use crate::store::{Realization, Store, Unread};
use crate::{Error, ErrorKind, Result};

/// The maximum number of candidates to list.
const MOST: usize = 20;

/// The number of hex digits of a complete hash.
const HEX: usize = 32;

/// How far the time of a folder may be behind the clock that the build records have: file systems count in ticks of the kernel, some
/// in seconds.
const BEHIND: SignedDuration = SignedDuration::from_secs(2);

/// The meaning of an abbreviated reference; see [`Store::refer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Referred {
    /// A derivation.
    Derivation(DRefId),
    /// A realization.
    Realization(RRefId),
    /// A file or folder among a realization's artifacts, by its path in `out/`.
    Artifact(RRefId, String),
}

impl Referred {
    /// Returns the derivation, or the derivation of the realization.
    pub fn derivation(&self) -> &DRefId {
        match self {
            Referred::Derivation(dref) => dref,
            Referred::Realization(rref) | Referred::Artifact(rref, _) => rref.dref(),
        }
    }
}

impl Store {
    /// Resolves an abbreviated reference, as typed on a command line:
    ///
    /// | text | meaning |
    /// |---|---|
    /// | `train` | the newest realization of a stage with this name |
    /// | `train@2` | the second newest |
    /// | `train@best` | the realization with this [tag](Self::tag) |
    /// | `7c308bad` | the derivation whose hash begins with this, or the realization, if no derivation matches |
    /// | `7c308bad/0123`, `train/0123` | the realization of that derivation whose hash begins with the second part |
    /// | `dref:7c30`, `rref:0123` | a reference, truncated anywhere |
    /// | a path | the derivation, realization or artifact in the store that it leads to |
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// use pylightnix::store::Referred;
    /// # #[derive(Config)] pub struct Train { #[selfref("model")] out: SelfRef<Text>, layers: u32 }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<TrainOutputs> { Ok(TrainOutputs { out: b.out.save("..")? }) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let first = store.realize(&instantiate(Train::new(1))?)?;
    /// let second = store.realize(&instantiate(Train::new(2))?)?;
    /// assert_eq!(store.refer("train")?, Referred::Realization(second.id().clone()));
    /// assert_eq!(store.refer("train@2")?, Referred::Realization(first.id().clone()));
    /// let begin = &first.id().dref().folder()[..8];
    /// assert_eq!(store.refer(begin)?, Referred::Derivation(first.id().dref().clone()));
    /// assert_eq!(&store.refer_to_realization(begin)?, first.id());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if nothing matches ([`ErrorKind::Missing`]), or if several objects match ([`ErrorKind::Reference`]); the message
    /// lists them.
    pub fn refer(&self, text: &str) -> Result<Referred> {
        resolve(self, text)
    }

    /// Resolves an abbreviated reference to a realization; for a derivation, to its newest one.
    ///
    /// # Errors
    /// As [`refer`](Self::refer). Also fails if the derivation has no realizations.
    pub fn refer_to_realization(&self, text: &str) -> Result<RRefId> {
        match self.refer(text)? {
            Referred::Realization(rref) | Referred::Artifact(rref, _) => Ok(rref),
            Referred::Derivation(dref) => self.newest_of(&dref),
        }
    }

    /// Returns the newest realization of a derivation, by its newest build, or else by its newest import or acceptance.
    ///
    /// # Errors
    /// Fails if there are no realizations ([`ErrorKind::Missing`]), if a record is corrupt, or if a system call fails.
    pub fn newest_of(&self, dref: impl AsRef<DRefId>) -> Result<RRefId> {
        let dref = dref.as_ref();
        match newest(self, &dref.to_string(), std::slice::from_ref(dref), 1)? {
            Referred::Realization(rref) => Ok(rref),
            _ => Err(without_realizations(dref)),
        }
    }
}

fn resolve(store: &Store, text: &str) -> Result<Referred> {
    // An empty text would match everything: an unset variable in a script must not select the only result.
    if text.is_empty() {
        let message = "an empty text is not a reference";
        return Err(
            Error::new(ErrorKind::Reference, message).with_help("`list` shows the realizations")
        );
    }
    if let Some(rest) = text.strip_prefix("rref:") {
        return one_of(store, text, rrefs(store, rest)?);
    }
    if let Some(rest) = text.strip_prefix("dref:") {
        return one_of(store, text, drefs(store, rest)?);
    }
    if let Some(found) = by_path(store, text)? {
        return Ok(found);
    }
    if let Some((what, count)) = text.rsplit_once('@') {
        return nth(store, text, what, count);
    }
    if let Some((dref, rref)) = text.split_once('/')
        && let Some(found) = in_folder(store, text, dref, rref)?
    {
        return Ok(found);
    }
    let (named, begun): (Vec<DRefId>, Vec<DRefId>) = store
        .drefs_where(|folder| folder.starts_with(text) || folder.get(HEX + 1..) == Some(text))?
        .into_iter()
        .partition(|dref| dref.name().as_str() == text);
    if !named.is_empty() {
        return newest(store, text, &named, 1);
    }
    let begun: Vec<_> = begun.into_iter().map(Referred::Derivation).collect();
    match begun.is_empty() {
        false => one_of(store, text, begun),
        true if is_hex(text.split('-').next().unwrap_or(text)) => {
            one_of(store, text, rrefs(store, text)?)
        }
        true => Err(nothing(store, text)),
    }
}

/// Returns the derivations whose folders begin with `begin`.
fn drefs(store: &Store, begin: &str) -> Result<Vec<Referred>> {
    // A complete name needs no listing.
    if let Some(dref) = DRefId::from_folder(begin)
        && store.derivation_dir(&dref).is_dir()
    {
        return Ok(vec![Referred::Derivation(dref)]);
    }
    let found = store.drefs_where(|folder| folder.starts_with(begin))?;
    Ok(found.into_iter().map(Referred::Derivation).collect())
}

/// Returns the realizations whose references, after `rref:`, begin with `begin`.
fn rrefs(store: &Store, begin: &str) -> Result<Vec<Referred>> {
    let (hash, dref) = match begin.split_once('-') {
        Some((hash, dref)) if hash.len() == HEX => (hash, Some(dref)),
        Some(_) => return Ok(Vec::new()),
        None => (begin, None),
    };
    let drefs = match dref {
        None => store.drefs_where(|_| true)?,
        Some(dref) => match DRefId::from_folder(dref) {
            Some(whole) => vec![whole],
            None => store.drefs_where(|folder| folder.starts_with(dref))?,
        },
    };
    let found = store.rrefs_from(&drefs, hash)?;
    Ok(found.into_iter().map(Referred::Realization).collect())
}

/// Resolves `<beginning of a derivation>/<beginning of a realization>[/out/..]`, as in the folder of the store.
fn in_folder(store: &Store, text: &str, dref: &str, rest: &str) -> Result<Option<Referred>> {
    let (rref, path) = match rest.split_once('/') {
        Some((rref, path)) => (rref, Some(path)),
        None => (rest, None),
    };
    if dref.is_empty() || !is_hex(rref) {
        return Ok(None);
    }
    let found = store
        .drefs_where(|folder| folder.starts_with(dref) || folder.get(HEX + 1..) == Some(dref))?;
    let found = store.rrefs_from(&found, rref)?;
    let found = found.into_iter().map(Referred::Realization).collect();
    match (one_of(store, text, found)?, path.map(artifact_path)) {
        (Referred::Realization(rref), Some(Some(path))) => Ok(Some(Referred::Artifact(rref, path))),
        (found, _) => Ok(Some(found)),
    }
}

/// Converts a path in a realization's folder to a path in `out/`; returns `None` for the folder itself.
fn artifact_path(path: &str) -> Option<String> {
    let path = path.strip_prefix("out/")?.trim_end_matches('/');
    (!path.is_empty()).then(|| path.to_owned())
}

/// Resolves an existing path into the store, or a link that leads there.
fn by_path(store: &Store, text: &str) -> Result<Option<Referred>> {
    let path = Path::new(text);
    let looks_so = text.contains('/') || text.starts_with('.') || path.is_symlink();
    let Some(found) = looks_so.then(|| path.canonicalize().ok()).flatten() else {
        // A link to removed artifacts still names the realization.
        return Ok(None);
    };
    let objects = store.layout().objects();
    let objects: PathBuf = objects.canonicalize().unwrap_or(objects);
    let Ok(inside) = found.strip_prefix(&objects) else {
        // `<hash>/<hash>` may happen to be a path of another folder.
        return match DRefId::from_folder(text.split('/').next().unwrap_or_default()) {
            Some(_) => Ok(None),
            None => Err(Error::new(
                ErrorKind::Missing,
                format!(
                    "{} is not in the store {}",
                    found.display(),
                    store.root().display()
                ),
            )
            .at(&found)
            .with_help("name the store that it is in with `--store`")),
        };
    };
    let mut parts = inside.iter().map(|part| part.to_str().unwrap_or_default());
    let Some(dref) = parts.next().and_then(DRefId::from_folder) else {
        return Ok(None);
    };
    let Some(rref) = parts
        .next()
        .and_then(|folder| RRefId::from_folder(&dref, folder))
    else {
        return Ok(Some(Referred::Derivation(dref)));
    };
    let rest: Vec<&str> = parts.collect();
    Ok(Some(match artifact_path(&rest.join("/")) {
        Some(path) => Referred::Artifact(rref, path),
        None => Referred::Realization(rref),
    }))
}

/// Resolves `name@2`: the second newest of these.
fn nth(store: &Store, text: &str, what: &str, count: &str) -> Result<Referred> {
    let count = match count.parse::<usize>() {
        Ok(count) if count > 0 => count,
        _ if is_tag(count) => return tagged(store, text, what, count),
        _ => {
            let message = format!(
                "`{text}`: give a number from 1 after `@`, which counts from the newest, or a tag"
            );
            return Err(Error::new(ErrorKind::Reference, message));
        }
    };
    newest(store, text, &called(store, what)?, count)
}

/// Returns the derivations with this name, or the derivation that it refers to.
fn called(store: &Store, what: &str) -> Result<Vec<DRefId>> {
    let drefs = store.drefs_called(what)?;
    match drefs.is_empty() {
        true => Ok(vec![resolve(store, what)?.derivation().clone()]),
        false => Ok(drefs),
    }
}

/// Resolves `name@tag`.
fn tagged(store: &Store, text: &str, what: &str, tag: &str) -> Result<Referred> {
    let (mut found, mut others) = (Vec::new(), BTreeSet::new());
    for (_, all) in store.realizations_in(&called(store, what)?) {
        for realization in all.into_iter().flatten() {
            let tags = realization.tags();
            match tags.iter().any(|one| one == tag) {
                true => found.push(Referred::Realization(realization.id)),
                false => others.extend(tags),
            }
        }
    }
    if !found.is_empty() {
        return one_of(store, text, found);
    }
    let help = match others.is_empty() {
        true => {
            "`tag` gives a result a tag; a number counts from the newest, `@2` is the second newest"
                .to_owned()
        }
        false => {
            let near = nearest_first(tag, others.iter().map(String::as_str));
            format!("its tags: {}", list_names(near.into_iter()))
        }
    };
    let message = format!("no `{what}` has the tag `{tag}`");
    Err(Error::new(ErrorKind::Missing, message).with_help(help))
}

/// Returns the realization at place `count`, from the newest on, among all of these derivations.
fn newest(store: &Store, text: &str, drefs: &[DRefId], count: usize) -> Result<Referred> {
    // A realization is not newer than the folder of its derivation, so that old folders need not be read; except by what the clock
    // of the file system is behind.
    let mut folders = store.changed(drefs)?;
    folders.sort_unstable_by(|one, other| other.cmp(one));
    let mut found: Vec<(Timestamp, RRefId)> = Vec::new();
    let mut unread = None;
    for (changed, dref) in folders {
        if found.len() >= count && found[count - 1].0.duration_since(changed) > BEHIND {
            break;
        }
        let all = store.realizations_in(std::slice::from_ref(dref));
        for realization in all.flat_map(|(_, all)| all) {
            match realization {
                Ok(one) => found.push((one.last_built().unwrap_or(Timestamp::MIN), one.id)),
                Err(Unread { error, .. }) => unread = Some(error),
            }
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
    }
    let there = found.len();
    match (found.into_iter().nth(count - 1), drefs) {
        (Some((_, rref)), _) => Ok(Referred::Realization(rref)),
        // An unreadable realization is an error only if there is no other.
        (None, _) if unread.is_some() => unread.map_or_else(|| unreachable!("it is"), Err),
        (None, [dref]) if there == 0 => Err(without_realizations(dref)),
        (None, _) => Err(Error::new(
            ErrorKind::Missing,
            format!("there is no `{text}`: only {there} realizations exist"),
        )
        .with_help("`list` shows the realizations")),
    }
}

fn one_of(store: &Store, text: &str, found: Vec<Referred>) -> Result<Referred> {
    match found.len() {
        0 => Err(nothing(store, text)),
        1 => Ok(found
            .into_iter()
            .next()
            .unwrap_or_else(|| unreachable!("there is one"))),
        count => {
            let mut help = String::from("give more of the reference; it may be:");
            for one in found.iter().take(MOST) {
                let (shown, when) = match one {
                    Referred::Derivation(dref) => {
                        let all = store.realizations_in(std::slice::from_ref(dref));
                        let all = all.flat_map(|(_, all)| all).flatten();
                        (
                            dref.to_string(),
                            all.filter_map(|one| one.last_built()).max(),
                        )
                    }
                    Referred::Realization(rref) | Referred::Artifact(rref, _) => {
                        let realization = store.realization(rref).ok();
                        (
                            rref.to_string(),
                            realization.as_ref().and_then(Realization::last_built),
                        )
                    }
                };
                let when = when.map(local).unwrap_or_default();
                let _ = write!(help, "\n  {when}  {shown}");
            }
            if count > MOST {
                let _ = write!(help, "\n  and {} more", count - MOST);
            }
            let message = format!("`{text}` is ambiguous: it matches {count} references");
            Err(Error::new(ErrorKind::Reference, message).with_help(help))
        }
    }
}

fn nothing(store: &Store, text: &str) -> Error {
    Error::new(
        ErrorKind::Missing,
        format!("nothing in the store {} matches `{text}`", store.root().display()),
    )
    .with_help(match like(store, text) {
        Some(names) => format!("did you mean one of these? {names}"),
        None => "give a name (`train`, or `train@2` for the second newest), the beginning of a reference, a path in the \
                 store, or a link to a result; `list` shows the realizations"
            .to_owned(),
    })
}

/// Returns the names in the store that are similar to the text or contain it.
fn like(store: &Store, text: &str) -> Option<String> {
    let drefs = store.drefs_where(|_| true).ok()?;
    let names: BTreeSet<&str> = drefs.iter().map(|dref| dref.name().as_str()).collect();
    let near = |name: &&str| is_near(text, name);
    let shown = nearest_first(text, names.into_iter())
        .into_iter()
        .take_while(near);
    let mut shown: Vec<_> = shown.take(MOST + 1).collect();
    let more = if shown.len() > MOST { ", .." } else { "" };
    shown.truncate(MOST);
    (!shown.is_empty()).then(|| shown.join(", ") + more)
}

fn without_realizations(dref: &DRefId) -> Error {
    Error::new(ErrorKind::Missing, format!("{dref} has no realizations"))
        .with_help("it was never built here, or its results were removed")
}

/// Formats a time for people, in the local time zone if the program is built with jiff's support for it, as the command line
/// is.
fn local(time: Timestamp) -> String {
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    time.to_zoned(zone)
        .strftime("%Y-%m-%d %H:%M %Z")
        .to_string()
}

fn is_hex(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (1..=HEX).contains(&text.len()) && text.bytes().all(is_digit)
}
