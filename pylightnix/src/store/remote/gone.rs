//! Notes on what a collection of garbage will delete: how those who push and those who collect come to terms without a lock.
//!
//! A collector puts `gone/<id>`, which names objects, and leaves them for a while. Before it deletes any it puts `gone/<id>-armed-<id>`, and looks
//! then who needs them. Who pushes looks for notes last, asks by `gone/<id>-spare-<id>` to spare what the push rests on, and looks again: so of
//! the two, one sees the other. If the note is armed by then, it waits until the collector is through, and puts again what is missing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use uuid::Uuid;

use super::objects::Remote;
use crate::Result;
use crate::config::Digest;

/// The folder of notes.
const GONE: &str = "gone";
/// What the first line of a note begins with.
const HEAD: &str = "#pylightnix-gone-v1";
/// The last line of a note, and of what asks to spare: what lacks it was cut short on its way.
const END: &str = "#end";
/// The number of times that something is read that is not whole.
const TRIES: usize = 5;
/// The most bytes of a note, and of what asks to spare.
const MOST: u64 = 1 << 30;
/// The most time that a collector deletes without a new look.
const LONGEST: Duration = Duration::from_secs(60);
/// How often who waits for a collector looks.
const POLL: Duration = Duration::from_millis(200);
/// The number of objects from which a list of all is cheaper than asking for each.
const MANY: usize = 50;
/// How long after a look nothing can have been collected: no grace is shorter.
pub(super) const SOON: Duration = Duration::from_secs(1);

/// What a collection will delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GoneNote {
    /// When it was put, by the clock of the remote.
    pub(super) at: Timestamp,
    /// How long after that nothing is deleted.
    pub(super) grace: Duration,
    /// The objects; a root with the digest of its content, as another one of the name is not meant.
    pub(super) objects: BTreeMap<String, Option<Digest>>,
}

impl GoneNote {
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{HEAD} {} {}\n", self.at, self.grace.as_secs());
        for (object, digest) in &self.objects {
            // Writing to a `String` cannot fail.
            let _ = match digest {
                Some(digest) => writeln!(text, "{object} {digest}"),
                None => writeln!(text, "{object}"),
            };
        }
        text + END + "\n"
    }

    /// Parses a note; `None` if it is not exactly what is written for it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = whole(text)?.lines();
        let (at, grace) = lines
            .next()?
            .strip_prefix(HEAD)?
            .strip_prefix(' ')?
            .split_once(' ')?;
        let objects = lines.map(|line| match line.split_once(' ') {
            Some((object, digest)) => Some((object.to_owned(), Some(digest.parse().ok()?))),
            None => Some((line.to_owned(), None)),
        });
        let note = GoneNote {
            at: at.parse().ok()?,
            grace: Duration::from_secs(grace.parse().ok()?),
            objects: objects.collect::<Option<_>>()?,
        };
        (note.to_text() == text).then_some(note)
    }

    /// Returns how old a look of the collector may be when it deletes. Who asked to spare something is heard when this much time has passed.
    pub(super) fn patience(&self) -> Duration {
        self.grace.min(LONGEST)
    }
}

/// What is known of a note without reading it.
#[derive(Clone, Debug, Default)]
pub(super) struct NoteState {
    /// Whether the note is there, and not only what belongs to it.
    pub(super) is_there: bool,
    pub(super) is_armed: bool,
    pub(super) is_done: bool,
    /// The names of all objects that belong to it.
    pub(super) objects: Vec<String>,
    /// Those among them that ask to spare something.
    pub(super) spares: Vec<String>,
}

/// Lists the notes; `None` if the remote cannot be listed.
pub(super) fn notes(remote: &Remote) -> Result<Option<BTreeMap<Uuid, NoteState>>> {
    let Some(objects) = remote.list(GONE)? else {
        return Ok(None);
    };
    let mut found: BTreeMap<Uuid, NoteState> = BTreeMap::new();
    for object in objects {
        let Some(name) = object.name.strip_prefix("gone/") else {
            continue;
        };
        let Some((id, rest)) = name.split_at_checked(36) else {
            continue;
        };
        let Ok(id) = Uuid::try_parse(id) else {
            continue;
        };
        let state = found.entry(id).or_default();
        match rest {
            "" => state.is_there = true,
            "-done" => state.is_done = true,
            rest if rest.starts_with("-armed-") => state.is_armed = true,
            rest if rest.starts_with("-spare-") => state.spares.push(object.name.clone()),
            _ => continue,
        }
        state.objects.push(object.name);
    }
    Ok(Some(found))
}

/// Returns what is before the last line; `None` if it is not the one that says that all is there.
fn whole(text: &str) -> Option<&str> {
    text.strip_suffix('\n')?.strip_suffix(END)
}

/// Reads a note; `None` if it is not there. One that cannot be understood is an error: what it names may go.
pub(super) fn read(remote: &Remote, id: &Uuid) -> Result<Option<GoneNote>> {
    read_text(remote, &note_name(id), &GoneNote::parse)
}

/// Reads what is to be spared: objects and references.
pub(super) fn read_spares(remote: &Remote, state: &NoteState) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let parse = |text: &str| Some(whole(text)?.lines().map(str::to_owned).collect());
    for name in &state.spares {
        let words: Option<Vec<String>> = read_text(remote, name, &parse)?;
        all.extend(words.into_iter().flatten());
    }
    Ok(all)
}

/// Reads an object as `parse` understands it, again if it was cut short; `None` if it is not there.
fn read_text<T>(
    remote: &Remote,
    object: &str,
    parse: &dyn Fn(&str) -> Option<T>,
) -> Result<Option<T>> {
    for _ in 0..TRIES {
        let Some(bytes) = remote.read(object, MOST)? else {
            return Ok(None);
        };
        if let Some(found) = std::str::from_utf8(&bytes).ok().and_then(parse) {
            return Ok(Some(found));
        }
    }
    Err(remote
        .refused(
            object,
            "cannot be understood, so that what it is to protect is not known",
        )
        .with_help("a later version of pylightnix may have made it; if none has, delete it"))
}

/// Returns the name of a note.
pub(super) fn note_name(id: &Uuid) -> String {
    format!("{GONE}/{id}")
}

/// Returns the name of a new object with this word that belongs to a note.
pub(super) fn note_word(id: &Uuid, word: &str) -> String {
    format!("{GONE}/{id}-{word}-{}", Uuid::now_v7())
}

/// Returns the name of the object that says that a note has no more meaning.
pub(super) fn done_name(id: &Uuid) -> String {
    format!("{GONE}/{id}-done")
}

/// What a push rests on, of the objects of a note.
#[derive(Default)]
pub(super) struct Rests {
    /// Objects that a note names.
    pub(super) objects: BTreeSet<String>,
    /// Realizations that were there already, if the note names segments that may have said so.
    pub(super) rrefs: Vec<String>,
}

/// The view of who pushes on the notes.
pub(super) struct Watch<'a> {
    remote: &'a Remote,
    read: HashMap<Uuid, Option<Rc<GoneNote>>>,
    /// When it asked to spare which objects of a note.
    asked: HashMap<Uuid, (Instant, BTreeSet<String>)>,
    /// The shortest grace of all notes that were seen.
    pub(super) shortest: Option<Duration>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(remote: &'a Remote) -> Self {
        Watch {
            remote,
            read: HashMap::new(),
            asked: HashMap::new(),
            shortest: None,
        }
    }

    /// Returns those of the objects on which a push rests that are not there any more. What is there now stays: the notes that name it
    /// know of the push. `rests` returns what of a note the push rests on.
    pub(super) fn missing(
        &mut self,
        rests: &dyn Fn(&GoneNote) -> Rests,
    ) -> Result<BTreeSet<String>> {
        let mut doubtful: BTreeSet<String> = BTreeSet::new();
        loop {
            let mut again = false;
            for (id, state) in notes(self.remote)?.unwrap_or_default() {
                if !state.is_there {
                    continue;
                }
                let note = match self.read.get(&id) {
                    Some(note) => note.clone(),
                    None => {
                        let note = read(self.remote, &id)?.map(Rc::new);
                        self.read.insert(id, note.clone());
                        note
                    }
                };
                // Forgotten meanwhile.
                let Some(note) = note else {
                    continue;
                };
                self.shortest = Some(match self.shortest {
                    Some(shortest) => shortest.min(note.grace),
                    None => note.grace,
                });
                let rests = rests(&note);
                if rests.objects.is_empty() {
                    continue;
                }
                doubtful.extend(rests.objects.iter().cloned());
                if state.is_done {
                    continue;
                }
                match self.asked.get(&id) {
                    Some((since, asked)) if rests.objects.is_subset(asked) => {
                        // It may be deleting by a look from before it was asked.
                        if state.is_armed && since.elapsed() < note.patience() {
                            thread::sleep(POLL);
                            again = true;
                        }
                    }
                    _ => {
                        self.ask(id, rests)?;
                        again = true;
                    }
                }
            }
            if !again {
                return absent(self.remote, doubtful);
            }
        }
    }

    /// Asks the collector to spare what the push rests on.
    fn ask(&mut self, id: Uuid, rests: Rests) -> Result<()> {
        let words = rests.objects.iter().chain(&rests.rrefs);
        let text: String = words.flat_map(|word| [word.as_str(), "\n"]).collect();
        let text = text + END + "\n";
        self.remote.put(&note_word(&id, "spare"), text.as_bytes())?;
        self.asked.insert(id, (Instant::now(), rests.objects));
        Ok(())
    }
}

/// Returns the objects that are not there.
fn absent(remote: &Remote, mut objects: BTreeSet<String>) -> Result<BTreeSet<String>> {
    for folder in ["blob", "index", "pack", "root"] {
        let is_in = |object: &&String| object.starts_with(folder);
        if objects.iter().filter(is_in).count() > MANY
            && let Some(listed) = remote.list(folder)?
        {
            listed.iter().for_each(|object| {
                objects.remove(&object.name);
            });
        }
    }
    let mut missing = BTreeSet::new();
    for object in objects {
        // A list may lack what is new.
        if remote.size(&object)?.is_none() {
            missing.insert(object);
        }
    }
    Ok(missing)
}
