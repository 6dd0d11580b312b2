//! Sending a large file to an object store, in parts, of which those that arrived are not sent again after a break.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use object_store::path::Path as Place;
use serde::{Deserialize, Serialize};

use super::asynchronous::{Coming, Waiting};
use crate::store::disk::regular::{self, open_regular};
use crate::{Error, Result};

/// The smallest size of a part, and what is sent as a whole.
pub(super) const PART: u64 = 8 << 20;
/// The most parts that an upload may have; S3 takes 10,000.
const MOST_PARTS: u64 = 9_000;
/// The number of parts that are sent at once.
const AT_ONCE: u64 = 4;
/// The most bytes of parts in memory, if that is more than one part.
const MOST_BYTES: u64 = 64 << 20;

/// The size of the parts of a file of this size: whole MiB.
fn part_size(size: u64) -> u64 {
    size.div_ceil(MOST_PARTS)
        .next_multiple_of(1 << 20)
        .max(PART)
}

/// A file that is sent.
pub(super) struct Sending<'a> {
    pub(super) store: &'a Waiting,
    pub(super) object: Place,
    pub(super) path: &'a Path,
    pub(super) size: u64,
    /// A file with what is known of the upload, which is a hint: the object store has the last word.
    pub(super) notes: Option<&'a Path>,
}

/// A part that arrived: a line of the notes.
#[derive(Serialize, Deserialize)]
struct Note {
    upload: String,
    /// The sizes of the file and of its parts.
    size: u64,
    part: u64,
    number: usize,
    /// What the object store calls it.
    name: String,
}

/// Why a file was not sent.
pub(super) enum Stopped {
    Here(Error),
    There(object_store::Error),
}

impl From<object_store::Error> for Stopped {
    fn from(error: object_store::Error) -> Self {
        Stopped::There(error)
    }
}

impl Sending<'_> {
    /// Puts the file. Returns the number of requests.
    pub(super) fn run(&self) -> Result<u64, Stopped> {
        let (file, _) = open_regular(self.path)
            .map_err(|error| Stopped::Here(Error::io("open", self.path, error)))?;
        let part = part_size(self.size);
        if let Some((upload, parts)) = self.known(part) {
            match self.parts(&file, part, &upload, parts) {
                // It has ended, or was thrown away: all is sent anew.
                Err(Stopped::There(error)) if is_refused(&error) => {}
                ended => return ended,
            }
        }
        let upload = self.store.create_upload(self.object.clone())?;
        let requests = self.parts(&file, part, &upload, BTreeMap::new())?;
        Ok(requests + 1)
    }

    /// Returns the last upload that the notes have, with the names of its parts.
    fn known(&self, part: u64) -> Option<(String, BTreeMap<usize, String>)> {
        let text = regular::read_to_string(self.notes?).ok()?;
        // A line that was cut is none.
        let notes = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Note>(line).ok());
        let notes: Vec<Note> = notes
            .filter(|note| (note.size, note.part) == (self.size, part))
            .filter(|note| (note.number as u64) < self.size.div_ceil(part))
            .collect();
        let upload = notes.last()?.upload.clone();
        let of_it = notes.into_iter().filter(|note| note.upload == upload);
        let parts = of_it.map(|note| (note.number, note.name)).collect();
        Some((upload, parts))
    }

    /// Sends the parts that are not there, and makes the object of all.
    fn parts(
        &self,
        file: &File,
        part: u64,
        upload: &str,
        mut names: BTreeMap<usize, String>,
    ) -> Result<u64, Stopped> {
        let at_once = (MOST_BYTES / part).clamp(1, AT_ONCE) as usize;
        let mut coming: VecDeque<(usize, Coming<String>)> = VecDeque::new();
        let mut broken = None;
        let mut requests = 1;
        let known: Vec<usize> = names.keys().copied().collect();
        let parts = (0..self.size).step_by(part as usize).enumerate();
        let lacking = parts.filter(|(number, _)| known.binary_search(number).is_err());
        for (number, from) in lacking {
            if coming.len() >= at_once {
                broken = self.take(upload, part, &mut coming, &mut names).err();
            }
            if broken.is_some() {
                break;
            }
            match read(file, from, part.min(self.size - from)) {
                Ok(bytes) => {
                    let (object, upload) = (self.object.clone(), upload.to_owned());
                    let answer = self.store.put_part(object, upload, number, bytes);
                    coming.push_back((number, answer));
                    requests += 1;
                }
                Err(error) => {
                    broken = Some(Stopped::Here(Error::io("read", self.path, error)));
                }
            }
        }
        // Those that are on their way arrive also when one does not, and are noted.
        while !coming.is_empty() {
            let taken = self.take(upload, part, &mut coming, &mut names);
            broken = broken.or(taken.err());
        }
        if let Some(why) = broken {
            return Err(why);
        }
        let names = names.into_values().collect();
        let made = self
            .store
            .complete_upload(self.object.clone(), upload.to_owned(), names);
        match made {
            // It was made, and that was not heard.
            Err(error) if is_refused(&error) && self.is_there() => {}
            made => made?,
        }
        if let Some(notes) = self.notes {
            // What stays is refused the next time.
            let _ = fs::remove_file(notes);
        }
        Ok(requests)
    }

    /// Waits for the part that was sent first, and notes its name.
    fn take(
        &self,
        upload: &str,
        part: u64,
        coming: &mut VecDeque<(usize, Coming<String>)>,
        names: &mut BTreeMap<usize, String>,
    ) -> Result<(), Stopped> {
        if let Some((number, answer)) = coming.pop_front() {
            let name = answer.wait()?;
            self.note(upload, part, number, &name);
            names.insert(number, name);
        }
        Ok(())
    }

    fn is_there(&self) -> bool {
        let found = self.store.head(self.object.clone());
        found.is_ok_and(|found| found.size == self.size)
    }

    /// Notes a part that arrived. That it could not be noted costs sending it again.
    fn note(&self, upload: &str, part: u64, number: usize, name: &str) {
        let Some(path) = self.notes else { return };
        let note = Note {
            upload: upload.to_owned(),
            size: self.size,
            part,
            number,
            name: name.to_owned(),
        };
        let file = OpenOptions::new().append(true).create(true).open(path);
        if let (Ok(line), Ok(mut file)) = (serde_json::to_string(&note), file) {
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }
}

fn read(file: &File, from: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}

/// Whether the object store does not know an upload, or its parts, so that trying it again would be in vain.
fn is_refused(error: &object_store::Error) -> bool {
    let text = error.to_string();
    let answered = |status: &str| text.contains(&format!("status code: {status}"));
    matches!(error, object_store::Error::NotFound { .. })
        || ["400", "409", "410", "412"]
            .iter()
            .any(|status| answered(status))
}
