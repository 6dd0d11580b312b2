//! What remotes have of a stage of a plan, and by which code.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{CodeChange, CodeChanges, CodeVersion};
use crate::plan::AnyDRef;
use crate::realize::options::Realize;
use crate::store::BuildKind;
use crate::store::remote::RemoteView;
use crate::{Error, ErrorKind, Result};

/// The results of a derivation that a remote has by one code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RemoteResults {
    /// The name of the remote, or its address.
    pub remote: String,
    /// The number of results, from whatever context.
    pub results: usize,
    /// When the newest build of them began, RFC 3339.
    pub newest: String,
    /// Whether the code of the plan made them, or was accepted for them.
    pub is_current: bool,
    /// What differs between the code that made them and that of the plan. It has no parts if that is not known.
    pub code: CodeChange,
}

impl Realize<'_> {
    /// Returns what the [remotes](Self::remote) have of a stage of a plan, those by the newest code first: so why a run takes it from there, or
    /// does not. Fetches the texts of the code. Results from any context are counted; a run takes those from the context that it has.
    ///
    /// ```
    /// # use pylightnix::prelude::*;
    /// use pylightnix::store::remote::{Push, Remote};
    /// # #[derive(Config)] pub struct Product { #[selfref("product.json")] pub out: SelfRef<Json<u64>>, pub upto: u64 }
    /// # #[stage] fn product(b: &Build<Product>) -> Result<ProductOutputs> {
    /// #     Ok(ProductOutputs { out: b.out.save(&(1..=b.upto).product())? })
    /// # }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # let remote = Remote::open(&folder.path().join("shared").to_string_lossy())?;
    /// let plan = instantiate(Product::new(5))?;
    /// Push::new(&store, &remote).run([store.realize(&plan)?])?;
    /// let there = Realize::new(&store).remote(&remote).why_remote(&plan.erase())?;
    /// assert_eq!((there[0].results, there[0].is_current), (1, true));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the stage has no code, as it was read from a store; if there is no remote, or one cannot be read; or if a system call fails.
    pub fn why_remote(&self, stage: &AnyDRef) -> Result<Vec<RemoteResults>> {
        let Some(code) = stage.node().code() else {
            let text = format!("the stage of {} is not in this program", stage.id());
            return Err(Error::new(ErrorKind::Plan, text));
        };
        let Some(remotes) = self.remotes() else {
            return Err(Error::new(ErrorKind::Missing, "no remote is asked")
                .with_help("name one with `Realize::remote`, or with `--remote`"));
        };
        let mut found = Vec::new();
        for remote in remotes.in_use() {
            let view = RemoteView::read(remote.handle(), &self.store)?;
            let by_code = by_code(&view, stage);
            let fingerprints: BTreeSet<String> = by_code.keys().flatten().cloned().collect();
            view.fetch_code(&self.store, &fingerprints)?;
            for (fingerprint, (results, newest)) in by_code {
                let theirs = fingerprint.as_deref();
                let known = [Some(code.fingerprint()), code.before()];
                let version = |fingerprint, code| CodeVersion { fingerprint, code };
                let change = CodeChanges::default().between(
                    &self.store,
                    version(theirs, None),
                    version(Some(code.fingerprint()), Some(code)),
                )?;
                found.push(RemoteResults {
                    remote: remote.name.clone(),
                    results,
                    newest,
                    is_current: theirs.is_some() && known.contains(&theirs),
                    code: CodeChange::clone(&change),
                });
            }
        }
        found.sort_by(|a, b| (&b.newest, &a.remote).cmp(&(&a.newest, &b.remote)));
        Ok(found)
    }
}

/// Returns for each code the number of results, and the start of the newest build.
fn by_code(view: &RemoteView, stage: &AnyDRef) -> BTreeMap<Option<String>, (usize, String)> {
    let mut all: BTreeMap<Option<String>, (usize, String)> = BTreeMap::new();
    for listed in view.listed_of(stage.id()) {
        let mut of_result: BTreeMap<Option<&str>, &str> = BTreeMap::new();
        for build in listed.builds() {
            if build.kind != BuildKind::Import {
                let newest = of_result.entry(build.fingerprint).or_default();
                *newest = (*newest).max(build.start);
            }
        }
        for (fingerprint, start) in of_result {
            let known = all.entry(fingerprint.map(str::to_owned)).or_default();
            known.0 += 1;
            if *start > *known.1 {
                start.clone_into(&mut known.1);
            }
        }
    }
    all
}
