//! The stages that are linked into this program.

use std::collections::HashMap;

use once_cell::sync::OnceCell;

use super::derivation::Derivation;
use super::dref::DRef;
use super::node::{AnyDRef, Node};
use super::revive::Revived;
use super::stage::Stage;
use super::stage_info::StageInfo;
use crate::config::ConfigJson;
use crate::{Error, ErrorKind, Result};

/// A stage of this program, which `#[stage]` registers at link time.
///
/// It allows another process of the same program to restore a derivation from its `config.json`, and to realize it.
#[derive(Debug)]
pub struct Registration {
    name: &'static str,
    config: fn() -> &'static str,
    place: (&'static str, u32),
    revive: fn(&ConfigJson, &Revived) -> Result<AnyDRef>,
}

/// The parts of a registration, except the place in the source.
#[derive(Debug)]
pub struct Parts {
    name: &'static str,
    config: fn() -> &'static str,
    revive: fn(&ConfigJson, &Revived) -> Result<AnyDRef>,
}

impl Parts {
    /// Returns the parts for the stage of `C`.
    pub const fn of<C: Stage>() -> Self {
        Parts {
            name: C::NAME,
            config: std::any::type_name::<C>,
            revive: revive::<C>,
        }
    }

    /// Returns a placeholder for a type that is not a config, in a program that does not compile.
    pub const fn none<C>() -> Self {
        Parts {
            name: "",
            config: std::any::type_name::<C>,
            revive: |_, _| Err(Error::new(ErrorKind::Config, "it is not a config")),
        }
    }
}

impl Registration {
    #[doc(hidden)]
    pub const fn new(parts: Parts, file: &'static str, line: u32) -> Self {
        Registration {
            name: parts.name,
            config: parts.config,
            place: (file, line),
            revive: parts.revive,
        }
    }

    /// Returns the name of the stage.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the name of the config's type.
    pub fn config(&self) -> &'static str {
        (self.config)()
    }

    /// Returns the file and the line of the stage function.
    pub fn place(&self) -> (&'static str, u32) {
        self.place
    }

    pub(crate) fn revive(&self, json: &ConfigJson, revived: &Revived) -> Result<AnyDRef> {
        (self.revive)(json, revived)
    }
}

inventory::collect!(Registration);

/// Iterates over all stages that are linked into this program, including those of this library, in any order.
///
/// ```standalone_crate
/// # use pylightnix::prelude::*;
/// #[derive(Config)]
/// pub struct Params {}
///
/// #[stage]
/// fn params(b: &Build<Params>) -> Result<()> {
///     Ok(())
/// }
///
/// let names: Vec<_> = pylightnix::plan::registered().map(|stage| stage.name()).collect();
/// assert!(names.contains(&"params"));
/// ```
pub fn registered() -> impl Iterator<Item = &'static Registration> {
    inventory::iter::<Registration>()
}

fn revive<C: Stage>(json: &ConfigJson, revived: &Revived) -> Result<AnyDRef> {
    let config = C::revive(json.fields()?, revived, None)?;
    let derivation = Derivation::from_stored(json.clone(), config)?;
    let node = Node::new(derivation, StageInfo::<C>::get()?.recipe.clone());
    Ok(DRef::<C, C::Card>::of_node(node).erase())
}

/// Refuses a program with two stages of the same name, whose derivations could have the same reference. Checks once per
/// process.
pub(super) fn check() -> Result<()> {
    static CHECKED: OnceCell<()> = OnceCell::new();
    CHECKED.get_or_try_init(find_namesakes).copied()
}

fn find_namesakes() -> Result<()> {
    let mut places = HashMap::new();
    for stage in registered() {
        let first = *places.entry(stage.name).or_insert(stage.place);
        if first != stage.place {
            let (one, two) = (first.min(stage.place), first.max(stage.place));
            let message = format!(
                "two stages are named `{}`: at {}:{} and at {}:{}",
                stage.name, one.0, one.1, two.0, two.1
            );
            return Err(Error::new(ErrorKind::Plan, message)
                .help("give one of them another name: `#[stage(name = \"..\")]`"));
        }
    }
    Ok(())
}
