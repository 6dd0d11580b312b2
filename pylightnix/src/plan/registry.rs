//! The stages that are linked into this program.

use std::collections::HashMap;

use once_cell::sync::OnceCell;

use super::derivation::Derivation;
use super::dref::DRef;
use super::facts::Facts;
use super::node::{AnyDRef, Node};
use super::revive::Revived;
use super::stage::Stage;
use crate::config::ConfigJson;
use crate::{Error, ErrorKind, Result};

/// A stage of this program, as `#[stage]` registered it when the program was linked.
///
/// With it another process that runs the same program can make a derivation again from its `config.json`, and realize
/// it.
#[derive(Debug)]
pub struct Registration {
    name: &'static str,
    config: fn() -> &'static str,
    place: (&'static str, u32),
    revive: fn(&ConfigJson, &Revived) -> Result<AnyDRef>,
}

/// What a registration says of a stage, beside its place.
#[derive(Debug)]
pub struct Parts {
    name: &'static str,
    config: fn() -> &'static str,
    revive: fn(&ConfigJson, &Revived) -> Result<AnyDRef>,
}

impl Parts {
    /// Those of the stage of `C`.
    pub const fn of<C: Stage>() -> Self {
        Parts {
            name: C::NAME,
            config: std::any::type_name::<C>,
            revive: revive::<C>,
        }
    }

    /// Of a type that is no config: its program does not compile.
    pub const fn none<C>() -> Self {
        Parts {
            name: "",
            config: std::any::type_name::<C>,
            revive: |_, _| Err(Error::new(ErrorKind::Config, "it is no config")),
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

    /// The name of the stage.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The type of its config.
    pub fn config(&self) -> &'static str {
        (self.config)()
    }

    /// The file and the line of its function.
    pub fn place(&self) -> (&'static str, u32) {
        self.place
    }

    pub(crate) fn revive(&self, json: &ConfigJson, revived: &Revived) -> Result<AnyDRef> {
        (self.revive)(json, revived)
    }
}

inventory::collect!(Registration);

/// All stages that are linked into this program, those of this library among them, in no order.
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
    let derivation = Derivation::again(json.clone(), config)?;
    let node = Node::new(derivation, Facts::<C>::get()?.way.clone());
    Ok(DRef::<C, C::Card>::of_node(node).erase())
}

/// Refuses a program with two stages of one name: their derivations could not be told apart. Looked at once.
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
