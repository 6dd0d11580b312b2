//! What a site wants beside what stages need: the table `[slurm]` of `site.toml`.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use crate::store::regular;
use crate::{Error, ErrorKind, Result};

/// The words of a site.
#[derive(Debug, Default)]
pub(super) struct Site {
    pub(super) partition: Option<String>,
    /// Further options of `sbatch`.
    options: Vec<String>,
    /// Lines of shell before the program.
    pub(super) setup: Vec<String>,
    /// Whether tasks without a time limit ask for as much as earlier builds make likely.
    pub(super) guess_time: bool,
    /// What resources are called.
    gres: BTreeMap<String, String>,
}

/// The variable that names the file.
const SITE: &str = "PYLIGHTNIX_SITE";

impl Site {
    /// Reads the first file of the site that there is.
    pub(super) fn read() -> Result<Self> {
        let named = env::var_os(SITE).map(PathBuf::from);
        for path in named.iter().cloned().chain(usual_places()) {
            match regular::read_to_string(&path) {
                Ok(text) => {
                    return Site::parse(&text).map_err(|what| {
                        let message = format!("{} is not valid: {what}", path.display());
                        Error::new(ErrorKind::Resources, message).at(&path)
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {}
                Err(error) => return Err(Error::io("read", &path, error)),
            }
        }
        Ok(Site::default())
    }

    /// Parses a file. Other tables than `[slurm]` are not for this executor.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file = DeTable::parse(text).map_err(|error| error.message().to_owned())?;
        let mut site = Site::default();
        let Some(slurm) = file.get_ref().get("slurm") else {
            return Ok(site);
        };
        let DeValue::Table(slurm) = slurm.get_ref() else {
            return Err("`slurm` has to be a table".to_owned());
        };
        for (key, value) in slurm {
            let (key, value) = (&**key.get_ref(), value.get_ref());
            match key {
                "partition" => site.partition = Some(text_of(key, value)?),
                "account" | "qos" | "constraint" | "reservation" => {
                    let text = text_of(key, value)?;
                    site.options.push(format!("--{key}={text}"));
                }
                "guess_time" => {
                    let DeValue::Boolean(guess) = value else {
                        return Err("`guess_time` has to be `true` or `false`".to_owned());
                    };
                    site.guess_time = *guess;
                }
                "extra" => site.options.extend(texts_of(key, value)?),
                "setup" => site.setup = texts_of(key, value)?,
                "gres" => {
                    let DeValue::Table(table) = value else {
                        return Err("`gres` has to be a table of texts".to_owned());
                    };
                    for (resource, name) in table {
                        let resource = &**resource.get_ref();
                        let name = text_of(resource, name.get_ref())?;
                        site.gres.insert(resource.to_owned(), name);
                    }
                }
                _ => {
                    return Err(format!(
                        "there is no key `{key}` in `[slurm]`; the keys are account, qos, partition, constraint, reservation, extra, \
                         setup, guess_time and gres"
                    ));
                }
            }
        }
        Ok(site)
    }

    /// Returns the options of `sbatch`. A partition that was asked for is stronger than that of the site.
    pub(super) fn options(&self, partition: Option<&str>) -> Vec<String> {
        let partition = partition.or(self.partition.as_deref());
        let partition = partition.map(|name| format!("--partition={name}"));
        self.options.iter().cloned().chain(partition).collect()
    }

    /// Returns what Slurm calls a resource.
    pub(super) fn gres_of<'s>(&'s self, resource: &'s str) -> &'s str {
        self.gres.get(resource).map_or(resource, String::as_str)
    }
}

/// Returns where the file is, if no variable names it.
fn usual_places() -> Vec<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let folders = config.or_else(home).into_iter();
    folders
        .chain(["/etc".into()])
        .map(|folder| folder.join("pylightnix/site.toml"))
        .collect()
}

fn text_of(key: &str, value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        _ => Err(format!("`{key}` has to be a text")),
    }
}

fn texts_of(key: &str, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    match value {
        DeValue::Array(all) => all.iter().map(|one| text_of(key, one.get_ref())).collect(),
        _ => Err(format!("`{key}` has to be a list of texts")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(Site::parse("[ssh]\nhosts = 1").is_ok());
        let refused = Site::parse("[slurm]\nacount = \"lab\"").unwrap_err();
        assert!(refused.contains("there is no key `acount`"), "{refused}");
        let refused = Site::parse("[slurm]\nsetup = \"module\"").unwrap_err();
        assert_eq!(refused, "`setup` has to be a list of texts");
        assert!(Site::parse("slurm = 1").is_err());
    }
}
