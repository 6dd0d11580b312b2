//! Which builds are independent of each other.

use uuid::Uuid;

use super::{Independence, Maker};
use crate::keys::KeyId;

/// A build, and what tells by whom it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Made {
    pub(super) keys: Vec<KeyId>,
    pub(super) host: String,
    pub(super) id: Uuid,
}

/// Sorts builds into makers, each independent of the others.
pub(super) fn makers(mut builds: Vec<Made>) -> Vec<Maker> {
    // What two keys signed is one build; those with fewer keys come first, so that it does not join their makers.
    builds.sort_unstable_by(|a, b| {
        let key = |made: &Made| (made.keys.is_empty(), made.keys.len());
        key(a).cmp(&key(b)).then_with(|| a.cmp(b))
    });
    builds.dedup_by_key(|made| made.id);
    let mut makers: Vec<Maker> = Vec::new();
    for made in builds {
        let at = match makers
            .iter()
            .position(|maker| !is_independent(maker, &made))
        {
            Some(at) => at,
            None => {
                makers.push(Maker::default());
                makers.len() - 1
            }
        };
        let maker = &mut makers[at];
        maker.keys.extend(made.keys);
        maker.keys.sort_unstable();
        maker.keys.dedup();
        if !maker.hosts.contains(&made.host) {
            maker.hosts.push(made.host);
        }
        maker.builds.push(made.id);
    }
    makers
}

fn is_independent(maker: &Maker, made: &Made) -> bool {
    match maker.keys.is_empty() || made.keys.is_empty() {
        true => !made.host.is_empty() && !maker.hosts.contains(&made.host),
        false => !made.keys.iter().any(|key| maker.keys.contains(key)),
    }
}

/// Returns by what makers are independent; `None` if there are not two.
pub(super) fn independence(makers: &[Maker]) -> Option<Independence> {
    if makers.len() < 2 {
        return None;
    }
    let mut all = makers.iter();
    Some(match all.all(|maker| !maker.keys.is_empty()) {
        true => Independence::Keys,
        false => Independence::Hosts,
    })
}
