//! Untyped access to the fields of derivations and realizations.

use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Reference;
use super::number::not_json;
use super::reference::sealed::Asked as _;
use crate::config::{
    ConfigJson, DRefId, FieldPath, PathStep, RRefId, RawValue, joined, list_names,
};
use crate::store::disk::regular;
use crate::store::{Context, Store};
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Returns an untyped view of a realization or derivation, for tools and notebooks that know the names of fields but not
    /// their types. [`open`](Self::open) is the typed equivalent.
    ///
    /// A path consists of field names separated by dots. It can lead through dependencies, to the chosen realizations if it
    /// starts at a realization; into lists and objects; and into artifacts: folders by file names, and JSON files by keys.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # use pylightnix::store::Lens;
    /// # #[derive(Config)] pub struct Words { #[selfref("words.txt")] out: SelfRef<Text>, text: String }
    /// # #[stage] fn words(b: &Build<Words>) -> Result<WordsOutputs> { Ok(WordsOutputs { out: b.out.save(&b.text)? }) }
    /// # #[derive(Config)] pub struct Count { #[selfref("n.json")] out: SelfRef<Json<Vec<usize>>>, #[dref] words: DRef<Words> }
    /// # #[stage] fn count(b: &Build<Count>) -> Result<CountOutputs> { Ok(CountOutputs { out: b.out.save(&vec![2, 3])? }) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # let words = instantiate(Words::new("a b".to_owned()))?;
    /// let count = store.realize(&instantiate(Count::new(words))?)?;
    /// let lens = store.lens(&count)?;
    /// assert_eq!(lens.names()?, ["out", "words"]);
    /// assert_eq!(lens.get("words.text")?.value::<String>()?, "a b");
    /// assert_eq!(lens.get("words.out")?.contents()?, "a b"); // the artifact of the dependency
    /// assert_eq!(lens.get("out[1]")?.value::<usize>()?, 3); // into a JSON artifact
    /// assert_eq!(lens.get("words")?.rref()?, *count.words.id());
    ///
    /// let error = lens.get("words.outt").unwrap_err();
    /// assert!(error.to_string().ends_with("there is no `words.outt`: there is `out`, `text`"));
    /// # Ok(()) }
    /// ```
    ///
    /// A derivation of a plan need not be in the store: its config, and those of its dependencies, are those of the plan.
    ///
    /// # Errors
    /// Fails if it is not in the store and is no derivation of a plan, if it is corrupt, or if a system call fails.
    pub fn lens<R: Reference>(&self, of: &R) -> Result<Lens> {
        let id = of.reference();
        let place = match id.realization() {
            Some(rref) => Place::realized(self, rref)?,
            None => {
                let mut configs = HashMap::new();
                of.each_config(&mut |config| {
                    configs.insert(config.id().clone(), config.clone());
                });
                Place::planned(self, id.derivation(), &Arc::new(configs))?
            }
        };
        Ok(Lens {
            store: self.clone(),
            root: id.to_string().into(),
            path: String::new(),
            place,
        })
    }
}

/// An untyped view of a part of a derivation or realization; see [`Store::lens`].
#[derive(Clone)]
pub struct Lens {
    store: Store,
    /// The starting point, for messages.
    root: Arc<str>,
    /// The path from the starting point.
    path: String,
    place: Place,
}

/// What a lens views.
#[derive(Clone)]
enum Place {
    /// A stage as a whole.
    Stage(Arc<ConfigOwner>),
    /// The chosen realizations of a dependency, of which there are several.
    Several(Arc<[RRefId]>),
    /// A plain value in a config.
    Value(Arc<ConfigOwner>, Box<RawValue>),
    /// A file or folder.
    Artifact {
        dref: DRefId,
        /// The realization; `None` if the derivation is not realized.
        rref: Option<RRefId>,
        path: String,
    },
    /// A value in a JSON artifact.
    Inside(PathBuf, Box<RawValue>),
}

/// The stage that a config belongs to.
struct ConfigOwner {
    config: ConfigJson,
    /// The realization; `None` if the derivation is not realized.
    realized: Option<(RRefId, Context)>,
    /// The configs of the plan that the derivation is from, if it is not realized.
    planned: Planned,
}

/// The configs of a plan, which need not be in the store.
type Planned = Arc<HashMap<DRefId, ConfigJson>>;

impl Place {
    fn planned(store: &Store, dref: &DRefId, planned: &Planned) -> Result<Self> {
        let config = match planned.get(dref) {
            Some(config) => config.clone(),
            None => store.config(dref)?,
        };
        Ok(Place::Stage(Arc::new(ConfigOwner {
            config,
            realized: None,
            planned: planned.clone(),
        })))
    }

    fn realized(store: &Store, rref: &RRefId) -> Result<Self> {
        // Protects it from garbage collection.
        store.use_derivations([rref.dref()])?;
        let realized = Some((rref.clone(), store.head(rref)?.context));
        let config = store.config(rref.dref())?;
        Ok(Place::Stage(Arc::new(ConfigOwner {
            config,
            realized,
            planned: Planned::default(),
        })))
    }

    /// Resolves a value in a config.
    fn of_value(store: &Store, home: &Arc<ConfigOwner>, value: &RawValue) -> Result<Self> {
        match ConfigValue::of(value) {
            ConfigValue::Plain => Ok(Place::Value(home.clone(), value.to_owned())),
            ConfigValue::Dependency(dref) => match &home.realized {
                None => Place::planned(store, &dref, &home.planned),
                Some((_, context)) => match context.get(&dref) {
                    [one] => Place::realized(store, one),
                    several => Ok(Place::Several(several.into())),
                },
            },
            ConfigValue::Promise(path) => Ok(Place::Artifact {
                dref: home.config.id().clone(),
                rref: home.realized.as_ref().map(|(rref, _)| rref.clone()),
                path,
            }),
            ConfigValue::Of(dref, path) => Ok(Place::Artifact {
                rref: match home
                    .realized
                    .as_ref()
                    .map(|(_, context)| context.get(&dref))
                {
                    Some([one]) => Some(one.clone()),
                    _ => None,
                },
                dref,
                path,
            }),
        }
    }

    fn what(&self) -> String {
        match self {
            Place::Stage(home) => match home.realized {
                Some(_) => "a realization".to_owned(),
                None => "a derivation".to_owned(),
            },
            Place::Several(rrefs) => format!("{} realizations of a dependency", rrefs.len()),
            Place::Value(..) => "a plain value".to_owned(),
            Place::Artifact { rref, .. } => match rref {
                Some(_) => "an artifact".to_owned(),
                None => {
                    "an artifact of a derivation, and no realization of it is chosen".to_owned()
                }
            },
            Place::Inside(path, _) => format!("a value in {}", path.display()),
        }
    }
}

/// Resolves a value in a config.
enum ConfigValue {
    Plain,
    /// `"dref:.."`
    Dependency(DRefId),
    /// `["__self__", "a", "b"]`
    Promise(String),
    /// `["dref:..", "a", "b"]`
    Of(DRefId, String),
}

impl ConfigValue {
    fn of(value: &RawValue) -> Self {
        if let Ok(text) = serde_json::from_str::<String>(value.get()) {
            return match text.parse() {
                Ok(dref) => ConfigValue::Dependency(dref),
                Err(_) => ConfigValue::Plain,
            };
        }
        let Ok(parts) = serde_json::from_str::<Vec<String>>(value.get()) else {
            return ConfigValue::Plain;
        };
        let Some((first, path)) = parts.split_first() else {
            return ConfigValue::Plain;
        };
        if first == "__self__" {
            return ConfigValue::Promise(path.join("/"));
        }
        // A list of several references is a list of dependencies.
        match (first.parse(), path.first()) {
            (Ok(dref), Some(name)) if name.parse::<DRefId>().is_err() => {
                ConfigValue::Of(dref, path.join("/"))
            }
            _ => ConfigValue::Plain,
        }
    }
}

impl Lens {
    /// Follows a path: names separated by dots, `[3]` or `.3` for an item of a list or one of several realizations, `["a.txt"]`
    /// for a name with special characters.
    ///
    /// Fails if the path leads nowhere; the message says how far it goes and which names exist there. Also fails if the path is
    /// malformed, if a dependency is not in the store, or if a system call fails.
    pub fn get(&self, way: &str) -> Result<Lens> {
        let mut lens = self.clone();
        for step in FieldPath::parse(way)?.steps() {
            lens = lens.step(step)?;
        }
        Ok(lens)
    }

    /// Follows a path like [`get`](Self::get), but returns `None` if it leads nowhere.
    ///
    /// # Errors
    /// As [`get`](Self::get), except for that case.
    pub fn opt(&self, way: &str) -> Result<Option<Lens>> {
        match self.get(way) {
            Ok(lens) => Ok(Some(lens)),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn step(&self, step: &PathStep) -> Result<Lens> {
        let path = joined(&self.path, step);
        let nothing = |there: String| {
            let message = format!("in {}, there is no `{path}`: {there}", self.root);
            Error::new(ErrorKind::Missing, message)
        };
        let place = match &self.place {
            Place::Stage(home) => {
                let found = step.take(home.config.raw()?).map_err(|_| {
                    nothing(list_names(self.fields(home).iter().map(String::as_str)))
                })?;
                Place::of_value(&self.store, home, found)?
            }
            Place::Several(rrefs) => {
                let rref = step.index().and_then(|at| rrefs.get(at));
                let rref = rref.ok_or_else(|| {
                    nothing(format!(
                        "there are {} realizations: choose one by its index, as in `[0]`",
                        rrefs.len()
                    ))
                })?;
                Place::realized(&self.store, rref)?
            }
            Place::Value(home, value) => {
                let found = step.take(value).map_err(nothing)?;
                Place::of_value(&self.store, home, found)?
            }
            Place::Artifact { dref, rref, path } => {
                let at = self.path()?;
                if !at.is_dir() {
                    let inside = json_of(&at)?;
                    let found = step.take(&inside).map_err(nothing)?;
                    Place::Inside(at, found.to_owned())
                } else {
                    let names = names_in(&at)?;
                    let PathStep::Key(name) = step else {
                        return Err(nothing(list_names(names.iter().map(String::as_str))));
                    };
                    if !names.contains(name) {
                        return Err(nothing(list_names(names.iter().map(String::as_str))));
                    }
                    Place::Artifact {
                        dref: dref.clone(),
                        rref: rref.clone(),
                        path: format!("{path}/{name}"),
                    }
                }
            }
            Place::Inside(file, value) => {
                let found = step.take(value).map_err(nothing)?;
                Place::Inside(file.clone(), found.to_owned())
            }
        };
        Ok(Lens {
            store: self.store.clone(),
            root: self.root.clone(),
            path,
            place,
        })
    }

    fn fields(&self, home: &ConfigOwner) -> Vec<String> {
        let fields = home.config.fields().map(|fields| {
            let keys = fields.rest();
            keys.map(|key| key.into_owned()).collect()
        });
        fields.unwrap_or_default()
    }

    /// Returns the names by which a path can continue from here: fields, keys, positions in a list, files in a folder. Empty
    /// for a scalar value.
    ///
    /// # Errors
    /// Fails if an artifact cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let of_value = |value: &RawValue| {
            let names = crate::config::names_inside(value);
            names.unwrap_or_default()
        };
        match &self.place {
            Place::Stage(home) => Ok(self.fields(home)),
            Place::Several(rrefs) => Ok((0..rrefs.len()).map(|at| at.to_string()).collect()),
            Place::Value(_, value) | Place::Inside(_, value) => Ok(of_value(value)),
            Place::Artifact { .. } => {
                let at = self.path()?;
                match at.is_dir() {
                    true => names_in(&at),
                    // A file that is not JSON has no names inside.
                    false => Ok(json_of(&at).map(|json| of_value(&json)).unwrap_or_default()),
                }
            }
        }
    }

    /// Deserializes the value of a field, of a whole config, or in a JSON artifact.
    ///
    /// # Errors
    /// Fails if this is not a value, or not a `T`.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T> {
        let json = match &self.place {
            Place::Stage(home) => home.config.raw()?.to_owned(),
            Place::Value(_, value) | Place::Inside(_, value) => value.clone(),
            Place::Artifact { .. } => json_of(&self.path()?)?,
            Place::Several(_) => return Err(self.is_not("a value")),
        };
        serde_json::from_str(json.get()).map_err(|error| {
            let message = format!(
                "in {}, `{}` is not a `{}`",
                self.root,
                self.path,
                std::any::type_name::<T>()
            );
            Error::new(ErrorKind::Config, message).because(error)
        })
    }

    /// Returns the path of an artifact, or of a realization's artifact folder.
    ///
    /// # Errors
    /// Fails for anything else, and for an artifact without a chosen realization.
    pub fn path(&self) -> Result<PathBuf> {
        match &self.place {
            Place::Stage(home) => match &home.realized {
                Some((rref, _)) => {
                    self.store.expect_files(rref)?;
                    Ok(self.store.out_dir(rref))
                }
                None => Err(self.is_not("a path")),
            },
            Place::Artifact {
                rref: Some(rref),
                path,
                ..
            } => {
                self.store.expect_files(rref)?;
                Ok(self.store.out_dir(rref).join(path))
            }
            Place::Inside(path, _) => Ok(path.clone()),
            _ => Err(self.is_not("a path")),
        }
    }

    /// Reads the text of an artifact.
    ///
    /// # Errors
    /// Fails if there is no [`path`](Self::path), or if it is a folder, is not UTF-8 or cannot be read.
    pub fn contents(&self) -> Result<String> {
        let path = self.path()?;
        regular::read_to_string(&path).map_err(|error| Error::io("read", &path, error))
    }

    /// Returns the realization: this one, the one chosen for this dependency, or the owner of this artifact.
    ///
    /// # Errors
    /// Fails for a plain value, for several realizations, and for something that is not realized.
    pub fn rref(&self) -> Result<RRefId> {
        match &self.place {
            Place::Stage(home) => home.realized.as_ref().map(|(rref, _)| rref.clone()),
            Place::Artifact { rref, .. } => rref.clone(),
            _ => None,
        }
        .ok_or_else(|| self.is_not("a realization"))
    }

    /// Returns the realizations chosen for this dependency, sorted, or [the only one](Self::rref).
    ///
    /// # Errors
    /// Fails for a plain value and for something that is not realized.
    pub fn rrefs(&self) -> Result<Vec<RRefId>> {
        match &self.place {
            Place::Several(rrefs) => Ok(rrefs.to_vec()),
            _ => Ok(vec![self.rref()?]),
        }
    }

    /// Returns the derivation: this one, that of this dependency, or the owner of this artifact.
    ///
    /// # Errors
    /// Fails for a plain value.
    pub fn dref(&self) -> Result<DRefId> {
        match &self.place {
            Place::Stage(home) => Some(home.config.id().clone()),
            Place::Several(rrefs) => rrefs.first().map(|rref| rref.dref().clone()),
            Place::Artifact { dref, .. } => Some(dref.clone()),
            Place::Value(..) | Place::Inside(..) => None,
        }
        .ok_or_else(|| self.is_not("a derivation"))
    }

    /// Returns the derivation that owns an artifact, and the path in `out/`.
    ///
    /// # Errors
    /// Fails for anything else.
    pub fn refpath(&self) -> Result<(DRefId, String)> {
        match &self.place {
            Place::Artifact { dref, path, .. } => Ok((dref.clone(), path.clone())),
            _ => Err(self.is_not("an artifact")),
        }
    }

    /// Returns the closure of [the realization](Self::rref), dependencies first: [`Store::closure`].
    ///
    /// # Errors
    /// As [`rref`](Self::rref) and [`Store::closure`].
    pub fn closure(&self) -> Result<Vec<RRefId>> {
        self.store.closure(&self.rref()?)
    }

    fn is_not(&self, wanted: &str) -> Error {
        let message = match self.path.as_str() {
            "" => format!("{} is {}, and not {wanted}", self.root, self.place.what()),
            path => format!(
                "in {}, `{path}` is {}, and not {wanted}",
                self.root,
                self.place.what()
            ),
        };
        Error::new(ErrorKind::Config, message)
    }
}

impl fmt::Debug for Lens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lens({}, {:?})", self.root, self.path)
    }
}

fn json_of(path: &Path) -> Result<Box<RawValue>> {
    let text = regular::read(path).map_err(|error| Error::io("read", path, error))?;
    serde_json::from_slice(&text).map_err(|error| not_json(path, error))
}

/// Returns the names in a folder, sorted.
fn names_in(folder: &Path) -> Result<Vec<String>> {
    let refused = |error| Error::io("read the folder", folder, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        let name = entry.map_err(refused)?.file_name();
        names.extend(name.into_string());
    }
    names.sort();
    Ok(names)
}
