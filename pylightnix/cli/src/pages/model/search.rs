//! Search over names, references, fields, numbers, tags and notes.

use std::collections::BTreeSet;

use super::{Query, Reader};
use crate::exit::CommandResult;
use pylightnix::config::{DRefId, RRefId};
use pylightnix::store::Referred;

/// The most results of each kind.
const MOST: usize = 100;
/// The most configs that are looked through for a word.
const CONFIGS: usize = 5000;

/// What a search found.
#[derive(Default)]
pub(crate) struct SearchPage {
    pub(crate) text: String,
    /// What a reference means.
    pub(crate) referred: Option<Referred>,
    /// Names of stages.
    pub(crate) names: Vec<String>,
    /// Realizations that meet the text as a condition, or whose tags or notes have it.
    pub(crate) found: Vec<RRefId>,
    /// Derivations whose configs have the word.
    pub(crate) configs: Vec<DRefId>,
    /// Why the text is no valid condition.
    pub(crate) fault: Option<String>,
    /// What was left out.
    pub(crate) is_cut: bool,
    /// Where realizations are chosen, their number.
    pub(crate) of: Option<usize>,
}

impl SearchPage {
    pub(crate) fn read(reader: &Reader, query: &Query) -> CommandResult<Self> {
        let text = query.first("q").unwrap_or_default().trim();
        let mut page = SearchPage {
            text: text.to_owned(),
            of: reader.chosen().map(BTreeSet::len),
            ..SearchPage::default()
        };
        if text.is_empty() {
            return Ok(page);
        }
        let store = &reader.store;
        let is_remark = text.starts_with("tag:") || text.starts_with("note:");
        if is_remark || text.contains(['=', '<', '>', '~']) {
            match page.meeting(reader, text) {
                Ok(found) => page.found = found,
                Err(error) => page.fault = Some(format!("{error:?}")),
            }
            return Ok(page);
        }
        page.referred = store.refer(text).ok();
        let lower = text.to_lowercase();
        let drefs = store.drefs_named("*")?;
        let mut names: Vec<String> = drefs.iter().map(|dref| dref.name().to_string()).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| name.to_lowercase().contains(&lower));
        page.names = names;
        for condition in [format!("tag:{text}"), format!("note:{text}")] {
            // A word that can be no tag is in no tag.
            let mut found = page.meeting(reader, &condition).unwrap_or_default();
            found.retain(|rref| !page.found.contains(rref));
            page.found.append(&mut found);
        }
        page.is_cut |= drefs.len() > CONFIGS;
        for dref in drefs.iter().take(CONFIGS) {
            if page.configs.len() == MOST {
                page.is_cut = true;
                break;
            }
            // One that cannot be read has no words.
            let Ok(config) = store.config(dref) else {
                continue;
            };
            if config.text().to_lowercase().contains(&lower) {
                page.configs.push(dref.clone());
            }
        }
        Ok(page)
    }

    fn meeting(&mut self, reader: &Reader, condition: &str) -> pylightnix::Result<Vec<RRefId>> {
        let finding = reader.store.find().meets(condition).run()?;
        let mut found = Vec::new();
        for one in finding.flatten() {
            if found.len() == MOST {
                self.is_cut = true;
                break;
            }
            found.push(one.id().clone());
        }
        Ok(found)
    }
}
