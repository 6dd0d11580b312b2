//! With what a program was compiled, and on what it runs, as build records have it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::store::object::cpu;

/// With what a build was made. It does not count when results are reused.
///
/// What is not known is `None` or empty. Unknown keys, which newer versions may add, are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Environment {
    /// The compiler, as `rustc -V` names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rustc: Option<String>,
    /// The target, such as `x86_64-unknown-linux-gnu`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The profile that Cargo's profile is made from: `debug` or `release`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Whether debug assertions were on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debug_assertions: Option<bool>,
    /// The flags of the compiler: `RUSTFLAGS` and those of Cargo's configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// The features of the stage's package that were on; `None` if it is not known which features it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// The crates of other packages that the stage reaches, with the versions in `Cargo.lock`, or `unknown`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub crates: BTreeMap<String, String>,
    /// The model of the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
}

/// Something that differs between the environments of two builds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EnvironmentChange {
    /// What it is: `rustc`, `crates.ndarray`, `commit` and so on.
    pub what: String,
    /// The value before.
    pub old: String,
    /// The value now.
    pub new: String,
}

impl Environment {
    /// Returns what is known of the program, and of the machine that it runs on.
    pub(crate) fn of_program() -> Self {
        Environment {
            cpu: cpu::model().map(str::to_owned),
            ..Environment::compiled()
        }
    }

    /// Returns with what the program was compiled.
    pub(crate) fn compiled() -> Self {
        let known = |text: Option<&str>| text.map(str::to_owned);
        // Cargo separates flags by this character.
        let flags = option_env!("PYLIGHTNIX_RUSTFLAGS").unwrap_or_default();
        let flags = flags.split('\u{1f}').filter(|flag| !flag.is_empty());
        Environment {
            rustc: known(option_env!("PYLIGHTNIX_RUSTC")),
            target: known(option_env!("PYLIGHTNIX_TARGET")),
            profile: known(option_env!("PYLIGHTNIX_PROFILE")),
            debug_assertions: Some(cfg!(debug_assertions)),
            flags: flags.map(str::to_owned).collect(),
            features: None,
            crates: BTreeMap::new(),
            cpu: None,
        }
    }

    /// Returns what is known, by name.
    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        let mut add = |what: &str, value: Option<String>| {
            if let Some(value) = value {
                values.insert(what.to_owned(), value);
            }
        };
        let listed = |list: &[String]| match list.is_empty() {
            true => "none".to_owned(),
            false => list.join(" "),
        };
        add("rustc", self.rustc.clone());
        add("target", self.target.clone());
        add("profile", self.profile.clone());
        let assertions = self
            .debug_assertions
            .map(|on| if on { "on" } else { "off" });
        add("debug_assertions", assertions.map(str::to_owned));
        add("flags", Some(listed(&self.flags)));
        add("features", self.features.as_deref().map(listed));
        add("cpu", self.cpu.clone());
        for (name, version) in &self.crates {
            add(&format!("crates.{name}"), Some(version.clone()));
        }
        values
    }
}

/// Returns what two builds have both recorded of their environments, and differently.
pub(crate) fn changes(
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
) -> Vec<EnvironmentChange> {
    let differs = new.iter().filter_map(|(what, new)| {
        let old = old.get(what).filter(|old| *old != new)?;
        let (old, new) = match what.as_str() {
            "rustc" => brief(old, new),
            _ => (old.as_str(), new.as_str()),
        };
        Some(EnvironmentChange {
            what: what.clone(),
            old: old.to_owned(),
            new: new.to_owned(),
        })
    });
    differs.collect()
}

/// Leaves of two names of compilers the version alone, if that differs.
fn brief<'a>(old: &'a str, new: &'a str) -> (&'a str, &'a str) {
    let own = |text: &'a str| text.strip_prefix("rustc ").unwrap_or(text);
    let version = |text: &'a str| own(text).split(' ').next().unwrap_or(text);
    match version(old) == version(new) {
        true => (own(old), own(new)),
        false => (version(old), version(new)),
    }
}

impl fmt::Display for Environment {
    /// Lists what is known, in a line: `rustc 1.94.0, x86_64-unknown-linux-gnu, release, features fast, ndarray 0.17.2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        // The commit and the date of the compiler follow in parentheses.
        let rustc = self.rustc.as_deref();
        words.extend(rustc.map(|rustc| rustc.split(" (").next().unwrap_or(rustc).to_owned()));
        words.extend(self.target.clone());
        words.extend(self.profile.clone());
        let usual = self.profile.as_ref().map(|profile| profile == "debug");
        if let (Some(on), true) = (self.debug_assertions, self.debug_assertions != usual) {
            let which = if on { "with" } else { "without" };
            words.push(format!("{which} debug assertions"));
        }
        if !self.flags.is_empty() {
            words.push(format!("flags {}", self.flags.join(" ")));
        }
        let features = self.features.iter().filter(|features| !features.is_empty());
        words.extend(features.map(|features| format!("features {}", features.join(" "))));
        let crates = self.crates.iter();
        words.extend(crates.map(|(name, version)| format!("{name} {version}")));
        words.extend(self.cpu.clone());
        f.write_str(&words.join(", "))
    }
}

impl fmt::Display for EnvironmentChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.what.strip_prefix("crates.").unwrap_or(&self.what);
        write!(f, "{} {} -> {}", what.replace('_', " "), self.old, self.new)
    }
}

/// Serializes an environment that many records share.
pub(in crate::store) fn write<S: Serializer>(
    environment: &Option<Arc<Environment>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    environment.as_deref().serialize(to)
}

/// Deserializes an environment, or ignores one of a later version that cannot be understood: a build record must not become
/// unreadable because of it.
pub(in crate::store) fn read<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Arc<Environment>>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok().map(Arc::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_what_both_know_and_differs() {
        let of = |rustc: &str, version: Option<&str>| Environment {
            rustc: Some(rustc.to_owned()),
            crates: version
                .map(|it| ("ndarray".to_owned(), it.to_owned()))
                .into_iter()
                .collect(),
            ..Environment::default()
        };
        let told = |old: &Environment, new: &Environment| {
            let all = changes(&old.values(), &new.values());
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let old = of("rustc 1.94.0 (abc 2026-03-02)", Some("0.16.1"));
        let new = of("rustc 1.95.0 (def 2026-04-14)", Some("0.17.2"));
        assert_eq!(told(&old, &old), [""; 0]);
        assert_eq!(
            told(&old, &new),
            ["ndarray 0.16.1 -> 0.17.2", "rustc 1.94.0 -> 1.95.0"]
        );
        assert_eq!(
            told(&of("rustc 1.94.0 (abc 2026-03-02)", None), &old),
            [""; 0]
        );
        let nightly = of("rustc 1.94.0 (fed 2026-03-03)", None);
        assert_eq!(
            told(&old, &nightly),
            ["rustc 1.94.0 (abc 2026-03-02) -> 1.94.0 (fed 2026-03-03)"]
        );
    }
}
