//! Restores derivations from the configs in a store.

use std::any::TypeId;
use std::collections::{HashMap, HashSet};
use std::fmt;

use super::derivation::Derivation;
use super::node::AnyDRef;
use crate::config::{ConfigJson, ConfigWriter, DRefId, Fields, StoredValue};
use crate::lens::{Cardinality, Config, Omitted, Phase, Promise, Unsaid};
use crate::{Error, ErrorKind, Result};

/// The derivations that configs name, with the types that the fields declare.
#[doc(hidden)]
#[derive(Default)]
pub struct Wanted(pub(crate) Vec<(DRefId, ConfigType)>);

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted").finish_non_exhaustive()
    }
}

/// The type of a derivation's config, as far as it is known.
#[derive(Clone, Copy)]
pub(crate) struct ConfigType {
    /// Whether a field names the derivation, if only with a cardinality.
    said: bool,
    type_id: Option<TypeId>,
    type_name: fn() -> &'static str,
    pub(crate) declare: fn(&mut Fields<'_>, &mut Wanted) -> Result<()>,
    pub(crate) revive: fn(&ConfigJson, &Revived) -> Result<AnyDRef>,
}

impl ConfigType {
    pub(crate) fn of<C: Config, Q: Cardinality>() -> Self {
        ConfigType {
            said: true,
            type_id: Some(TypeId::of::<C>()),
            type_name: std::any::type_name::<C>,
            declare: C::declare,
            revive: revive::<C, Q>,
        }
    }

    pub(crate) fn untyped<Q: Cardinality>() -> Self {
        ConfigType {
            type_id: None,
            ..ConfigType::of::<Untyped, Q>()
        }
    }

    /// Returns the type for a derivation that no field names.
    pub(crate) fn unspecified() -> Self {
        ConfigType {
            said: false,
            ..ConfigType::untyped::<Unsaid>()
        }
    }

    /// Returns the name of the type, for messages.
    pub(crate) fn name(&self) -> &'static str {
        (self.type_name)()
    }

    /// Returns whether this is more specific than `other`. Fails for two different types.
    pub(crate) fn adds_to(&self, other: &ConfigType, dref: &DRefId) -> Result<bool> {
        match (self.type_id, other.type_id) {
            (Some(one), Some(two)) if one != two => {
                let (one, two) = (self.name(), other.name());
                Err(Error::new(
                    ErrorKind::Config,
                    format!("{dref} has the type `{one}` in one field and `{two}` in another"),
                )
                .with_help("give all fields that hold this derivation the same type"))
            }
            (Some(_), None) => Ok(true),
            _ => Ok(self.said && !other.said),
        }
    }
}

fn revive<C: Config, Q: Cardinality>(json: &ConfigJson, revived: &Revived) -> Result<AnyDRef> {
    let config = C::revive(json.fields()?, revived, None)?;
    Ok(AnyDRef::detached::<C, Q>(Derivation::from_stored(
        json.clone(),
        config,
    )?))
}

impl Wanted {
    pub(crate) fn typed<C: Config, Q: Cardinality>(&mut self, dref: DRefId) {
        self.0.push((dref, ConfigType::of::<C, Q>()));
    }

    pub(crate) fn untyped<Q: Cardinality>(&mut self, dref: DRefId) {
        self.0.push((dref, ConfigType::untyped::<Q>()));
    }
}

/// The derivations that were restored so far.
#[doc(hidden)]
#[derive(Default)]
pub struct Revived {
    made: HashMap<DRefId, AnyDRef>,
    /// The derivations whose configs do not fit their types.
    unfit: HashSet<DRefId>,
}

impl fmt::Debug for Revived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revived").finish_non_exhaustive()
    }
}

impl Revived {
    pub(crate) fn insert(&mut self, dref: AnyDRef) {
        self.made.insert(dref.id().clone(), dref);
    }

    /// Notes a derivation that could not be restored.
    pub(crate) fn insert_unfit(&mut self, dref: &DRefId) {
        self.unfit.insert(dref.clone());
    }

    /// Returns whether the derivation was processed, with or without success.
    pub(crate) fn has(&self, dref: &DRefId) -> bool {
        self.made.contains_key(dref) || self.unfit.contains(dref)
    }

    pub(crate) fn any(&self, dref: &DRefId) -> Result<&AnyDRef> {
        self.made.get(dref).ok_or_else(|| {
            if self.unfit.contains(dref) {
                let message = format!("its dependency {dref} does not fit its type either");
                return Error::new(ErrorKind::Config, message);
            }
            Error::new(
                ErrorKind::Config,
                format!("{dref} is in a config, but not in the context"),
            )
            .with_help("the store is damaged: check it")
        })
    }

    /// Returns the derivation in the field `value`, and checks that its cardinality is `Q`.
    pub(super) fn held<Q: Cardinality>(
        &self,
        dref: &DRefId,
        value: &StoredValue<'_>,
    ) -> Result<&AnyDRef> {
        let held = self.any(dref)?;
        if held.node().takes() == Q::TAKES {
            return Ok(held);
        }
        let (field, other) = (Q::TAKES.name(), held.node().takes().name());
        let message = format!(
            "`{}` holds {field} of {dref}, but the matcher chooses {other}",
            value.path()
        );
        Err(Error::new(ErrorKind::Config, message).with_help(
            "use `DRef<_, Many>` or `RefPath<_, Many>` for many realizations, `DRef<_>` or `RefPath<_>` for one, and \
             `DRef<_, Try<One>>` or `RefPath<_, Try<One>>` for one or its failure; a matcher given by `with_matcher` is not stored",
        ))
    }

    pub(super) fn of<C: Config, Q: Cardinality>(
        &self,
        dref: &DRefId,
        value: &StoredValue<'_>,
    ) -> Result<&AnyDRef> {
        let held = self.held::<Q>(dref, value)?;
        if held.node_of::<C>().is_some() {
            return Ok(held);
        }
        let (field, wanted) = (value.path(), std::any::type_name::<C>());
        let is = held.node().type_name();
        let message = format!("`{field}` holds a `{wanted}`, but {dref} is a `{is}`");
        Err(Error::new(ErrorKind::Config, message))
    }
}

/// A config of unknown type, of which only the JSON is known.
pub(crate) struct Untyped;

/// The empty lens of an [`Untyped`] config.
pub(crate) struct NoFields;

impl Config for Untyped {
    type Lens<P: Phase> = NoFields;
    type Outputs = ();

    const PROMISES: &'static [Promise] = &[];

    fn lens<P: Phase>(&self, _: &P::Source) -> NoFields {
        NoFields
    }

    fn write(&self, _: &mut ConfigWriter, _: &mut Omitted) -> Result<()> {
        Ok(())
    }

    fn unhashed(&self) -> Result<Omitted> {
        Ok(Omitted::new())
    }

    fn visit(&self, _: &mut dyn FnMut(&AnyDRef)) {}

    fn declare(_: &mut Fields<'_>, _: &mut Wanted) -> Result<()> {
        Ok(())
    }

    fn revive(_: Fields<'_>, _: &Revived, _: Option<&Self>) -> Result<Self> {
        Ok(Untyped)
    }

    fn is_exact() -> bool {
        true
    }
}
