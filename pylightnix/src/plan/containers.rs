//! Optional dependencies, and lists and maps of dependencies.

use std::collections::BTreeMap;

use super::node::AnyDRef;
use super::revive::{Revived, Wanted};
use crate::Result;
use crate::config::{StoredValue, ValueWriter};
use crate::lens::{Chosen, Dependency};

impl<D: Dependency> Dependency for Option<D> {
    type Realized = Option<D::Realized>;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        self.iter().for_each(|dep| dep.visit(visit));
    }

    fn write(&self, out: ValueWriter<'_>) {
        match self {
            Some(dep) => dep.write(out),
            None => out.null(),
        }
    }

    fn resolve(&self, chosen: &Chosen) -> Self::Realized {
        self.as_ref().map(|dep| dep.resolve(chosen))
    }

    fn declare(value: &StoredValue<'_>, wanted: &mut Wanted) -> Result<()> {
        if value.is_null() {
            Ok(())
        } else {
            D::declare(value, wanted)
        }
    }

    fn revive(value: &StoredValue<'_>, revived: &Revived) -> Result<Self> {
        if value.is_null() {
            Ok(None)
        } else {
            D::revive(value, revived).map(Some)
        }
    }
}

impl<D: Dependency> Dependency for Vec<D> {
    type Realized = Vec<D::Realized>;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        self.iter().for_each(|dep| dep.visit(visit));
    }

    fn write(&self, out: ValueWriter<'_>) {
        let mut list = out.list();
        for dep in self {
            dep.write(list.item());
        }
        list.end();
    }

    fn resolve(&self, chosen: &Chosen) -> Self::Realized {
        self.iter().map(|dep| dep.resolve(chosen)).collect()
    }

    fn declare(value: &StoredValue<'_>, wanted: &mut Wanted) -> Result<()> {
        value
            .list()?
            .iter()
            .try_for_each(|item| D::declare(item, wanted))
    }

    fn revive(value: &StoredValue<'_>, revived: &Revived) -> Result<Self> {
        value
            .list()?
            .iter()
            .map(|item| D::revive(item, revived))
            .collect()
    }
}

impl<D: Dependency> Dependency for BTreeMap<String, D> {
    type Realized = BTreeMap<String, D::Realized>;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        self.values().for_each(|dep| dep.visit(visit));
    }

    fn write(&self, out: ValueWriter<'_>) {
        let mut map = out.map();
        for (key, dep) in self {
            dep.write(map.entry(key));
        }
        map.end();
    }

    fn resolve(&self, chosen: &Chosen) -> Self::Realized {
        self.iter()
            .map(|(key, dep)| (key.clone(), dep.resolve(chosen)))
            .collect()
    }

    fn declare(value: &StoredValue<'_>, wanted: &mut Wanted) -> Result<()> {
        value
            .map()?
            .iter()
            .try_for_each(|(_, item)| D::declare(item, wanted))
    }

    fn revive(value: &StoredValue<'_>, revived: &Revived) -> Result<Self> {
        value
            .map()?
            .iter()
            .map(|(key, item)| Ok((key.to_string(), D::revive(item, revived)?)))
            .collect()
    }
}
