//! The parameters of a stage, which may be of any type that has the traits that their bounds name.

use std::ops::Range;

use rustc_hash::FxHashSet;

use crate::follow::Follow;
use crate::item::{ItemId, ItemKind};
use crate::names::{Name, word};
use crate::resolve::Meaning;
use crate::tokens::{angle, attributes, path_at};

/// Traits that nearly all types have, and by which a stage learns nothing of a value.
const MARKERS: [&str; 8] = [
    "Send", "Sync", "Sized", "Copy", "Unpin", "Fn", "FnMut", "FnOnce",
];

/// The traits that bounds name.
#[derive(Default)]
struct Bounds {
    own: Vec<ItemId>,
    /// The last words of the paths of the others.
    foreign: FxHashSet<Name>,
}

impl Follow<'_> {
    /// Reaches all types that a stage may be called with.
    pub(crate) fn parameters(&mut self, stage: ItemId) {
        let world = self.world;
        let item = &world.items[stage.0];
        let tokens = world.tokens_of(stage);
        let Some(at) = (item.start..item.body).find(|at| tokens[*at].word(word::FN)) else {
            return;
        };
        let mut bounds = Bounds::default();
        if tokens.get(at + 2).is_some_and(|token| token.is(b'<')) {
            let close = angle(tokens, at + 2, item.body);
            self.bounds(stage, at + 2..close, &mut bounds);
            let found = (close..item.body).find(|at| tokens[*at].word(word::WHERE));
            self.bounds(stage, found.unwrap_or(item.body)..item.body, &mut bounds);
        }
        for at in at + 2..item.body {
            if tokens[at].word(word::IMPL) || tokens[at].word(word::DYN) {
                let end = (at..item.body).find(|at| tokens[*at].is(b',') || tokens[*at].is_close());
                self.bounds(stage, at..end.unwrap_or(item.body), &mut bounds);
            }
        }
        self.from = Some(stage);
        self.implementors(bounds);
    }

    /// Finds the traits among the paths in some tokens of an item.
    fn bounds(&mut self, id: ItemId, range: Range<usize>, bounds: &mut Bounds) {
        let world = self.world;
        let tokens = world.tokens_of(id);
        let module = world.items[id.0].module;
        for at in range.clone() {
            if !tokens[at].is_word() || tokens[at].name.is_keyword() {
                continue;
            }
            let (path, _) = path_at(tokens, at, range.end);
            let mut is_own = false;
            for meaning in self.index.resolver.path(world, module, &path) {
                if let Meaning::Item(found) = meaning {
                    is_own = true;
                    if world.items[found.0].kind == ItemKind::Trait && !bounds.own.contains(&found)
                    {
                        bounds.own.push(found);
                    }
                }
            }
            let last = path[path.len() - 1];
            if !is_own && !MARKERS.contains(&world.text(last)) {
                bounds.foreign.insert(last);
            }
        }
    }

    fn implementors(&mut self, mut bounds: Bounds) {
        let world = self.world;
        let mut at = 0;
        while let Some(own) = bounds.own.get(at).copied() {
            at += 1;
            for number in 0..self.index.impls.len() {
                let this = &self.index.impls[number];
                if this.own_trait != Some(own) {
                    continue;
                }
                let (id, needs) = (this.id, this.needs.clone());
                if needs.is_empty() {
                    // For each type that has the traits of its own bounds.
                    let item = &world.items[id.0];
                    self.bounds(id, item.start..item.body, &mut bounds);
                }
                for need in needs {
                    self.reach(need);
                }
            }
        }
        if bounds.foreign.is_empty() {
            return;
        }
        for number in 0..self.index.impls.len() {
            let this = &self.index.impls[number];
            if this.is_foreign
                && this
                    .trait_name
                    .is_some_and(|name| bounds.foreign.contains(&name))
            {
                for need in this.needs.clone() {
                    self.reach(need);
                }
            }
        }
        for (at, item) in world.items.iter().enumerate() {
            if item.kind.is_type() && self.derives(ItemId(at), &bounds.foreign) {
                self.reach(ItemId(at));
            }
        }
    }

    /// Returns whether a type derives one of some traits.
    fn derives(&self, id: ItemId, traits: &FxHashSet<Name>) -> bool {
        let item = &self.world.items[id.0];
        let tokens = self.world.tokens_of(id);
        let (attrs, _) = attributes(tokens, item.start, item.end);
        attrs.into_iter().any(|attr| {
            let is_derive = tokens[attr.start].word(word::DERIVE);
            is_derive
                && tokens[attr]
                    .iter()
                    .any(|token| token.is_word() && traits.contains(&token.name))
        })
    }
}
