//! Where a stage is written.

use std::fmt;

/// Where a stage is written: its crate, and the place in it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    file: &'static str,
    line: u32,
    /// The path of its module, which begins with the name of the crate.
    module: &'static str,
    /// Of the package, where Cargo says it: a program may have two versions of one crate.
    version: Option<&'static str>,
}

impl Place {
    /// What the compiler says of it.
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

    /// Of what is no stage.
    pub(super) const NOWHERE: Place = Place::new("", None, "", 0);

    /// The file and the line.
    pub(super) fn line(&self) -> (&'static str, u32) {
        (self.file, self.line)
    }

    /// The name of the crate.
    pub(super) fn crate_name(&self) -> &'static str {
        self.module.split("::").next().unwrap_or(self.module)
    }

    /// Whether both are of one crate.
    pub(super) fn is_beside(&self, other: &Place) -> bool {
        self.crate_name() == other.crate_name() && self.version == other.version
    }

    /// With the name of the crate, and its version if `other` is of another version.
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
