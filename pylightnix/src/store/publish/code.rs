//! Storing the texts and lists that code fingerprints are hashes of.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::store::Store;
use crate::store::disk::durable::rename_new;
use crate::store::disk::entries::entries;
use crate::store::disk::regular;
use crate::store::disk::unsynced::Unsynced;
use crate::store::object::code_list::{CodeItem, CodeList, is_hash, section};
use crate::{Error, ErrorKind, Result};

/// The number of new texts that are open at a time, until they are synced.
const MOST_OPEN: usize = 256;

impl Store {
    /// Saves the text of a code fingerprint, unless it is saved already.
    pub(crate) fn save_code(&self, fingerprint: &str, text: &str) -> Result<()> {
        self.save(fingerprint, || Ok(text.to_owned()))
    }

    /// Saves a list of code under its fingerprint, and the texts of its items, unless they are saved already. `texts` gives
    /// the text of an item; an item without one is listed by its name alone.
    pub(crate) fn save_code_list<'a>(
        &self,
        fingerprint: &str,
        list: &CodeList,
        text_of: impl Fn(&CodeItem) -> Option<Cow<'a, str>>,
    ) -> Result<()> {
        self.save(fingerprint, || {
            // The texts come first: who finds the list finds them.
            self.save_items(list, text_of)?;
            Ok(list.to_text())
        })
    }

    /// Saves code that came from elsewhere: `text` is what its fingerprint stands for, and `item` gives the text of an item by its hash.
    /// What is here stays. Texts of items that are not what their hashes say are left out. Returns `false` if `text` is not what the
    /// fingerprint stands for.
    pub(in crate::store) fn take_code(
        &self,
        fingerprint: &str,
        text: &str,
        item: &dyn Fn(&str) -> Option<String>,
    ) -> Result<bool> {
        let Some(list) = CodeList::parse(text) else {
            self.save_code(fingerprint, text)?;
            return Ok(true);
        };
        if list.fingerprint() != fingerprint {
            return Ok(false);
        }
        self.save_code_list(fingerprint, &list, |one| {
            let text = item(&one.hash)?;
            list.may_be(one, &text).then_some(Cow::Owned(text))
        })?;
        Ok(true)
    }

    /// Copies the code of these fingerprints from another store, as far as it is there and not here. It is for people, so that what is
    /// damaged there is left out.
    pub(in crate::store) fn copy_code(
        &self,
        other: &Store,
        fingerprints: &BTreeSet<String>,
    ) -> Result<()> {
        for fingerprint in fingerprints {
            // What cannot be the name of a text has none.
            if self.has_code(fingerprint).unwrap_or(true) {
                continue;
            }
            if let Ok(Some(text)) = other.read_code(fingerprint) {
                let item = |hash: &str| other.code_item(hash).ok().flatten();
                self.take_code(fingerprint, &text, &item)?;
            }
        }
        Ok(())
    }

    fn save(&self, fingerprint: &str, text: impl FnOnce() -> Result<String>) -> Result<()> {
        if self.saved_code().contains(fingerprint) {
            // The lease already protects it from garbage collection while this process lives.
            return Ok(());
        }
        let path = self.code_path(fingerprint)?;
        // Protect it before checking that it exists, until a build record names it.
        self.manager().record_code_in_use(fingerprint)?;
        if path.exists() {
            // The process that created it may not have synced the folder yet.
            self.durability().sync_folder(&self.layout().code())?;
        } else {
            let text = text()?;
            let draft = self.manager().temporary()?;
            self.durability()
                .publish_file(&draft, &path, text.as_bytes())?;
        }
        self.saved_code().insert(fingerprint.to_owned());
        Ok(())
    }

    fn save_items<'a>(
        &self,
        list: &CodeList,
        text_of: impl Fn(&CodeItem) -> Option<Cow<'a, str>>,
    ) -> Result<()> {
        let folder = self.layout().code_items();
        fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
        // All new texts are synced together.
        let mut unsynced = Unsynced::new(self.durability());
        let mut drafts = Vec::new();
        let mut done = HashSet::new();
        let made = list.items.iter().try_for_each(|item| {
            let place = folder.join(&*item.hash);
            if !is_hash(&item.hash) || !done.insert(&item.hash) || place.exists() {
                return Ok(());
            }
            let Some(text) = text_of(item) else {
                return Ok(());
            };
            let draft = self.manager().temporary()?;
            drafts.push((draft, place));
            let (draft, _) = &drafts[drafts.len() - 1];
            if drafts.len() % MOST_OPEN == 0 {
                std::mem::replace(&mut unsynced, Unsynced::new(self.durability())).sync()?;
            }
            unsynced.create(draft, text.as_bytes())
        });
        let made = made.and_then(|()| unsynced.sync());
        let moved = made.and_then(|()| {
            drafts
                .iter()
                .try_for_each(|(draft, place)| rename_new(draft, place).map(drop))
        });
        for (draft, _) in &drafts {
            // Of those that were there already, or after an error. The sweep of temporary files removes what stays.
            let _ = fs::remove_file(draft);
        }
        moved?;
        self.durability().sync_folder(&folder)?;
        self.durability().sync_folder(&self.layout().code())
    }

    /// Returns the text of a code fingerprint, or `None` if it was not saved. Of code that is kept as a list, it is the text of
    /// its items.
    ///
    /// # Errors
    /// Fails if the fingerprint is not a valid file name, or if a system call fails.
    pub fn code(&self, fingerprint: &str) -> Result<Option<String>> {
        let found = self.code_and_list(fingerprint)?;
        Ok(found.map(|(text, _)| text))
    }

    /// Returns the text of a code fingerprint, and the list of its items if it is kept as a list; `None` if it was not saved.
    pub(crate) fn code_and_list(
        &self,
        fingerprint: &str,
    ) -> Result<Option<(String, Option<CodeList>)>> {
        let Some(text) = self.read_code(fingerprint)? else {
            return Ok(None);
        };
        let Some(list) = CodeList::parse(&text) else {
            return Ok(Some((text, None)));
        };
        let mut texts = String::new();
        for item in &list.items {
            let path = self.layout().code_items().join(&*item.hash);
            let body = match regular::read_to_string(&path) {
                Ok(body) => body,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("read", &path, error)),
            };
            texts.push_str(&section(&item.kind, &item.name, &body));
        }
        Ok(Some((texts, Some(list))))
    }

    /// Returns the list of the items of a code fingerprint, or `None` if it was not saved, or not as a list.
    pub(crate) fn code_list(&self, fingerprint: &str) -> Result<Option<CodeList>> {
        let text = self.read_code(fingerprint)?;
        Ok(text.and_then(|text| CodeList::parse(&text)))
    }

    /// Returns whether the text of a code fingerprint is saved.
    pub(crate) fn has_code(&self, fingerprint: &str) -> Result<bool> {
        let path = self.code_path(fingerprint)?;
        path.try_exists()
            .map_err(|error| Error::io("look at", &path, error))
    }

    /// Returns the content of the file of a fingerprint: a list, or the text of a version before lists.
    pub(in crate::store) fn read_code(&self, fingerprint: &str) -> Result<Option<String>> {
        let path = self.code_path(fingerprint)?;
        match regular::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path, error)),
        }
    }

    /// Returns the text of an item, or `None` if it was not saved.
    pub(in crate::store) fn code_item(&self, hash: &str) -> Result<Option<String>> {
        let path = self.layout().code_items().join(hash);
        match regular::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path, error)),
        }
    }

    /// Returns the hashes of all saved texts of items.
    pub(in crate::store) fn all_code_items(&self) -> Result<HashSet<String>> {
        let mut all = HashSet::new();
        for entry in entries(&self.layout().code_items())? {
            // Ignore foreign files.
            all.extend(
                entry?
                    .file_name()
                    .into_string()
                    .ok()
                    .filter(|name| is_hash(name)),
            );
        }
        Ok(all)
    }

    pub(in crate::store) fn delete_code_item(&self, hash: &str) -> Result<()> {
        let path = self.layout().code_items().join(hash);
        fs::remove_file(&path).map_err(|error| Error::io("remove", &path, error))
    }

    /// Returns the fingerprints of all saved texts.
    pub(in crate::store) fn all_code(&self) -> Result<HashSet<String>> {
        let folder = self.layout().code();
        let mut all = HashSet::new();
        for entry in entries(&folder)? {
            let name = entry?.file_name().into_string();
            // Ignore foreign files.
            all.extend(name.ok().filter(|name| self.code_path(name).is_ok()));
        }
        Ok(all)
    }

    pub(in crate::store) fn delete_code(&self, fingerprint: &str) -> Result<()> {
        let path = self.code_path(fingerprint)?;
        fs::remove_file(&path).map_err(|error| Error::io("remove", &path, error))
    }

    fn code_path(&self, fingerprint: &str) -> Result<PathBuf> {
        let fits = (1..=200).contains(&fingerprint.len())
            && !fingerprint.starts_with('.')
            && fingerprint
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        if !fits {
            return Err(Error::new(
                ErrorKind::Store,
                format!("{fingerprint:?} cannot be the name of a kept text"),
            )
            .with_help("a fingerprint is 1 to 200 of a-z, A-Z, 0-9, `_`, `-` and `.`, not beginning with a dot"));
        }
        Ok(self.layout().code().join(fingerprint))
    }
}
