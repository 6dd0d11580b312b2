//! From where parameters take their values.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use super::definition::PREFIX;
use super::document::Document;
use super::resolved::ResolvedParams;
use super::{ParamList, Params, faults, resolve};
use crate::Result;

/// The files of parameters that are read if they are in the working directory.
const USUAL: &[&str] = &[
    "params.toml",
    "params.json",
    #[cfg(feature = "yaml")]
    "params.yaml",
];

/// From where the parameters of an experiment take their values. What is read, is read once, when it is named here.
///
/// A value counts before those of the lines above it:
///
/// 1. the default in the program,
/// 2. the [file](Self::file), in TOML, JSON, or YAML,
/// 3. a [profile](Self::profile) of the file, `[profile.quick]`,
/// 4. the [environment](Self::environment): `PYLIGHTNIX_PARAM_TRAIN__RATE` sets `train.rate`,
/// 5. what is [set](Self::set).
///
/// A key that no parameter has is an error wherever it is, and so is a value that does not fit the type of its parameter.
///
/// ```
/// use pylightnix::experiment::{Origin, ParamSources};
/// use pylightnix::prelude::*;
///
/// #[derive(Params)]
/// struct Settings {
///     #[param(default = 3)]
///     clusters: usize,
///     #[param(default = 0.1)]
///     rate: f64,
/// }
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let file = folder.path().join("params.toml");
/// std::fs::write(&file, "clusters = 4\n\n[profile.quick]\nclusters = 2\nrate = 1\n").unwrap();
/// let given = ParamSources::new().file(&file)?.profile("quick").set("rate", "0.5");
/// let resolved = given.resolve::<Settings>()?;
/// let settings: Settings = resolved.read()?;
/// assert_eq!((settings.clusters, settings.rate), (2, 0.5));
/// let of_clusters = resolved.iter().next().unwrap();
/// assert!(matches!(&of_clusters.origin, Origin::Profile { profile, line: 4, .. } if profile == "quick"));
///
/// let error = ParamSources::new().set("clustres", "3").resolve::<Settings>().unwrap_err();
/// assert_eq!(error.to_string(), "set: there is no parameter `clustres`");
/// assert_eq!(error.help(), Some("did you mean `clusters`?"));
/// # Ok::<(), pylightnix::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is resolved before `resolve`"]
pub struct ParamSources {
    pub(super) documents: Vec<Arc<Document>>,
    pub(super) profiles: Vec<String>,
    pub(super) variables: Vec<(String, OsString)>,
    pub(super) set: Vec<SetText>,
}

/// A value that is set.
#[derive(Clone, Debug)]
pub(super) struct SetText {
    pub(super) by: String,
    pub(super) key: String,
    pub(super) text: String,
}

impl ParamSources {
    /// Creates sources that give nothing: all parameters have their defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates the sources of a program that says nothing of them: the [usual file](Self::usual_file) and the environment.
    ///
    /// # Errors
    /// The file cannot be read, or several are there.
    pub fn usual() -> Result<Self> {
        Ok(Self::new().usual_file()?.environment())
    }

    /// Adds the file `params.toml` or `params.json` in the working directory, if there is one; with the feature `yaml`,
    /// `params.yaml` too.
    ///
    /// # Errors
    /// The file cannot be read, or several are there.
    pub fn usual_file(self) -> Result<Self> {
        let mut there = USUAL.iter().map(Path::new).filter(|path| path.exists());
        match (there.next(), there.next()) {
            (Some(one), Some(other)) => Err(faults::two_files(one, other)),
            (Some(only), None) => self.file(only),
            (None, _) => Ok(self),
        }
    }

    /// Adds a file: JSON if its name ends in `.json`, YAML if it ends in `.yaml` or `.yml` (with the feature `yaml`), else TOML. Of
    /// several files, the last one counts most.
    ///
    /// # Errors
    /// The file cannot be read, or is not in that language.
    pub fn file(mut self, path: impl AsRef<Path>) -> Result<Self> {
        let document = Document::read(path.as_ref())?;
        self.documents.push(Arc::new(document));
        Ok(self)
    }

    /// Lets the values of a profile count, which is the table `[profile.NAME]` of a file. Of several profiles, the last one counts
    /// most.
    pub fn profile(mut self, name: &str) -> Self {
        self.profiles.push(name.to_owned());
        self
    }

    /// Adds the environment variables that begin with `PYLIGHTNIX_PARAM_`. What follows is the key in capitals, with `__` for a
    /// dot and `_` for `-`. Values are texts, as in [`set`](Self::set).
    pub fn environment(self) -> Self {
        self.variables(env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((name, value))
        }))
    }

    /// Adds the variables among these that begin with `PYLIGHTNIX_PARAM_`.
    fn variables(mut self, variables: impl Iterator<Item = (String, OsString)>) -> Self {
        let named = variables.filter(|(name, _)| name.starts_with(PREFIX));
        self.variables.extend(named);
        self.variables.sort();
        self
    }

    /// Sets a parameter to what a text says: as JSON or TOML if that fits its type (`0.1`, `[64, 32]`, `true`, `null` for an `Option`),
    /// else to the text itself. The last value that is set counts.
    pub fn set(self, key: &str, text: &str) -> Self {
        self.set_by("set", key, text)
    }

    /// As [`set`](Self::set); `by` says what sets it, for messages.
    #[doc(hidden)]
    pub fn set_by(mut self, by: &str, key: &str, text: &str) -> Self {
        let (by, key, text) = (by.to_owned(), key.to_owned(), text.to_owned());
        self.set.push(SetText { by, key, text });
        self
    }

    /// Returns the names of the profiles in the files.
    pub fn profiles(&self) -> Vec<String> {
        let documents = self.documents.iter();
        documents.flat_map(|document| document.profiles()).collect()
    }

    /// Gives each parameter the value that counts.
    ///
    /// # Errors
    /// Something is given that no parameter has or that does not fit its parameter, or a parameter without a default has no value. Of
    /// several such mistakes, all are told: [`Error::parts`](crate::Error::parts).
    pub fn resolve<P: Params>(&self) -> Result<ResolvedParams> {
        self.resolve_list(&ParamList::of::<P>())
    }

    /// As [`resolve`](Self::resolve), for parameters whose struct is not known.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_list(&self, list: &ParamList) -> Result<ResolvedParams> {
        resolve::resolve(list, self)
    }
}
