//! What is there for the stages of a plan, when a run begins.

use super::options::Realize;
use crate::Result;
use crate::config::DRefId;
use crate::plan::Graph;
use crate::store::Look;

/// For each stage what is there, if it could be read. From here on it stays, as this process says that it uses it, and it
/// is on the disk: it can be trusted, and told of.
pub(super) fn stock(options: &Realize<'_>, graph: &Graph) -> Result<Vec<Option<Look>>> {
    let store = &options.store;
    let drefs: Vec<&DRefId> = (graph.stages.iter()).map(|stage| stage.dref.id()).collect();
    // Before it is looked at.
    let may_write = store.use_derivations(drefs.iter().copied())?;
    let looks = store.look(&drefs, options.jobs).into_iter();
    // What cannot be read is looked at again when its stage's turn comes, which then fails.
    let looks: Vec<Option<Look>> = looks.map(Result::ok).collect();
    if may_write {
        let found = drefs.into_iter().zip(&looks);
        let found: Vec<_> = found
            .filter_map(|(dref, look)| Some((dref, look.as_ref()?)))
            .collect();
        store.settle(&found)?;
    }
    Ok(looks)
}
