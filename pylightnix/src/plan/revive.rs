//! Making derivations again from the configs that a store keeps.

use std::any::TypeId;
use std::collections::{HashMap, HashSet};

use super::derivation::Derivation;
use super::node::AnyDRef;
use crate::config::{ConfigJson, ConfigWriter, DRefId, Fields, StoredValue};
use crate::lens::{Cardinality, Config, Omitted, Phase, Promise, Unsaid};
use crate::{Error, ErrorKind, Result};

/// The derivations that configs name, with the types that their fields say.
#[derive(Default)]
pub struct Wanted(pub(crate) Vec<(DRefId, Kind)>);

/// The type of a derivation's config, as far as anything says.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Whether a field says anything, if only how many realizations it holds.
    said: bool,
    type_id: Option<TypeId>,
    type_name: fn() -> &'static str,
    pub(crate) declare: fn(&mut Fields<'_>, &mut Wanted) -> Result<()>,
    pub(crate) revive: fn(&ConfigJson, &Revived) -> Result<AnyDRef>,
}

impl Kind {
    pub(crate) fn of<C: Config, Q: Cardinality>() -> Self {
        Kind {
            said: true,
            type_id: Some(TypeId::of::<C>()),
            type_name: std::any::type_name::<C>,
            declare: C::declare,
            revive: revive::<C, Q>,
        }
    }

    pub(crate) fn untyped<Q: Cardinality>() -> Self {
        Kind {
            type_id: None,
            ..Kind::of::<Untyped, Q>()
        }
    }

    /// Of a derivation that no field names: its file may be all that anybody wants.
    pub(crate) fn unsaid() -> Self {
        Kind {
            said: false,
            ..Kind::untyped::<Unsaid>()
        }
    }

    /// The type, for people.
    pub(crate) fn name(&self) -> &'static str {
        (self.type_name)()
    }

    /// Whether this says more than `other`; two different types are an error.
    pub(crate) fn adds_to(&self, other: &Kind, dref: &DRefId) -> Result<bool> {
        match (self.type_id, other.type_id) {
            (Some(one), Some(two)) if one != two => {
                let (one, two) = (self.name(), other.name());
                Err(Error::new(
                    ErrorKind::Config,
                    format!("{dref} is taken for `{one}` and for `{two}`"),
                )
                .help("let all fields that hold this derivation have one type"))
            }
            (Some(_), None) => Ok(true),
            _ => Ok(self.said && !other.said),
        }
    }
}

fn revive<C: Config, Q: Cardinality>(json: &ConfigJson, revived: &Revived) -> Result<AnyDRef> {
    let config = C::revive(json.fields()?, revived, None)?;
    Ok(AnyDRef::detached::<C, Q>(Derivation::again(
        json.clone(),
        config,
    )?))
}

impl Wanted {
    pub(crate) fn typed<C: Config, Q: Cardinality>(&mut self, dref: DRefId) {
        self.0.push((dref, Kind::of::<C, Q>()));
    }

    pub(crate) fn untyped<Q: Cardinality>(&mut self, dref: DRefId) {
        self.0.push((dref, Kind::untyped::<Q>()));
    }
}

/// The derivations that were made again so far.
#[derive(Default)]
pub struct Revived {
    made: HashMap<DRefId, AnyDRef>,
    /// Those whose configs did not fit.
    unfit: HashSet<DRefId>,
}

impl Revived {
    pub(crate) fn insert(&mut self, dref: AnyDRef) {
        self.made.insert(dref.id().clone(), dref);
    }

    /// Notes one that could not be made.
    pub(crate) fn insert_unfit(&mut self, dref: &DRefId) {
        self.unfit.insert(dref.clone());
    }

    /// Whether it is known already, made or not.
    pub(crate) fn has(&self, dref: &DRefId) -> bool {
        self.made.contains_key(dref) || self.unfit.contains(dref)
    }

    pub(crate) fn any(&self, dref: &DRefId) -> Result<&AnyDRef> {
        self.made.get(dref).ok_or_else(|| {
            if self.unfit.contains(dref) {
                let message = format!("{dref}, which it depends on, does not fit either");
                return Error::new(ErrorKind::Config, message);
            }
            Error::new(
                ErrorKind::Config,
                format!("{dref} is named in a config, and not in its context"),
            )
            .help("the store is damaged: check it")
        })
    }

    /// The derivation that the field `value` holds as a `Q` of them.
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
            "`{}` takes {field} of {dref}, and what chooses them takes {other}",
            value.path()
        );
        Err(Error::new(ErrorKind::Config, message).help(
            "a field that takes many is a `DRef<_, Many>` or a `RefPath<_, Many>`, one that takes one a `DRef<_>` or a \
             `RefPath<_>`, and one that takes one or its failure a `DRef<_, Try<One>>` or a `RefPath<_, Try<One>>`; a matcher that was given with `with_matcher` is not kept in a store",
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
        let message = format!("`{field}` takes a `{wanted}`, and {dref} is a `{is}`");
        Err(Error::new(ErrorKind::Config, message))
    }
}

/// A config of which nothing is known but its text.
pub(crate) struct Untyped;

/// Its fields: none.
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
