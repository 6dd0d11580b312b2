//! Contexts of Python: for every dependency, direct or not, the realizations that were chosen for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::config::{ConfigJson, DRefId, RRefId};

/// A context, in the order in which Python writes it: references sort as their texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PythonContext(BTreeMap<DRefId, BTreeSet<RRefId>>);

impl PythonContext {
    /// Reads a `context.json`, which has to be what Python writes to the byte, as it is hashed. The error is a predicate.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let foreign = |why: &str| format!("has a context.json that {why}");
        let read: BTreeMap<String, Vec<String>> =
            serde_json::from_slice(bytes).map_err(|_| foreign("holds no lists of references"))?;
        let mut context = PythonContext::default();
        for (dref, rrefs) in read {
            let dref: DRefId = dref
                .parse()
                .map_err(|_| foreign("holds something else than references"))?;
            for rref in rrefs {
                let rref: RRefId = rref
                    .parse()
                    .map_err(|_| foreign("holds something else than references"))?;
                if *rref.dref() != dref {
                    return Err(foreign("has a realization of another derivation"));
                }
                context.0.entry(dref.clone()).or_default().insert(rref);
            }
        }
        match context.text().as_bytes() == bytes {
            true => Ok(context),
            false => Err(foreign("is not written as the package does")),
        }
    }

    /// Returns the content of the `context.json`: the bytes of `json.dumps(context, indent=4)`.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("{");
        for (at, (dref, rrefs)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}\n    \"{dref}\": [");
            for (at, rref) in rrefs.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                let _ = write!(text, "{comma}\n        \"{rref}\"");
            }
            text.push_str("\n    ]");
        }
        text.push_str(if self.0.is_empty() { "}" } else { "\n}" });
        text
    }

    /// Returns the realizations of a dependency.
    pub(super) fn get(&self, dref: &DRefId) -> impl Iterator<Item = &RRefId> {
        self.0.get(dref).into_iter().flatten()
    }

    /// Returns the number of dependencies, direct or not. It is greater than that of anything that this was made from.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the context of what was made from these realizations, which have these contexts. `None` if one dependency would
    /// have two lists.
    pub(super) fn of<'a>(
        made_from: impl Iterator<Item = (&'a RRefId, &'a Arc<PythonContext>)> + Clone,
    ) -> Option<Self> {
        let mut context = PythonContext::default();
        for (rref, _) in made_from.clone() {
            let of_one = context.0.entry(rref.dref().clone()).or_default();
            of_one.insert(rref.clone());
        }
        for (_, below) in made_from {
            for (dref, rrefs) in &below.0 {
                match context.0.get(dref) {
                    Some(there) if there == rrefs => {}
                    Some(_) => return None,
                    None => {
                        context.0.insert(dref.clone(), rrefs.clone());
                    }
                }
            }
        }
        Some(context)
    }

    /// Returns what is wrong with the context for a derivation with this config, as a predicate.
    pub(super) fn misfit(&self, config: &ConfigJson) -> Option<String> {
        let lacking = config.deps().iter().find(|dref| !self.0.contains_key(dref));
        lacking.map(|dref| format!("names no realization of {dref}, on which its config depends"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_written_as_json_dumps_does() {
        let hash = "0123456789abcdef0123456789abcdef";
        assert_eq!(PythonContext::parse(b"{}").unwrap().text(), "{}");
        let text = format!(
            "{{\n    \"dref:{hash}-a\": [\n        \"rref:{hash}-{hash}-a\"\n    ],\n    \"dref:{hash}-b\": [\n        \
             \"rref:0{h}-{hash}-b\",\n        \"rref:1{h}-{hash}-b\"\n    ]\n}}",
            h = &hash[1..]
        );
        assert_eq!(PythonContext::parse(text.as_bytes()).unwrap().text(), text);
        let spaced = text.replace("    ", "  ");
        assert!(PythonContext::parse(spaced.as_bytes()).is_err());
        assert!(PythonContext::parse(b"[]").is_err());
        assert!(PythonContext::parse(b"{\"a\": [\"b\"]}").is_err());
    }
}
