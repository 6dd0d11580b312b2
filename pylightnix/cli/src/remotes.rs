//! The options that say which remotes a run asks.

use crate::exit::CommandResult;
use pylightnix::realize::Realize;
use pylightnix::store::Store;
use pylightnix::store::remote::Remote;

#[derive(clap::Args, Debug, Clone)]
pub(crate) struct RemoteArgs {
    /// Before a stage is built, take its result from this remote, a name or an address; may be repeated [default: $PYLIGHTNIX_REMOTE]
    #[arg(long, short = 'r', value_name = "REMOTE")]
    remote: Vec<String>,
    /// Ask no remote, whatever $PYLIGHTNIX_REMOTE says
    #[arg(long, conflicts_with_all = ["remote", "remote_always"])]
    no_remote: bool,
    /// Ask remotes also for stages with results here, of which `latest()` takes a newer one
    #[arg(long)]
    remote_always: bool,
}

impl RemoteArgs {
    /// Has a run ask these remotes.
    pub(crate) fn set<'a>(
        &self,
        mut run: Realize<'a>,
        store: &Store,
    ) -> CommandResult<Realize<'a>> {
        for remote in self.of(store)? {
            run = run.remote(&remote);
        }
        Ok(match self.remote_always {
            true => run.remote_always(),
            false => run,
        })
    }

    fn of(&self, store: &Store) -> CommandResult<Vec<Remote>> {
        let is_set = std::env::var_os("PYLIGHTNIX_REMOTE").is_some_and(|name| !name.is_empty());
        if self.remote.is_empty() && is_set && !self.no_remote {
            return Ok(vec![store.remote(None)?]);
        }
        let named = self.remote.iter().map(|name| store.remote(Some(name)));
        Ok(named.collect::<Result<_, _>>()?)
    }
}
