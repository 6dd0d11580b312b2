//! The units of resources that a run of a stage has for its own: which GPUs, which licences.

use std::collections::BTreeMap;
use std::ops::Range;
use std::process::Command;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The resource whose units CUDA programs see.
const GPU: &str = "gpu";
/// The variable that tells programs with CUDA which GPUs they may use.
const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";
/// With more GPUs than this, the resource `gpu` counts something else, such as percents of one.
const MOST_DEVICES: u64 = 1024;

/// The units of one run, by resource.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct OwnUnits(pub(crate) BTreeMap<String, UnitsOfOne>);

/// The units of one resource.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UnitsOfOne {
    /// Their places among all units of the resource.
    pub(crate) places: Vec<Range<u64>>,
    /// The names of all units of the resource; `None` if they have none, and are called by their places.
    pub(crate) names: Option<Arc<[String]>>,
}

impl OwnUnits {
    pub(super) fn names(&self, resource: &str) -> Vec<String> {
        self.0
            .get(resource)
            .map_or_else(Vec::new, UnitsOfOne::names)
    }

    /// Tells a command which GPUs are its own, unless it is told otherwise already.
    pub(super) fn show_to(&self, command: &mut Command) {
        let is_told = |command: &Command| command.get_envs().any(|(key, _)| key == VISIBLE);
        if let Some(units) = self.0.get(GPU)
            && !is_told(command)
            && let Some(devices) = units.devices(std::env::var(VISIBLE).ok().as_deref())
        {
            command.env(VISIBLE, devices);
        }
    }
}

impl UnitsOfOne {
    fn names(&self) -> Vec<String> {
        let places = self.places.iter().cloned().flatten();
        match &self.names {
            None => places.map(|place| place.to_string()).collect(),
            Some(names) => places.filter_map(|place| name_at(names, place)).collect(),
        }
    }

    /// Returns the value of the variable; `None` if it stays as this process inherited it.
    fn devices(&self, inherited: Option<&str>) -> Option<String> {
        let count: u64 = (self.places.iter().map(|range| range.end - range.start)).sum();
        if count == 0 || count > MOST_DEVICES {
            return None;
        }
        match (&self.names, inherited) {
            // Units without names count the GPUs that this process sees, which need not be the first of the machine.
            (None, Some(seen)) => {
                let seen: Vec<String> = seen.split(',').map(|id| id.trim().to_owned()).collect();
                let places = self.places.iter().cloned().flatten();
                let ids: Option<Vec<_>> = places.map(|place| name_at(&seen, place)).collect();
                let is_known = |ids: &Vec<String>| ids.iter().all(|id| !id.is_empty());
                ids.filter(is_known).map(|ids| ids.join(","))
            }
            _ => Some(self.names().join(",")),
        }
    }
}

fn name_at(names: &[String], place: u64) -> Option<String> {
    names.get(usize::try_from(place).ok()?).cloned()
}

#[cfg(test)]
mod tests {
    use super::UnitsOfOne;

    #[test]
    fn devices_are_those_that_this_process_sees() {
        let third = |names: Option<&[&str]>| UnitsOfOne {
            places: std::iter::once(1..3).collect(),
            names: names.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
        };
        let unnamed = third(None);
        assert_eq!(unnamed.devices(None).as_deref(), Some("1,2"));
        assert_eq!(unnamed.devices(Some("4, 5,7")).as_deref(), Some("5,7"));
        // A list that is too short does not say which ones.
        assert_eq!(unnamed.devices(Some("4,5")), None);
        assert_eq!(unnamed.devices(Some("")), None);
        let named = third(Some(&["a", "b", "c"]));
        assert_eq!(named.devices(Some("4,5,7")).as_deref(), Some("b,c"));
        let percents = UnitsOfOne {
            places: std::iter::once(0..u64::from(u32::MAX)).collect(),
            names: None,
        };
        assert_eq!(percents.devices(None), None);
    }
}
