//! Values from the program as derivations.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::sync::Arc;

use crate::config::{Digest, Name};
use crate::lens::SelfRef;
use crate::lens::format::{Format, Opaque};
use crate::plan::{DRef, instantiate_as};
use crate::store::check_path;
use crate::store::regular;
use crate::{BoxError, Config, Error, ErrorKind, Result, stage};

/// The path of the artifact in `out/`.
const CONTENT: &str = "content";

/// The config of a value or of files from the program, made by [`node`] and [`node_files`].
///
/// Its identity is its name, the SHA-256 digest of each file, and its fields.
#[derive(Config)]
pub struct Given<F: 'static = Opaque> {
    /// The value, or the folder of files.
    #[selfref("content")]
    pub out: SelfRef<F>,
    /// The SHA-256 digest of each file, by its path relative to `out/`.
    files: BTreeMap<String, Digest>,
    /// Fields of one's own.
    #[config(default, omit_default)]
    pub fields: BTreeMap<String, Value>,
    #[config(default, unhashed)]
    contents: Contents,
}

impl<F: 'static> fmt::Debug for Given<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// The contents of the files, by their paths.
#[derive(Clone, Default)]
struct Contents(Arc<BTreeMap<String, Vec<u8>>>);

/// Makes a derivation from a value of the program, without a stage of your own.
///
/// `name` is the name of the derivation. `F` is the format of the artifact `out`. The value is written immediately and kept
/// in memory until it is realized, so use [`file`](super::file()) for large data.
///
/// ```standalone_crate
/// use pylightnix::prelude::*;
/// use pylightnix::stages::{Given, node};
///
/// #[derive(Config)]
/// struct Sum {
///     #[selfref("sum.json")]
///     out: SelfRef<Json<f64>>,
///     #[dref]
///     terms: DRef<Given<Json<Vec<f64>>>>,
/// }
///
/// #[stage]
/// fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
///     let terms = b.terms.out.load()?;
///     Ok(SumOutputs { out: b.out.save(&terms.iter().sum())? })
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("store"))?;
/// let terms = node::<Json<_>>("terms", &vec![1.5, 2.5])?;
/// let sum = store.realize(&instantiate(Sum::new(terms))?)?;
/// assert_eq!(sum.out.load()?, 4.0);
///
/// let greeting = node::<Text>("greeting", "hello\n")?;
/// assert_eq!(store.realize(&greeting)?.out.load()?, "hello\n");
/// # Ok(()) }
/// ```
///
/// # Errors
/// The name is not valid, the format cannot write the value or writes more than one file, or the file cannot be written to
/// the system's folder for temporary files.
pub fn node<F: Format>(name: &str, value: &F::View) -> Result<DRef<Given<F>>> {
    node_with::<F, &str, Value>(name, value, [])
}

/// Makes a derivation from a value like [`node`], with fields of your own in its config: they are part of its identity, and stand in the
/// store as those of any config.
///
/// ```
/// use pylightnix::prelude::*;
/// use pylightnix::stages::node_with;
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("store"))?;
/// let words = node_with::<Text, _, _>("words", "one two", [("language", "en"), ("source", "by hand")])?;
/// let made = store.realize(&words)?;
/// assert_eq!(made.fields["source"], "by hand");
/// assert_eq!(store.lens(&made)?.get("fields.language")?.value::<String>()?, "en");
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`node`], and if a field is given twice.
pub fn node_with<F: Format, K, V>(
    name: &str,
    value: &F::View,
    fields: impl IntoIterator<Item = (K, V)>,
) -> Result<DRef<Given<F>>>
where
    K: Into<String>,
    V: Into<Value>,
{
    let name = Name::new(name)?;
    let mut all = BTreeMap::new();
    for (key, value) in fields {
        let key = key.into();
        if all.insert(key.clone(), value.into()).is_some() {
            let message = format!("the field {key:?} of the node `{name}` is given twice");
            return Err(Error::new(ErrorKind::Config, message).with_help("give each field once"));
        }
    }
    let bytes = written::<F>(value).map_err(|cause| {
        Error::new(
            ErrorKind::Artifact,
            format!("cannot write the value of the node `{name}`"),
        )
        .because_refused(cause)
    })?;
    given(&name, BTreeMap::from([(CONTENT.to_owned(), bytes)]), all)
}

/// Makes a derivation from files of the program. The artifact `out` is a folder with these files, given by their relative
/// paths.
///
/// ```standalone_crate
/// use pylightnix::prelude::*;
/// use pylightnix::stages::node_files;
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("store"))?;
/// let page = node_files("page", [("index.html", "<h1>hello</h1>"), ("style/plain.css", "")])?;
/// let made = store.realize(&page)?;
/// assert!(made.out.path().join("style/plain.css").is_file());
///
/// let index: RefPath<Text> = page.out.join("index.html")?; // for the config of another stage
/// # assert_eq!(index.path(), "content/index.html");
/// # Ok(()) }
/// ```
///
/// # Errors
/// The name is not valid; or a path is absolute, has an empty part, `.` or `..`, is given twice, or is both a file and a
/// folder.
pub fn node_files<P, B>(name: &str, files: impl IntoIterator<Item = (P, B)>) -> Result<DRef<Given>>
where
    P: Into<String>,
    B: Into<Vec<u8>>,
{
    let name = Name::new(name)?;
    let mut contents = BTreeMap::new();
    let fault = |path: &str, problem: &str| {
        Error::new(
            ErrorKind::Config,
            format!("the file {path:?} of the node `{name}` {problem}"),
        )
        .with_help("give each file once, by its relative path, with single `/` between names")
    };
    for (path, bytes) in files {
        let path: String = path.into();
        let place = format!("{CONTENT}/{path}");
        check_path(&place).map_err(|problem| fault(&path, &problem))?;
        if contents.insert(place, bytes.into()).is_some() {
            return Err(fault(&path, "is given twice"));
        }
    }
    for place in contents.keys() {
        let parents = place.match_indices('/').map(|(at, _)| &place[..at]);
        if let Some(parent) = parents.into_iter().find(|at| contents.contains_key(*at)) {
            let path = &parent[CONTENT.len() + 1..];
            return Err(fault(path, "is also a folder"));
        }
    }
    given(&name, contents, BTreeMap::new())
}

fn given<F: 'static>(
    name: &Name,
    contents: BTreeMap<String, Vec<u8>>,
    fields: BTreeMap<String, Value>,
) -> Result<DRef<Given<F>>> {
    let digests = contents
        .iter()
        .map(|(path, bytes)| (path.clone(), Digest::of(bytes)))
        .collect();
    let config = Given {
        contents: Contents(Arc::new(contents)),
        fields,
        ..Given::new(digests)
    };
    instantiate_as(name, config)
}

/// Returns the bytes that a format writes for a value.
fn written<F: Format>(value: &F::View) -> Result<Vec<u8>, BoxError> {
    let folder = std::env::temp_dir().join(format!("pylightnix-{}", uuid::Uuid::now_v7()));
    fs::create_dir(&folder).map_err(|error| Error::io("create the folder", &folder, error))?;
    let path = folder.join(CONTENT);
    let bytes = F::write(value, &path).and_then(|()| Ok(regular::read(&path)?));
    let removed = fs::remove_dir_all(&folder);
    let bytes = bytes?;
    removed.map_err(|error| Error::io("remove", &folder, error))?;
    Ok(bytes)
}

#[stage(name = "node", version = 1)]
fn give<F: 'static>(b: &crate::lens::Build<Given<F>>) -> Result<()> {
    let Contents(contents) = &b.contents;
    if b.files.is_empty() {
        fs::create_dir(b.out.path())
            .map_err(|error| Error::io("create the folder", b.out.path(), error))?;
    }
    for (place, digest) in &b.files {
        let path = b.path().join(place);
        let known = contents.get(place);
        let Some(bytes) = known.filter(|bytes| Digest::of(bytes) == *digest) else {
            return Err(Error::new(
                ErrorKind::Stage,
                format!(
                    "this process does not have the content of {}",
                    path.display()
                ),
            )
            .with_help(
                "make the node with `node` or `node_files` in the program that realizes it",
            ));
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .map_err(|error| Error::io("create the folder", folder, error))?;
        }
        fs::write(&path, bytes).map_err(|error| Error::io("write", &path, error))?;
    }
    Ok(())
}

/// Serializes the contents as hex digits, for another process that realizes the node.
impl Serialize for Contents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hex =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        serializer.collect_map(self.0.iter().map(|(path, bytes)| (path, hex(bytes))))
    }
}

impl<'de> Deserialize<'de> for Contents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| -> Option<Vec<u8>> {
            let digits: Option<Vec<u8>> = text
                .chars()
                .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
                .collect();
            let (pairs, rest) = digits.as_ref()?.as_chunks::<2>();
            rest.is_empty()
                .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
        };
        let texts = BTreeMap::<String, String>::deserialize(deserializer)?;
        let contents = texts.into_iter().map(|(path, text)| {
            let bytes = read(&text).ok_or_else(|| D::Error::custom("not pairs of hex digits"))?;
            Ok((path, bytes))
        });
        Ok(Contents(Arc::new(contents.collect::<Result<_, _>>()?)))
    }
}
