//! The place of a stage in the source.

use std::fmt;

/// The place of a stage in the source: crate, module, file and line.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    file: &'static str,
    line: u32,
    /// The path of the module; its first part is the name of the crate.
    module: &'static str,
    /// The version of the package, if Cargo gives it: a program may contain two versions of one crate.
    version: Option<&'static str>,
}

impl Place {
    /// Makes a place from `module_path!()`, `CARGO_PKG_VERSION`, `file!()` and `line!()`.
    pub const fn new(
        module: &'static str,
        version: Option<&'static str>,
        file: &'static str,
        line: u32,
    ) -> Self {
        Place {
            file,
            line,
            module,
            version,
        }
    }

    /// A placeholder for a derivation without a stage.
    pub(super) const NOWHERE: Place = Place::new("", None, "", 0);

    /// Returns the file and the line.
    pub(super) fn line(&self) -> (&'static str, u32) {
        (self.file, self.line)
    }

    /// Returns the name of the crate.
    pub(super) fn crate_name(&self) -> &'static str {
        self.module.split("::").next().unwrap_or(self.module)
    }

    /// Returns the version of the package, if it is known.
    pub(super) fn version(&self) -> Option<&'static str> {
        self.version
    }

    /// Returns whether both places are in the same version of the same crate.
    pub(super) fn is_beside(&self, other: &Place) -> bool {
        self.crate_name() == other.crate_name() && self.version == other.version
    }

    /// Displays the place with the name of its crate, and with the version if `other` is in another version of that crate.
    pub(super) fn in_its_crate(&self, other: &Place) -> String {
        let name = self.crate_name();
        match self.version {
            Some(version) if name == other.crate_name() => {
                format!("{self} in crate `{name}` {version}")
            }
            _ => format!("{self} in crate `{name}`"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
