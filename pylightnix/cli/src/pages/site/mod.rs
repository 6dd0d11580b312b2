//! Writes pages as files, for a colleague, a supplement or a static host: all that can be reached from the first page.

mod addresses;
mod folder;
mod inputs;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Read as _;
use std::path::Path;

use super::model::{BLOCK, Query, Reader, StageRows, WordsOf};
use super::{page, views};
use crate::draw::{State, styles};
use crate::exit::CommandResult;
use addresses::{Address, File, Names};
use folder::{Folder, MadeFrom};
use inputs::Inputs;
use pylightnix::config::{DRefId, RRefId};

/// What to write.
pub(crate) struct Site<'a> {
    pub(crate) reader: &'a Reader,
    /// The most pages of realizations.
    pub(crate) pages: usize,
    pub(crate) artifacts: Artifacts,
}

/// Which files of artifacts are there beside their pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Artifacts {
    /// Copies of those that are at most this large, in bytes.
    UpTo(u64),
    /// Copies of all.
    Copy,
    /// Symbolic links to the store.
    Link,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Written {
    pub(crate) files: usize,
    /// The files that are new or have other bytes than before.
    pub(crate) changed: usize,
    pub(crate) removed: usize,
    /// The realizations without a page of their own.
    pub(crate) without_page: usize,
}

impl Site<'_> {
    /// Writes all files into a folder that is empty, not there yet, or has a site of before.
    pub(crate) fn write(&self, folder: &Path) -> CommandResult<Written> {
        let mut folder = Folder::open(folder)?;
        let shown = self.shown()?;
        let all = self.reader.chosen().map_or(0, BTreeSet::len);
        let names = Names { shown: &shown };
        let store = self.reader.name();
        let store = store.rsplit('/').next().unwrap_or(&store).to_owned();
        let inputs = Inputs::read(self, &store, &shown)?;
        if let Some(mut written) = folder.all_as_before(inputs.whole()) {
            written.without_page = all - shown.len();
            return Ok(written);
        }
        let css = format!("{}\n{}", styles(&State::ALL), views::STYLES);
        folder.write("style.css", css.as_bytes())?;
        folder.write("page.js", views::SCRIPT.as_bytes())?;
        folder.write("icon.svg", views::ICON.as_bytes())?;
        for (name, script) in views::SCRIPTS_OF_FILES {
            folder.write(name, script.as_bytes())?;
        }
        self.data(&mut folder, &shown)?;
        let mut waiting = VecDeque::from([Address::parse("/")]);
        // Scripts lead to results that are in no page's first rows.
        waiting.extend(
            shown
                .iter()
                .map(|rref| Address::parse(&format!("/r/{rref}"))),
        );
        let mut seen: BTreeSet<File> = waiting.iter().filter_map(|one| names.file(one)).collect();
        while let Some(address) = waiting.pop_front() {
            let Some(file) = names.file(&address) else {
                continue;
            };
            let made_from = inputs.of(self.reader, &address);
            let links = made_from
                .as_ref()
                .and_then(|digest| folder.keep(&file, digest));
            if let Some(links) = links {
                for link in links {
                    let to = Address::parse(&link);
                    if let Some(next) = names.file(&to)
                        && seen.insert(next)
                    {
                        waiting.push_back(to);
                    }
                }
                continue;
            }
            if let Some((rref, path)) = address.bytes() {
                self.put(&mut folder, &file, &rref, path)?;
                let digest = made_from.unwrap_or_default();
                let links = Vec::new();
                folder.is_made_from(&file, MadeFrom { digest, links });
                continue;
            }
            let made = match page::page(self.reader, &address.path, &Query::parse(&address.query)) {
                Ok(made) => made,
                Err(fault) => views::fault("Not found", &fault.report().unwrap_or_default()),
            };
            let html = views::framed_as_file(&store, &made);
            let mut links = Vec::new();
            let html = names.rewritten(
                &html,
                &file,
                &mut |to, text| {
                    let Some(next) = names.file(&to) else {
                        return false;
                    };
                    if let Some((rref, path)) = to.bytes()
                        && !self.takes(&rref, path)
                    {
                        return false;
                    }
                    if !to.is_own() {
                        links.push(text.to_owned());
                        if seen.insert(next) {
                            waiting.push_back(to);
                        }
                    }
                    true
                },
                &|rref, path| self.inline(rref, path),
            );
            folder.write(&file, html.as_bytes())?;
            if let Some(digest) = made_from {
                folder.is_made_from(&file, MadeFrom { digest, links });
            }
        }
        let mut written = folder.end(inputs.whole())?;
        written.without_page = all - shown.len();
        Ok(written)
    }

    /// Writes what scripts make tables and a search of.
    fn data(&self, folder: &mut Folder, shown: &BTreeSet<RRefId>) -> CommandResult<()> {
        let chosen: Vec<&RRefId> = self.reader.chosen().into_iter().flatten().collect();
        let mut stages: Vec<&str> = chosen.iter().map(|rref| rref.name().as_str()).collect();
        stages.sort_unstable();
        stages.dedup();
        let mut counts = Vec::new();
        for name in stages {
            // A name that is none of a file has no page, either.
            if addresses::plain(name).is_none() {
                continue;
            }
            let rows = StageRows::read(self.reader, name)?;
            for block in 0..rows.blocks() {
                let script = views::rows_script(&rows, block, shown);
                folder.write(&format!("data/stage/{name}.{block}.js"), script.as_bytes())?;
            }
            counts.push((name, rows.count()));
        }
        // One block without results has the names of stages.
        for block in 0..chosen.len().div_ceil(BLOCK).max(1) {
            let rrefs = chosen.iter().skip(block * BLOCK).take(BLOCK);
            // What cannot be read has no words.
            let words = rrefs.filter_map(|rref| WordsOf::read(self.reader, rref).ok());
            let words: Vec<WordsOf> = words.collect();
            let script = views::words_script(block, &words, &counts, shown);
            folder.write(&format!("data/search.{block}.js"), script.as_bytes())?;
        }
        Ok(())
    }

    /// Returns the realizations that have pages: the newest.
    fn shown(&self) -> CommandResult<BTreeSet<RRefId>> {
        let chosen = self.reader.chosen().into_iter().flatten().cloned();
        let mut chosen: Vec<RRefId> = chosen.collect();
        if chosen.len() > self.pages {
            let drefs: BTreeSet<&DRefId> = chosen.iter().map(RRefId::dref).collect();
            let drefs: Vec<DRefId> = drefs.into_iter().cloned().collect();
            let found = self.reader.store.realizations_of_each(&drefs);
            let found = found.flat_map(|(_, found)| found).flatten();
            let built: BTreeMap<RRefId, _> = found
                .map(|one| (one.id.clone(), one.last_built()))
                .collect();
            chosen.sort_by_key(|rref| std::cmp::Reverse(built.get(rref).copied().flatten()));
            chosen.truncate(self.pages);
        }
        Ok(chosen.into_iter().collect())
    }

    /// Returns whether a file of an artifact is there.
    fn takes(&self, rref: &RRefId, path: &str) -> bool {
        match (self.artifacts, self.reader.open(rref, path)) {
            (_, Err(_)) => false,
            (Artifacts::UpTo(most), Ok((.., size))) => size <= most,
            (Artifacts::Copy | Artifacts::Link, Ok(_)) => true,
        }
    }

    /// Returns the bytes of a picture that has to be in its page: no host is to serve it as a page.
    fn inline(&self, rref: &RRefId, path: &str) -> Option<Vec<u8>> {
        let is_svg = path.to_ascii_lowercase().ends_with(".svg");
        match is_svg && self.takes(rref, path) {
            true => {
                let (_, mut file, _) = self.reader.open(rref, path).ok()?;
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).ok()?;
                Some(bytes)
            }
            false => None,
        }
    }

    fn put(&self, folder: &mut Folder, file: &str, rref: &RRefId, path: &str) -> CommandResult<()> {
        let (from, opened, size) = self.reader.open(rref, path)?;
        match self.artifacts {
            Artifacts::Link => folder.link(file, &from),
            _ => folder.copy(file, opened.take(size), &from),
        }
    }
}
