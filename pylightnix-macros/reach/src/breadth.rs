//! How much of the sources a stage reaches, and which items bring in most of it.

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::follow::Found;
use crate::item::ItemId;
use crate::world::World;

/// The smallest number of items that are worth a word: in a small program a stage may well reach most.
const FEWEST: usize = 50;

/// The number of items that are named.
const NAMED: usize = 3;

/// How much a stage reaches that reaches most of its package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breadth {
    /// The number of items that the stage reaches.
    pub reached: usize,
    /// The number of items of the package, and of the packages that it depends on by path.
    pub all: usize,
    /// The items that bring in most, as a number in [`Reached::items`](crate::Reached::items) and the number of items that
    /// are reached through it alone, itself included.
    pub because: Vec<(usize, usize)>,
}

/// Measures what a stage reaches; `None` unless it is most of the sources. `numbers` has the numbers of the items that are
/// listed.
pub(crate) fn breadth(
    world: &World,
    stage: ItemId,
    found: &Found,
    numbers: &FxHashMap<ItemId, usize>,
) -> Option<Breadth> {
    // Of configs it is the fields that count.
    let counts = |id: ItemId| world.items[id.0].config.is_none();
    let reached = found.items.keys().filter(|id| counts(**id)).count();
    let all = world.items.iter().filter(|it| it.config.is_none()).count();
    if reached < FEWEST || reached * 2 <= all {
        return None;
    }
    let tree = DominatorTree::of(stage, found, counts);
    Some(Breadth {
        reached,
        all,
        because: tree.widest(numbers),
    })
}

/// For each item that is reached the nearest other one that all ways from the stage to it lead through, found as in
/// [A Simple, Fast Dominance Algorithm](https://hdl.handle.net/1911/96345).
///
/// A method is reached if its name is called and its type is reached; here the ways lead through its type.
struct DominatorTree {
    /// The items, each after those on some way to it; the stage first.
    order: Vec<ItemId>,
    /// For each place in the order the place of the nearest dominator.
    above: Vec<usize>,
    /// For each place in the order the number of items that are reached through it alone.
    alone: Vec<usize>,
}

impl DominatorTree {
    fn of(stage: ItemId, found: &Found, counts: impl Fn(ItemId) -> bool) -> Self {
        let causes = found.items.iter().map(|(id, cause)| (cause.from, *id));
        let ways = || found.ways.iter().copied().chain(causes.clone());
        // What no single item names counts as named by the stage.
        let begin = |from: Option<ItemId>| {
            let from = from.filter(|from| found.items.contains_key(from));
            from.unwrap_or(stage)
        };
        let mut next: FxHashMap<ItemId, Vec<ItemId>> = FxHashMap::default();
        for (from, to) in ways() {
            next.entry(begin(from)).or_default().push(to);
        }
        for to in next.values_mut() {
            to.sort_unstable();
            to.dedup();
        }
        let order = order(stage, &next);
        let places: FxHashMap<ItemId, usize> = (order.iter().enumerate())
            .map(|(at, id)| (*id, at))
            .collect();
        let mut before = vec![Vec::new(); order.len()];
        for (from, to) in &next {
            for to in to {
                if let (Some(from), Some(to)) = (places.get(from), places.get(to)) {
                    before[*to].push(*from);
                }
            }
        }
        let above = dominators(&before);
        let mut alone: Vec<usize> = order.iter().map(|id| counts(*id).into()).collect();
        for at in (1..order.len()).rev() {
            alone[above[at]] += alone[at];
        }
        DominatorTree {
            order,
            above,
            alone,
        }
    }

    /// Returns the items through which most is reached, by their numbers.
    fn widest(&self, numbers: &FxHashMap<ItemId, usize>) -> Vec<(usize, usize)> {
        let mut largest_below = vec![0; self.order.len()];
        for at in 1..self.order.len() {
            let above = self.above[at];
            largest_below[above] = self.alone[at].max(largest_below[above]);
        }
        // An item that does little more than to lead to another one is not to blame.
        let is_to_blame = |at: &usize| {
            let alone = self.alone[*at];
            alone > 1 && largest_below[*at] * 10 < alone * 9
        };
        let blamed = (1..self.order.len()).filter(is_to_blame);
        let mut found: Vec<(usize, usize)> = blamed
            .filter_map(|at| Some((*numbers.get(&self.order[at])?, self.alone[at])))
            .collect();
        found.sort_unstable_by_key(|(number, alone)| (Reverse(*alone), *number));
        found.truncate(NAMED);
        found
    }
}

/// Lists what is reached from the stage, each item after one that leads to it, and before those that only it leads to.
fn order(stage: ItemId, next: &FxHashMap<ItemId, Vec<ItemId>>) -> Vec<ItemId> {
    let of = |id: &ItemId| next.get(id).map_or(&[][..], Vec::as_slice);
    let mut seen = FxHashSet::from_iter([stage]);
    let mut path = vec![(stage, 0)];
    let mut order = Vec::new();
    while let Some((id, at)) = path.last_mut() {
        match of(id).get(*at) {
            Some(to) => {
                *at += 1;
                if seen.insert(*to) {
                    path.push((*to, 0));
                }
            }
            None => {
                order.push(*id);
                path.pop();
            }
        }
    }
    order.reverse();
    order
}

/// Finds the nearest dominator of each place of an order, of which `before` has the places that lead to it.
fn dominators(before: &[Vec<usize>]) -> Vec<usize> {
    const UNKNOWN: usize = usize::MAX;
    let mut above = vec![UNKNOWN; before.len()];
    above[0] = 0;
    let mut is_changed = true;
    while is_changed {
        is_changed = false;
        for at in 1..before.len() {
            let known = before[at].iter().filter(|from| above[**from] != UNKNOWN);
            let nearest = known.copied().reduce(|mut one, mut two| {
                while one != two {
                    match one > two {
                        true => one = above[one],
                        false => two = above[two],
                    }
                }
                one
            });
            let nearest = nearest.unwrap_or(0);
            is_changed |= std::mem::replace(&mut above[at], nearest) != nearest;
        }
    }
    above
}

#[cfg(test)]
mod tests {
    use super::dominators;

    #[test]
    fn a_dominator_is_on_all_ways() {
        // 0 leads to 1 and 2; both to 3, which leads to 4 and back to 2; 4 to 5.
        let before = [vec![], vec![0], vec![0, 3], vec![1, 2], vec![3], vec![4]];
        assert_eq!(dominators(&before.map(Vec::from)), [0, 0, 0, 0, 3, 4]);
        // A ring that is entered at one place.
        let before = [vec![], vec![0, 3], vec![1], vec![2]];
        assert_eq!(dominators(&before), [0, 0, 1, 2]);
    }
}
