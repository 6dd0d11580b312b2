//! The stages that are linked into this program.

use std::collections::HashMap;

use once_cell::sync::OnceCell;

use super::derivation::Derivation;
use super::dref::DRef;
use super::node::{AnyDRef, Node};
use super::place::Place;
use super::revive::Revived;
use super::stage::Stage;
use super::stage_info::StageInfo;
use crate::config::ConfigJson;
use crate::{Error, ErrorKind, Result};

/// A stage of this program, which `#[stage]` registers at link time.
///
/// It allows another process of the same program to restore a derivation from its `config.json`, and to realize it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registration {
    name: &'static str,
    config: fn() -> &'static str,
    place: Place,
    revive: fn(&ConfigJson, &Revived) -> Result<AnyDRef>,
}

impl Registration {
    /// Returns the registration of the stage of `C`.
    #[doc(hidden)]
    pub const fn of<C: Stage>() -> Self {
        Registration {
            name: C::NAME,
            config: std::any::type_name::<C>,
            place: C::PLACE,
            revive: revive::<C>,
        }
    }

    /// Returns a placeholder for a type that is not a config, in a program that does not compile.
    #[doc(hidden)]
    pub const fn none<C>() -> Self {
        Registration {
            name: "",
            config: std::any::type_name::<C>,
            place: Place::NOWHERE,
            revive: |_, _| Err(Error::new(ErrorKind::Config, "it is not a config")),
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
        self.place.line()
    }

    /// Returns the name of the crate that defines the stage.
    pub fn crate_name(&self) -> &'static str {
        self.place.crate_name()
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
#[doc(hidden)]
pub fn registered() -> impl Iterator<Item = &'static Registration> {
    inventory::iter::<Registration>()
}

fn revive<C: Stage>(json: &ConfigJson, revived: &Revived) -> Result<AnyDRef> {
    let config = C::revive(json.fields()?, revived, None)?;
    let derivation = Derivation::from_stored(json.clone(), config)?;
    let node = Node::new(derivation, StageInfo::<C>::get()?.recipe.clone());
    Ok(DRef::<C, C::Card>::of_node(node).erase())
}

/// Returns the registrations with a name: one, or several for the types of a generic stage. Fails if two stages have the name.
pub(crate) fn named(name: &str) -> Result<Vec<&'static Registration>> {
    let named: Vec<_> = registered().filter(|stage| stage.name == name).collect();
    let places = named.iter().map(|stage| stage.place);
    if let (Some(one), Some(two)) = (places.clone().min(), places.max())
        && one != two
    {
        return Err(namesakes(name, one, two));
    }
    Ok(named)
}

/// Refuses a program if one of its crates has two stages with the same name. Checks once per process.
///
/// Stages of two crates with the same name are refused only in one plan, or when a stage is looked up by that name.
pub(super) fn check() -> Result<()> {
    static CHECKED: OnceCell<()> = OnceCell::new();
    CHECKED.get_or_try_init(find_namesakes).copied()
}

fn find_namesakes() -> Result<()> {
    let mut seen: HashMap<_, Vec<Place>> = HashMap::new();
    for stage in registered() {
        let places = seen.entry(stage.name).or_default();
        let beside = places.iter().find(|place| place.is_beside(&stage.place));
        match beside {
            Some(first) if *first != stage.place => {
                return Err(namesakes(stage.name, *first, stage.place));
            }
            Some(_) => {}
            None => places.push(stage.place),
        }
    }
    Ok(())
}

/// Makes the error about two stages that have the same name and cannot be told apart.
pub(super) fn namesakes(name: &str, one: Place, two: Place) -> Error {
    let (one, two) = (one.min(two), one.max(two));
    let (at_one, at_two, help) = match one.is_beside(&two) {
        true => (
            one.to_string(),
            two.to_string(),
            "give one of them another name: `#[stage(name = \"..\")]`",
        ),
        false => (
            one.in_its_crate(&two),
            two.in_its_crate(&one),
            "use one of them only; or give one of them another name, if its crate is yours: `#[stage(name = \"..\")]`",
        ),
    };
    let message = format!("two stages are named `{name}`: at {at_one} and at {at_two}");
    Error::new(ErrorKind::Plan, message).with_help(help)
}
