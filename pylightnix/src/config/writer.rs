//! Writes a config field by field, for generated code.

use serde::Serialize;
use std::cell::Cell;
use std::fmt;

use super::plain::{SELF_TAG, write_plain};
use super::text::{CanonicalText, Checkpoint};
use super::value_error::push_key;
use super::{ConfigJson, DRefId, Lists, Name};
use crate::Result;

/// The largest capacity, in bytes, of a buffer that is kept for the next config.
const KEPT_BYTES: usize = 16 << 10;

/// Writes a config's canonical JSON, in one pass into one buffer.
///
/// The text begins with `name`; the fields follow in the order of the calls. The caller writes each key once and never
/// writes `name`, which `#[derive(Config)]` ensures.
///
/// ```
/// use pylightnix::config::{ConfigWriter, DRefId, Name};
///
/// let params: DRefId = "dref:7c308bad0e7fa364790b71e6ffab924a-params".parse()?;
/// let mut config = ConfigWriter::new(&Name::new("anneal")?);
/// config.field("trace_xs").selfref("tracex.npy");
/// config.field("trace_fs").selfref("tracef.npy");
/// config.field("out").selfref("result.npy");
/// config.field("ref_params").dref(&params);
/// let config = config.finish();
///
/// assert_eq!(config.id().to_string(), "dref:aeeb4bea649e22497b49dfc1ec5ebedf-anneal");
/// assert_eq!(config.deps(), [params]);
/// # Ok::<(), pylightnix::Error>(())
/// ```
#[doc(hidden)]
pub struct ConfigWriter(State);

impl fmt::Debug for ConfigWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigWriter").finish_non_exhaustive()
    }
}

/// The buffers of a writer, which the next writer of the thread uses again.
#[derive(Default)]
struct Buffers {
    text: String,
    path: String,
    /// The hashes of what it depends on.
    deps: Vec<[u8; 16]>,
}

thread_local! {
    static SPARE: Cell<Option<Buffers>> = const { Cell::new(None) };
}

struct State {
    name: Name,
    text: CanonicalText,
    /// The path of the current value, for error messages.
    path: String,
    /// The hashes of what it depends on.
    deps: Vec<[u8; 16]>,
    /// The start of an item that has no value yet.
    pending: Option<Checkpoint>,
}

impl State {
    /// Begins an entry of an object. `path` is the length of the path of the object.
    fn begin_entry(&mut self, path: usize, key: &str) -> ValueWriter<'_> {
        self.drop_pending();
        self.path.truncate(path);
        push_key(&mut self.path, key);
        self.pending = Some(self.text.checkpoint());
        self.text.entry(key);
        ValueWriter(self)
    }

    fn begin_item(&mut self, path: usize, index: usize) -> ValueWriter<'_> {
        self.drop_pending();
        self.path.truncate(path);
        self.path.push('[');
        self.path.push_str(itoa::Buffer::new().format(index));
        self.path.push(']');
        self.pending = Some(self.text.checkpoint());
        self.text.item();
        ValueWriter(self)
    }

    /// Removes an item without a value, whose writer was dropped or failed.
    fn drop_pending(&mut self) {
        if let Some(checkpoint) = self.pending.take() {
            self.text.rewind(checkpoint);
        }
    }

    fn end_item(&mut self) {
        self.pending = None;
        self.text.end_item();
    }

    fn open(&mut self, bracket: char) {
        self.pending = None;
        self.text.open(bracket);
    }

    fn close(&mut self, bracket: char) {
        self.drop_pending();
        self.text.close(bracket);
        self.text.end_item();
    }
}

impl ConfigWriter {
    /// Begins a config with this name.
    pub fn new(name: &Name) -> Self {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        let Buffers { text, path, deps } = spare.unwrap_or_default();
        let mut text = CanonicalText::in_buffer(text);
        text.open('{');
        text.entry("name");
        text.name(name);
        text.end_item();
        ConfigWriter(State {
            name: name.clone(),
            text,
            path,
            deps,
            pending: None,
        })
    }

    /// Begins the next field.
    ///
    /// A field is left out if its value is not written or writing it fails.
    pub fn field(&mut self, key: &str) -> ValueWriter<'_> {
        self.0.begin_entry(0, key)
    }

    /// Returns the lists in the plain values written so far.
    pub(crate) fn lists(&self) -> Lists {
        self.0.text.lists
    }

    /// Finishes the config.
    pub fn finish(mut self) -> ConfigJson {
        self.0.drop_pending();
        self.0.text.close('}');
        let mut buffers = Buffers {
            text: self.0.text.into_string(),
            path: self.0.path,
            deps: self.0.deps,
        };
        let config = ConfigJson::new(self.0.name, &buffers.text, &mut buffers.deps);
        if buffers.text.capacity() <= KEPT_BYTES {
            buffers.text.clear();
            buffers.path.clear();
            buffers.deps.clear();
            // The thread-local is gone while the thread exits.
            let _ = SPARE.try_with(|spare| spare.set(Some(buffers)));
        }
        config
    }
}

/// Writes one value: of a field, an item of a list, or an entry of a map.
#[doc(hidden)]
#[must_use = "a field without a value is left out"]
pub struct ValueWriter<'a>(&'a mut State);

impl fmt::Debug for ValueWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueWriter").finish_non_exhaustive()
    }
}

impl<'a> ValueWriter<'a> {
    /// Serializes a plain value.
    ///
    /// | value | form |
    /// |---|---|
    /// | integers, to 128 bits | their digits |
    /// | `f64`, `f32` | the fewest digits that read back as the same value of that type, laid out as Python does |
    /// | strings, `char` | a string, ASCII with `\uXXXX` for the rest |
    /// | `Option` | `null`, or the value |
    /// | `()`, unit structs | `null` |
    /// | lists, sets, tuples | a list |
    /// | structs | an object in the declared order |
    /// | maps, structs with `#[serde(flatten)]` | an object, sorted by the UTF-8 bytes of the keys, as Python sorts strings |
    /// | enums | `"Variant"`, or `{"Variant": ..}`, unless serde's attributes say otherwise |
    ///
    /// # Errors
    /// The value holds NaN, an infinity, a byte string, a key that is neither a string nor a `char`, a duplicate key, more
    /// than 128 levels, a string that is a reference or a list that begins with `__self__` (which Pylightnix would read as a
    /// dependency or a promise), or its `Serialize` fails. The error names the path of the value in the config
    /// (`lr.schedule[3].rate`).
    pub fn plain<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        let state = self.0;
        write_plain(&mut state.text, value)
            .map_err(|fault| fault.in_config(&state.name, &state.path))?;
        state.end_item();
        Ok(())
    }

    /// Writes a promise: `["__self__", "a", "b"]` for the path `a/b`.
    pub fn selfref(self, path: &str) {
        self.0.open('[');
        self.0.text.item();
        self.0.text.verbatim(SELF_TAG);
        self.0.text.end_item();
        self.path_parts(path);
    }

    /// Writes `null`, for an `Option` that is `None`.
    pub fn null(self) {
        self.0.text.verbatim("null");
        self.0.end_item();
    }

    /// Writes a dependency: `"dref:.."`.
    pub fn dref(self, id: &DRefId) {
        self.0.text.dref(id);
        self.0.end_item();
        self.0.deps.push(*id.hash());
    }

    /// Writes an artifact of a dependency: `["dref:..", "a", "b"]` for the path `a/b`.
    pub fn refpath(self, id: &DRefId, path: &str) {
        self.0.open('[');
        self.0.text.item();
        self.0.text.dref(id);
        self.0.text.end_item();
        self.0.deps.push(*id.hash());
        self.path_parts(path);
    }

    /// Writes the parts of a path as the last items of a list, and closes it. An empty path has no parts.
    fn path_parts(self, path: &str) {
        for part in path.split('/').filter(|part| !part.is_empty()) {
            self.0.text.item();
            self.0.text.string(part);
            self.0.text.end_item();
            // A reader of the text takes this part for a dependency.
            if part.starts_with("dref:") {
                let dep = part.parse::<DRefId>().map(|dep| *dep.hash());
                self.0.deps.extend(dep);
            }
        }
        self.0.close(']');
    }

    /// Begins a list.
    pub fn list(self) -> ListWriter<'a> {
        self.0.open('[');
        ListWriter {
            path: self.0.path.len(),
            index: 0,
            state: self.0,
        }
    }

    /// Begins a map.
    pub fn map(self) -> MapWriter<'a> {
        self.0.open('{');
        MapWriter {
            path: self.0.path.len(),
            state: self.0,
        }
    }
}

/// A list that is being written; dropping it closes the list.
///
/// ```
/// # use pylightnix::config::{ConfigWriter, DRefId, Name};
/// # let runs: [DRefId; 1] = ["dref:7c308bad0e7fa364790b71e6ffab924a-params".parse()?];
/// let mut config = ConfigWriter::new(&Name::new("average")?);
/// let mut list = config.field("runs").list();
/// for run in &runs {
///     list.item().dref(run);
/// }
/// list.end();
/// assert_eq!(config.finish().deps(), runs);
/// # Ok::<(), pylightnix::Error>(())
/// ```
#[doc(hidden)]
pub struct ListWriter<'a> {
    state: &'a mut State,
    path: usize,
    index: usize,
}

impl fmt::Debug for ListWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListWriter")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl ListWriter<'_> {
    /// Begins the next item.
    pub fn item(&mut self) -> ValueWriter<'_> {
        let index = self.index;
        self.index += 1;
        self.state.begin_item(self.path, index)
    }

    /// Closes the list.
    pub fn end(self) {}
}

impl Drop for ListWriter<'_> {
    fn drop(&mut self) {
        self.state.close(']');
    }
}

/// A map that is being written; dropping it closes the map.
#[doc(hidden)]
pub struct MapWriter<'a> {
    state: &'a mut State,
    path: usize,
}

impl fmt::Debug for MapWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapWriter").finish_non_exhaustive()
    }
}

impl MapWriter<'_> {
    /// Begins the next entry. The caller writes the keys sorted and without duplicates, as a `BTreeMap` has them.
    pub fn entry(&mut self, key: &str) -> ValueWriter<'_> {
        self.state.begin_entry(self.path, key)
    }

    /// Closes the map.
    pub fn end(self) {}
}

impl Drop for MapWriter<'_> {
    fn drop(&mut self) {
        self.state.close('}');
    }
}
