//! The inventory of an archive: its records, and the entries that they require.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::content::Archive;
use super::frame::{Member, Method};
use super::{CODE, CODE_ITEMS, EXECUTABLE_MODE, FILE_MODE, FOLDER_MODE, LINK_MODE, refused};
use crate::config::{ConfigJson, DRefId, Digest, RRefId};
use crate::store::disk::layout::{CONFIG, OUT, RECORD};
use crate::store::object::build_record::{BuildFile, BuildRecord};
use crate::store::object::code_list::{CodeList, is_hash};
use crate::store::object::record::{Outcome, Record, reference};
use crate::store::object::signature::SignatureFile;
use crate::store::object::tree::EntryKind;
use crate::store::object::violation::lacking_in;
use crate::{Error, Result};

/// A realization in an archive.
pub(super) struct Packed {
    pub(super) id: RRefId,
    pub(super) record: Record,
    /// The text of the record.
    pub(super) text: String,
    /// The build records and logs: file names and positions in the list of entries.
    pub(super) builds: Vec<(String, usize)>,
    /// The fingerprints of code that the build records name.
    pub(super) fingerprints: Vec<String>,
    /// The position in the list of entries for each entry of the manifest.
    pub(super) artifacts: Vec<usize>,
    /// Whether only its build records are here.
    pub(super) is_outline: bool,
}

/// The complete content of an archive.
pub(super) struct Inventory {
    pub(super) configs: BTreeMap<DRefId, ConfigJson>,
    /// Sorted with dependencies first.
    pub(super) realizations: Vec<Packed>,
    pub(super) code: PackedCode,
}

/// The code in an archive, which is for people.
#[derive(Default)]
pub(super) struct PackedCode {
    /// What each fingerprint stands for.
    pub(super) texts: BTreeMap<String, String>,
    /// The texts of items, by their hashes.
    pub(super) items: BTreeMap<String, String>,
}

/// The meaning of an entry's name.
enum Place {
    Config(DRefId),
    Record(RRefId),
    Build(RRefId, BuildFile),
    Out,
    Code(String),
    CodeItem(String),
}

impl Archive<'_> {
    /// Reads all records, and checks that the entries are exactly those that the records require.
    ///
    /// What `is_there` need not be here: dependencies of what is here, and the artifacts of a realization. If it `takes_stubs`, no artifacts
    /// need be here.
    pub(super) fn inventory(
        &self,
        is_there: &dyn Fn(&RRefId) -> Result<bool>,
        takes_stubs: bool,
    ) -> Result<Inventory> {
        let mut configs = BTreeMap::new();
        let mut records = Vec::new();
        let mut builds: HashMap<RRefId, Vec<(BuildFile, usize)>> = HashMap::new();
        let mut outs = BTreeMap::new();
        let mut code = PackedCode::default();
        for (at, member) in self.members.iter().enumerate() {
            match place(&member.name) {
                Some(Place::Config(dref)) => {
                    configs.insert(dref.clone(), self.config(&dref, member)?);
                }
                Some(Place::Record(rref)) => records.push((rref, at)),
                Some(Place::Build(rref, build)) => {
                    match build {
                        BuildFile::Record(_) => self.expect_stored(member, FILE_MODE)?,
                        BuildFile::Signature(..) => self.expect_stored(member, FILE_MODE)?,
                        BuildFile::Log(_) => self.expect(member, member.size, FILE_MODE)?,
                    }
                    builds.entry(rref).or_default().push((build, at));
                }
                Some(Place::Out) => {
                    outs.insert(member.name.as_str(), at);
                }
                Some(Place::Code(fingerprint)) => {
                    code.texts.insert(fingerprint, self.text(member)?);
                }
                Some(Place::CodeItem(hash)) => {
                    code.items.insert(hash, self.text(member)?);
                }
                None => return Err(self.unexpected(member)),
            }
        }
        let mut realizations = Vec::new();
        let is_outline = |rref: &RRefId| Ok(takes_stubs || is_there(rref)?);
        for (rref, at) in records {
            let builds = builds.remove(&rref).unwrap_or_default();
            realizations.push(self.realization(
                rref,
                at,
                &configs,
                builds,
                &mut outs,
                &is_outline,
            )?);
        }
        let stray = builds.values().flatten().map(|(_, at)| *at);
        if let Some(at) = stray.chain(outs.into_values()).min() {
            return Err(self.unexpected(&self.members[at]));
        }
        let used: BTreeSet<&DRefId> = realizations.iter().map(|packed| packed.id.dref()).collect();
        if let Some(dref) = configs.keys().find(|dref| !used.contains(dref)) {
            let name = format!("{}/{CONFIG}", dref.folder());
            return Err(self.refused(&name, "belongs to no realization"));
        }
        self.check_code(&code, &realizations)?;
        Ok(Inventory {
            realizations: self.in_order(realizations, is_there)?,
            configs,
            code,
        })
    }

    /// Checks that build records name the code, and that its lists name the items.
    fn check_code(&self, code: &PackedCode, realizations: &[Packed]) -> Result<()> {
        let named = realizations.iter().flat_map(|packed| &packed.fingerprints);
        let named: BTreeSet<&String> = named.collect();
        let mut hashes = BTreeSet::new();
        for (fingerprint, text) in &code.texts {
            let name = format!("{CODE}/{fingerprint}");
            if !named.contains(fingerprint) {
                return Err(self.refused(&name, "is not named in any build record"));
            }
            if let Some(list) = CodeList::parse(text) {
                if list.fingerprint() != *fingerprint {
                    return Err(self.refused(&name, "does not match the hash in its name"));
                }
                hashes.extend(list.items.into_iter().map(|item| item.hash));
            }
        }
        match code
            .items
            .keys()
            .find(|hash| !hashes.contains(hash.as_str()))
        {
            None => Ok(()),
            Some(hash) => {
                let name = format!("{CODE_ITEMS}/{hash}");
                Err(self.refused(&name, "is not named in any list of code"))
            }
        }
    }

    /// Reads an entry that is a text.
    fn text(&self, member: &Member) -> Result<String> {
        self.expect_stored(member, FILE_MODE)?;
        String::from_utf8(self.bytes(member)?)
            .map_err(|_| self.refused(&member.name, "is not a text"))
    }

    fn config(&self, dref: &DRefId, member: &Member) -> Result<ConfigJson> {
        self.expect_stored(member, FILE_MODE)?;
        let bytes = self.bytes(member)?;
        let config = ConfigJson::from_canonical(&bytes)
            .map_err(|error| self.refused(&member.name, "is not a config").because(error))?;
        if config.id() != dref {
            return Err(self.refused(&member.name, "does not match the hash in its name"));
        }
        Ok(config)
    }

    fn realization(
        &self,
        id: RRefId,
        at: usize,
        configs: &BTreeMap<DRefId, ConfigJson>,
        builds: Vec<(BuildFile, usize)>,
        outs: &mut BTreeMap<&str, usize>,
        may_be_outline: &dyn Fn(&RRefId) -> Result<bool>,
    ) -> Result<Packed> {
        let member = &self.members[at];
        let fault = |why: &str| self.refused(&member.name, why);
        self.expect_stored(member, FILE_MODE)?;
        let text = String::from_utf8(self.bytes(member)?)
            .map_err(|_| fault("is not the record of a realization"))?;
        if reference(id.dref(), &text) != id {
            return Err(fault("does not match the hash in its name"));
        }
        let record = Record::parse(&text)
            .map_err(|error| fault("is not the record of a realization").because(error))?;
        let Some(config) = configs.get(id.dref()) else {
            return Err(fault("comes without the config of its derivation"));
        };
        if record.head().derivation != *config.digest() {
            return Err(fault("is of another derivation"));
        }
        if let Some(misfit) = record.head().context.misfits(config).next() {
            return Err(fault(&misfit));
        }
        if let Some(lack) = lacking_in(config, &record).first() {
            let name = format!("{}/{}", out_prefix(&id), lack.path);
            return Err(self.refused(&name, &lack.to_string()));
        }
        let has_out = outs.contains_key(format!("{}/", out_prefix(&id)).as_str());
        let is_outline = !has_out && record.head().outcome == Outcome::Ok && may_be_outline(&id)?;
        let mut fingerprints = Vec::new();
        Ok(Packed {
            builds: self.builds(&text, builds, &mut fingerprints)?,
            fingerprints,
            artifacts: match is_outline {
                true => Vec::new(),
                false => self.artifacts(&id, &record, outs)?,
            },
            is_outline,
            id,
            record,
            text,
        })
    }

    /// Checks build records, and their optional logs and signatures. `text` is that of the realization's record. Adds the fingerprints that
    /// they name to `fingerprints`.
    fn builds(
        &self,
        text: &str,
        found: Vec<(BuildFile, usize)>,
        fingerprints: &mut Vec<String>,
    ) -> Result<Vec<(String, usize)>> {
        let mut ids = BTreeMap::new();
        for (build, at) in &found {
            if let BuildFile::Record(id) = build {
                let member = &self.members[*at];
                let bytes = self.bytes(member)?;
                let Some(record) = BuildRecord::from_bytes(*id, &bytes) else {
                    return Err(self.refused(&member.name, "is not a known kind of build record"));
                };
                fingerprints.extend(record.fingerprint.into_iter().chain(record.accepted));
                ids.insert(*id, Digest::of(&bytes));
            }
        }
        let mut builds = Vec::new();
        for (build, at) in found {
            let member = &self.members[at];
            match build {
                BuildFile::Record(_) => {}
                BuildFile::Log(id) if ids.contains_key(&id) => {}
                BuildFile::Log(_) => {
                    return Err(self.refused(&member.name, "is a log without a build record"));
                }
                BuildFile::Signature(id, key) => {
                    let Some(digest) = ids.get(&id) else {
                        let why = "is a signature without a build record";
                        return Err(self.refused(&member.name, why));
                    };
                    let signature = SignatureFile::parse(key, &self.bytes(member)?);
                    let record = Digest::of(text.as_bytes());
                    if !signature.is_some_and(|signature| signature.is_of(&record, digest)) {
                        let why = "is not a signature of its build by that key";
                        return Err(self.refused(&member.name, why));
                    }
                }
            }
            let (_, name) = member.name.rsplit_once('/').unwrap_or(("", &member.name));
            builds.push((name.to_owned(), at));
        }
        Ok(builds)
    }

    /// Finds the entries of the artifacts, and checks their sizes and types against the record.
    fn artifacts(
        &self,
        id: &RRefId,
        record: &Record,
        outs: &mut BTreeMap<&str, usize>,
    ) -> Result<Vec<usize>> {
        let prefix = out_prefix(id);
        let mut take = |name: String| {
            let at = outs.remove(name.as_str());
            at.ok_or_else(|| self.refused(&name, "is missing"))
        };
        let out = take(format!("{prefix}/"))?;
        self.expect_folder(&self.members[out])?;
        let mut found = Vec::new();
        for entry in record.manifest().entries() {
            let name = format!("{prefix}/{}", entry.path);
            let at = match &entry.kind {
                EntryKind::Dir => take(name + "/")?,
                _ => take(name)?,
            };
            let member = &self.members[at];
            match &entry.kind {
                EntryKind::Dir => self.expect_folder(member)?,
                EntryKind::File {
                    size, executable, ..
                } => {
                    let mode = if *executable {
                        EXECUTABLE_MODE
                    } else {
                        FILE_MODE
                    };
                    self.expect(member, *size, mode)?;
                }
                EntryKind::Link { target } => {
                    self.expect_stored(member, LINK_MODE)?;
                    if self.bytes(member)? != target.as_bytes() {
                        return Err(self.refused(&member.name, "is not the link in the record"));
                    }
                }
            }
            found.push(at);
        }
        Ok(found)
    }

    /// Sorts realizations topologically, dependencies first. Fails if a dependency is missing, here and there.
    fn in_order(
        &self,
        realizations: Vec<Packed>,
        is_there: &dyn Fn(&RRefId) -> Result<bool>,
    ) -> Result<Vec<Packed>> {
        let mut waiting: BTreeMap<RRefId, usize> = BTreeMap::new();
        let mut users: HashMap<RRefId, Vec<RRefId>> = HashMap::new();
        let mut ready = BTreeSet::new();
        let mut packed: BTreeMap<RRefId, Packed> = realizations
            .into_iter()
            .map(|packed| (packed.id.clone(), packed))
            .collect();
        for (id, one) in &packed {
            let mut count = 0;
            for dep in one.record.head().context.realizations() {
                if !packed.contains_key(dep) {
                    if is_there(dep)? {
                        continue;
                    }
                    return Err(refused(
                        self.path,
                        &format!("it contains {id} without its dependency {dep}"),
                    ));
                }
                users.entry(dep.clone()).or_default().push(id.clone());
                count += 1;
            }
            if count == 0 {
                ready.insert(id.clone());
            }
            waiting.insert(id.clone(), count);
        }
        let mut order = Vec::new();
        while let Some(id) = ready.pop_first() {
            for user in users.remove(&id).unwrap_or_default() {
                if let Some(count) = waiting.get_mut(&user) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(user);
                    }
                }
            }
            order.extend(packed.remove(&id));
        }
        if let Some(id) = packed.keys().next() {
            return Err(refused(self.path, &format!("{id} depends on itself")));
        }
        Ok(order)
    }

    /// Checks the size and the mode of an entry.
    fn expect(&self, member: &Member, size: u64, mode: u32) -> Result<()> {
        if member.size != size {
            return Err(self.refused(
                &member.name,
                &format!("has {} bytes, and its record says {size}", member.size),
            ));
        }
        if member.mode != mode {
            return Err(self.refused(
                &member.name,
                &format!("has the mode {:o} instead of {mode:o}", member.mode),
            ));
        }
        Ok(())
    }

    /// Checks that an entry is not deflated, as required where no record limits the size.
    fn expect_stored(&self, member: &Member, mode: u32) -> Result<()> {
        self.expect(member, member.size, mode)?;
        match member.method {
            Method::Stored => Ok(()),
            Method::Deflated => {
                Err(self.refused(&member.name, "is deflated, and may only be stored"))
            }
        }
    }

    /// Checks the entry of a folder, which has no content. Its data is never read, so the checksum is checked here.
    fn expect_folder(&self, member: &Member) -> Result<()> {
        self.expect(member, 0, FOLDER_MODE)?;
        self.expect_stored(member, FOLDER_MODE)?;
        if member.crc != 0 {
            return Err(self.refused(&member.name, "does not match its checksum"));
        }
        Ok(())
    }

    fn unexpected(&self, member: &Member) -> Error {
        self.refused(&member.name, "is not named in any record")
    }
}

fn out_prefix(id: &RRefId) -> String {
    format!("{}/{}/{OUT}", id.dref().folder(), id.folder())
}

fn place(name: &str) -> Option<Place> {
    if let Some(hash) = name.strip_prefix(CODE_ITEMS) {
        let hash = hash.strip_prefix('/').filter(|hash| is_hash(hash))?;
        return Some(Place::CodeItem(hash.to_owned()));
    }
    if let Some(fingerprint) = name
        .strip_prefix(CODE)
        .and_then(|rest| rest.strip_prefix('/'))
    {
        return Some(Place::Code(fingerprint.to_owned()));
    }
    let mut parts = name.splitn(4, '/');
    let dref = DRefId::from_folder(parts.next()?)?;
    let second = parts.next()?;
    let Some(third) = parts.next() else {
        return (second == CONFIG).then_some(Place::Config(dref));
    };
    let rref = RRefId::from_folder(&dref, second)?;
    match (third, parts.next()) {
        (OUT, Some(_)) => Some(Place::Out),
        (RECORD, None) => Some(Place::Record(rref)),
        (name, None) => Some(Place::Build(rref, BuildRecord::kind_of(name.as_bytes())?)),
        _ => None,
    }
}
