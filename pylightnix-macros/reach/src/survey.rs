//! What sources have, for measurements and tests of this crate.

use std::path::PathBuf;

use crate::item::{ItemId, ItemKind};
use crate::sources::{Sources, Stage};
use crate::text;

/// A function or a method.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Function {
    /// The name that people see.
    pub name: String,
    /// The path of its module, and its own name.
    pub path: String,
    pub file: PathBuf,
    /// The lines from its first attribute to its end.
    pub lines: (u32, u32),
    /// The place that a list of what is reached has for it.
    pub place: String,
    /// Whether it has the attribute `#[stage]`.
    pub is_stage: bool,
    /// The function, as if it were a stage.
    pub stage: Stage,
}

#[doc(hidden)]
impl Sources {
    /// The functions and methods of the package and of the packages that it depends on by path: those of the first crate.
    pub fn functions(&mut self, with_tests: bool) -> Vec<Function> {
        match self.roots.is_empty() {
            true => Vec::new(),
            false => self.functions_of(usize::from(with_tests)),
        }
    }

    /// The stages of all crates of the package, without those that it depends on.
    pub fn stages(&mut self) -> Vec<Function> {
        let mut found: Vec<Function> = Vec::new();
        for root in 0..self.roots.len() {
            for function in self.functions_of(root * 2) {
                let world = &self.read[function.stage.number].world;
                let module = world.items[function.stage.item.0].module;
                let is_own = world.modules[module.0].package.0 == 0;
                // The library is read again with each binary.
                let is_known = || found.iter().any(|it| it.place == function.place);
                if function.is_stage && is_own && !is_known() {
                    found.push(function);
                }
            }
        }
        found.sort_by(|one, two| (&one.file, &one.name).cmp(&(&two.file, &two.name)));
        found
    }

    /// The number of items that are known around a stage.
    pub fn items(&self, stage: Stage) -> usize {
        self.read[stage.number].world.items.len()
    }

    fn functions_of(&mut self, number: usize) -> Vec<Function> {
        self.read_crate(number);
        let world = &self.read[number].world;
        let items = world.items.iter().enumerate();
        let functions = items.filter(|(_, item)| item.kind == ItemKind::Fn);
        let described = functions.map(|(at, item)| {
            let id = ItemId(at);
            let tokens = world.tokens_of(id);
            let line = |at: usize| tokens.get(at).map_or(0, |token| token.line);
            let lines = (line(item.start), line(item.end.saturating_sub(1)));
            Function {
                name: text::name_of(world, item),
                path: format!("{}::{}", world.path_of(item.module), world.text(item.name)),
                file: world.files[item.file.0].path.clone(),
                lines,
                place: format!("{}:{}", world.place(item.file), lines.0),
                is_stage: item.is_stage,
                stage: Stage { number, item: id },
            }
        });
        described.collect()
    }
}
