//! An artifact, as what it is.

use serde_json::Value;
use std::fs::File;

use super::{Array, CsvTable, Query, Reader};
use crate::exit::CommandResult;
use pylightnix::config::RRefId;
use pylightnix::store::{Entry, EntryKind};
use std::io::Read as _;

/// The most bytes of a file that are read to show it.
const MOST: u64 = 64 << 20;
/// The most bytes of a text that are shown.
const TEXT: usize = 256 << 10;
/// The most bytes of JSON that is shown as a tree.
const JSON: usize = 1 << 20;

/// A file or folder among the artifacts of a realization.
pub(crate) struct Artifact {
    pub(crate) rref: RRefId,
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) content: Content,
}

/// What an artifact is.
pub(crate) enum Content {
    /// Its entries, with their paths from the root.
    Folder(Vec<Entry>),
    /// An image that browsers know. Scripts in an SVG do not run, as it is shown as an image.
    Image,
    /// A text, and the number of bytes that are left out behind it.
    Text(String, u64),
    Json(Value),
    Markdown(String),
    Csv(CsvTable),
    Array(Array),
    /// A page, which is shown in a sandbox.
    Html,
    /// A link to elsewhere in the tree.
    Link(String),
    /// Nothing that can be shown, with the reason.
    Other(String),
}

impl Artifact {
    pub(crate) fn read(
        reader: &Reader,
        rref: &RRefId,
        path: &str,
        query: &Query,
    ) -> CommandResult<Self> {
        let record = reader.store.record(rref)?;
        let entries = record.manifest().entries();
        let found = entries.iter().find(|entry| entry.path == path);
        let Some(entry) = found else {
            let text = format!("{rref} has no artifact `{path}`");
            return Err(pylightnix::Error::new(pylightnix::ErrorKind::Missing, text).into());
        };
        let (size, content) = match &entry.kind {
            EntryKind::Dir => {
                let below = format!("{path}/");
                let inside = entries
                    .iter()
                    .filter(|entry| entry.path.starts_with(&below));
                (0, Content::Folder(inside.cloned().collect()))
            }
            EntryKind::Link { target } => (0, Content::Link(target.clone())),
            EntryKind::File { size, .. } => (*size, content(reader, rref, path, *size, query)?),
            _ => (
                0,
                Content::Other("a kind that this version does not know".to_owned()),
            ),
        };
        Ok(Artifact {
            rref: rref.clone(),
            path: path.to_owned(),
            size,
            content,
        })
    }

    /// Opens the file of an artifact, which its record has to name.
    pub(crate) fn file(reader: &Reader, rref: &RRefId, path: &str) -> CommandResult<File> {
        let record = reader.store.record(rref)?;
        let mut entries = record.manifest().entries().iter();
        let is_it =
            |entry: &Entry| entry.path == path && matches!(entry.kind, EntryKind::File { .. });
        match entries.any(is_it) {
            true => {
                reader.store.expect_files(rref)?;
                Ok(reader.open(rref, path)?.1)
            }
            false => {
                let text = format!("{rref} has no file `{path}`");
                Err(pylightnix::Error::new(pylightnix::ErrorKind::Missing, text).into())
            }
        }
    }
}

/// Returns the extension of a path, in lower case.
fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.')
        .map_or_else(String::new, |(_, end)| end.to_ascii_lowercase())
}

/// Returns whether the name of a file is that of a picture which is shown beside others.
pub(crate) fn is_picture(path: &str) -> bool {
    let pictures = ["png", "jpg", "jpeg", "gif", "webp", "svg"];
    pictures.contains(&extension(path).as_str())
}

fn content(
    reader: &Reader,
    rref: &RRefId,
    path: &str,
    size: u64,
    query: &Query,
) -> CommandResult<Content> {
    let extension = extension(path);
    match extension.as_str() {
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" | "avif" | "bmp" => {
            return Ok(Content::Image);
        }
        "html" | "htm" => return Ok(Content::Html),
        _ if size > MOST => {
            let text = "it is above 64 MiB, which is too large to be shown".to_owned();
            return Ok(Content::Other(text));
        }
        _ => {}
    }
    let file = Artifact::file(reader, rref, path)?;
    let mut bytes = Vec::new();
    file.take(MOST)
        .read_to_end(&mut bytes)
        .map_err(|error| pylightnix::Error::io("read", path.as_ref(), error))?;
    Ok(match extension.as_str() {
        "npy" => match Array::parse(&bytes) {
            Ok(array) => Content::Array(array),
            Err(why) => Content::Other(why),
        },
        "csv" | "tsv" => {
            let between = if extension == "csv" { b',' } else { b'\t' };
            match CsvTable::read(&bytes, between, query.number("page", 1)) {
                Ok(table) => Content::Csv(table),
                Err(_) => text(&bytes),
            }
        }
        "md" | "markdown" if bytes.len() <= TEXT => match String::from_utf8(bytes) {
            Ok(text) => Content::Markdown(text),
            Err(error) => text(error.as_bytes()),
        },
        "json" if bytes.len() <= JSON => match serde_json::from_slice(&bytes) {
            Ok(value) => Content::Json(value),
            Err(_) => text(&bytes),
        },
        _ => text(&bytes),
    })
}

/// Returns bytes as text, unless they are none.
fn text(bytes: &[u8]) -> Content {
    if bytes.is_empty() {
        return Content::Text(String::new(), 0);
    }
    let mut shown = &bytes[..bytes.len().min(TEXT)];
    if let Err(error) = std::str::from_utf8(shown)
        && error.error_len().is_none()
    {
        // A character is cut.
        shown = &shown[..error.valid_up_to()];
    }
    match std::str::from_utf8(shown) {
        Ok(text) if !text.contains('\0') => {
            Content::Text(text.to_owned(), (bytes.len() - shown.len()) as u64)
        }
        _ => Content::Other("it is not text".to_owned()),
    }
}
