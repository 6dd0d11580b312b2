//! Taking results of a stage from remotes, in place of a build: the build lock, the decision under the lock among what is here and what
//! remotes have, and publishing what is taken, or carrying what remotes have from another context.

use std::collections::{BTreeMap, BTreeSet};

use super::build::lock;
use super::carry_fetched::carry_fetched;
use super::counters::count;
use super::state::{ChosenBy, RunState};
use crate::config::RRefId;
use crate::plan::Code;
use crate::plan::matcher::ReadArtifacts;
use crate::realize::decide::decision::{CandidateSource, Decision, DecisionInput};
use crate::realize::failure::errors::matcher_refused;
use crate::realize::lookup::remotes::{Notify, Remotes, RunRemote, is_by, newest_by};
use crate::realize::options::ReusePolicy;
use crate::realize::report::event::Event;
use crate::realize::report::taken::Taken;
use crate::realize::why::{CodeChanges, CodeVersion};
use crate::store::remote::{Listed, Offers, Published, RemoteView, is_here};
use crate::store::{BuildKind, Realization};
use crate::{Error, ErrorKind, Result, units};

/// The most bytes of artifacts that are fetched for a matcher which does not say what it reads.
const MOST: u64 = 64 << 20;

/// Takes results from remotes if the stage has to run: those made from its context, else those of another context in which all that was
/// read is the same. Returns the matcher's choice, and how it came about; `None` if the remotes change
/// nothing.
pub(super) fn substitute(
    run: &RunState<'_>,
    remotes: &Remotes,
    at: usize,
    input: &DecisionInput<'_>,
    policy: ReusePolicy,
) -> Result<Option<(Taken, ChosenBy)>> {
    let options = run.options;
    let Some(code) = input.dref.node().code() else {
        return Ok(None);
    };
    if !options.publishes || policy == ReusePolicy::Forced || remotes.in_use().next().is_none() {
        return Ok(None);
    }
    let _lock = lock(run, input)?;
    let store = input.store;
    let snapshot = store.fresh_snapshot(input.dref.config_json())?;
    store.ensure_durable(&[(input.dref.id(), &snapshot)])?;
    let decision = with(input, CandidateSource::Snapshot(&snapshot)).decide(policy)?;
    if matches!(decision, Decision::Take { .. }) && !remotes.always {
        // Another process made it while this one waited.
        return Ok(None);
    }
    let mut asking = Asking {
        run,
        input,
        code,
        reads: input.dref.node().read_artifacts(),
        is_below: !run.graph.dependents(at).is_empty(),
        offers: Offers::new(store)?,
        fetched: BTreeMap::new(),
        size: 0,
    };
    for remote in remotes.in_use() {
        asking.ask(remotes, remote)?;
    }
    if let Some(chosen) = asking.choose(remotes, policy)? {
        return Ok(Some(chosen));
    }
    let carried = carry_fetched(run, remotes, input, policy)?;
    Ok(carried.map(|taken| (taken, ChosenBy::Carrying)))
}

/// The same decision on other candidates.
fn with<'a>(input: &DecisionInput<'a>, source: CandidateSource<'a>) -> DecisionInput<'a> {
    DecisionInput { source, ..*input }
}

/// What remotes were asked for a stage.
struct Asking<'s, 'a> {
    run: &'s RunState<'a>,
    input: &'s DecisionInput<'s>,
    code: &'s Code,
    reads: ReadArtifacts,
    /// Whether it is for a stage below others, whose large files may never be needed here.
    is_below: bool,
    offers: Offers<'s>,
    /// What was taken from each remote by its name, and the bytes that came.
    fetched: BTreeMap<String, (Vec<RRefId>, u64)>,
    /// The bytes of the artifacts of all that is offered.
    size: u64,
}

impl Asking<'_, '_> {
    /// Fetches what a remote has that may count.
    fn ask(&mut self, remotes: &Remotes, remote: &RunRemote) -> Result<()> {
        let (run, store) = (self.run, self.input.store);
        let notify: Notify<'_> = &|event| run.notify(event);
        let Some(view) = remote.view(notify, store)? else {
            return Ok(());
        };
        let listed = view.listed(self.input.dref.id(), self.input.context);
        let (counting, others): (Vec<_>, Vec<_>) = listed
            .into_iter()
            .partition(|listed| self.may_count(listed));
        if counting.is_empty() {
            return self.tell_other_code(remotes, remote, &view, &others);
        }
        let (mut here, mut away) = (Vec::new(), Vec::new());
        for listed in &counting {
            match is_here(store, listed.rref)? {
                true => here.push(listed.rref.clone()),
                false => {
                    self.size += match self.offers.has(listed.rref) {
                        true => 0,
                        false => listed.size(),
                    };
                    away.push(listed.rref);
                }
            }
        }
        if self.reads == ReadArtifacts::All && self.size > MOST {
            return Err(self.too_much(counting.len()));
        }
        let entry = || (Vec::new(), 0);
        if !here.is_empty()
            && let Some(pulled) = remote.told(notify, view.fetch_builds(store, &here))?
        {
            remote.failed_each(notify, &pulled.left_out);
            if !pulled.rrefs.is_empty() {
                let fetched = self
                    .fetched
                    .entry(remote.name.clone())
                    .or_insert_with(entry);
                fetched.0.extend(pulled.rrefs);
                fetched.1 += pulled.fetched.bytes;
            }
        }
        if away.is_empty() {
            return Ok(());
        }
        let fetching = self.offers.fetch(&view, &away);
        let Some((mut bytes, mut left_out)) = remote.told(notify, fetching)? else {
            return Ok(());
        };
        let reads = self.reads.clone();
        let filled = self.offers.fill(None, &|path| reads.has(path));
        if let Some((more, others)) = remote.told(notify, filled)? {
            bytes += more;
            left_out.extend(others);
        }
        remote.failed_each(notify, &left_out);
        self.fetched
            .entry(remote.name.clone())
            .or_insert_with(entry)
            .1 += bytes;
        // They are for people, so that nothing depends on them.
        let away: Vec<RRefId> = away.into_iter().cloned().collect();
        remote.told(notify, self.offers.fetch_code(&view, &away))?;
        Ok(())
    }

    /// Whether one of its builds may be by today's code. What the record says counts, later.
    fn may_count(&self, listed: &Listed<'_>) -> bool {
        newest_by(listed, self.code).is_some()
            || (self.input.trust_unknown && listed.builds().any(|build| is_by(&build, None)))
    }

    /// Lets the matcher choose, and publishes what it takes.
    fn choose(
        mut self,
        remotes: &Remotes,
        policy: ReusePolicy,
    ) -> Result<Option<(Taken, ChosenBy)>> {
        if self.offers.is_empty() && self.fetched.values().all(|(rrefs, _)| rrefs.is_empty()) {
            return Ok(None);
        }
        let (input, store) = (self.input, self.input.store);
        let several = input.dref.node().nouts() > 1;
        loop {
            let snapshot = store.fresh_snapshot(input.dref.config_json())?;
            let offered = self.offers.realizations()?;
            let source = CandidateSource::SnapshotAndNew(&snapshot, &offered);
            let among = with(input, source);
            let counting: Vec<&Realization> =
                offered.iter().filter(|one| among.counts(one)).collect();
            let all = || {
                counting
                    .iter()
                    .map(|one| one.id.clone())
                    .collect::<Vec<_>>()
            };
            let decision = among
                .decide(policy)
                .map_err(|error| self.explained(error))?;
            let wanted = match decision {
                Decision::Take { taken, over } => {
                    let mut wanted: Vec<RRefId> = (taken.rrefs.iter())
                        .map(|rref| rref.id().clone())
                        .filter(|rref| self.offers.has(rref))
                        .collect();
                    // Those that complete its runs, as well.
                    if several {
                        wanted = all();
                    }
                    if wanted.is_empty() {
                        store.mark_ended(input.dref.id(), &over)?;
                        let by = self.tell_fetched();
                        match by {
                            ChosenBy::Fetching => count(&self.run.counters.fetched),
                            _ => count(&self.run.counters.reused),
                        }
                        return Ok(Some((taken, by)));
                    }
                    wanted
                }
                // All candidates are here before the rest is built, as the matcher chooses among them then.
                Decision::Build { .. } if counting.is_empty() => {
                    self.tell_fetched();
                    return Ok(None);
                }
                Decision::Build { .. } => all(),
                Decision::Never(_) if counting.is_empty() => return Ok(None),
                Decision::Never(why) => return Err(matcher_refused(input.titled(), &why)),
            };
            self.publish(remotes, &wanted)?;
        }
    }

    /// Publishes these. Large files are left to who needs them, unless the matcher may read them whenever it chooses.
    fn publish(&mut self, remotes: &Remotes, wanted: &[RRefId]) -> Result<()> {
        let run = self.run;
        let notify: Notify<'_> = &|event| run.notify(event);
        let as_stubs = self.is_below && self.reads == ReadArtifacts::Nothing;
        let mut by_remote: BTreeMap<String, Vec<RRefId>> = BTreeMap::new();
        for rref in wanted {
            let name = self.offers.remote_of(rref).unwrap_or_default();
            by_remote.entry(name).or_default().push(rref.clone());
        }
        for (name, rrefs) in by_remote {
            let Published {
                rrefs,
                bytes,
                left_out,
            } = self.offers.publish(&rrefs, as_stubs)?;
            let fetched = self.fetched.entry(name.clone()).or_default();
            fetched.0.extend(rrefs);
            fetched.1 += bytes;
            if let Some(remote) = remotes.named(&name) {
                remote.failed_each(notify, &left_out);
            }
        }
        Ok(())
    }

    /// Tells what was taken from where, and returns whether anything was.
    fn tell_fetched(&mut self) -> ChosenBy {
        let mut by = ChosenBy::Reusing;
        for (remote, (rrefs, bytes)) in std::mem::take(&mut self.fetched) {
            if rrefs.is_empty() {
                continue;
            }
            by = ChosenBy::Fetching;
            self.run.notify(&Event::Fetched {
                dref: self.input.dref.id(),
                rrefs: &rrefs.iter().collect::<Vec<_>>(),
                remote: &remote,
                bytes,
            });
        }
        by
    }

    /// Says once for each stage function that a remote has results by other code.
    fn tell_other_code(
        &self,
        remotes: &Remotes,
        remote: &RunRemote,
        view: &RemoteView,
        others: &[Listed<'_>],
    ) -> Result<()> {
        let store = self.input.store;
        let builds = others.iter().flat_map(Listed::builds);
        let builds = builds.filter(|build| build.kind != BuildKind::Import);
        let Some(newest) = builds.max_by_key(|build| build.start) else {
            return Ok(());
        };
        let name = self.input.dref.id().name();
        let theirs = newest.fingerprint;
        let said = format!("{} {name} {theirs:?}", remote.name);
        if !remotes.is_new(said) {
            return Ok(());
        }
        let day = newest.start.split('T').next().unwrap_or_default();
        let why = match theirs {
            None => format!("made without sources there, {day}"),
            Some(theirs) => {
                let fetched = view.fetch_code(store, &BTreeSet::from([theirs.to_owned()]));
                remote.told(&|event| self.run.notify(event), fetched)?;
                let version = |fingerprint, code| CodeVersion { fingerprint, code };
                let change = CodeChanges::default().between(
                    store,
                    version(Some(theirs), None),
                    version(Some(self.code.fingerprint()), Some(self.code)),
                )?;
                match change.parts.is_empty() {
                    true => format!("its text is not there, theirs of {day}"),
                    false => {
                        let parts: Vec<_> = change.parts.iter().map(ToString::to_string).collect();
                        format!("{}, theirs of {day}", parts.join(", "))
                    }
                }
            }
        };
        self.run.notify(&Event::OtherCode {
            dref: self.input.dref.id(),
            remote: &remote.name,
            results: others.len(),
            why: &why,
        });
        Ok(())
    }

    fn too_much(&self, candidates: usize) -> Error {
        let message = format!(
            "the matcher of stage `{}` may read all artifacts of {candidates} candidates at remotes, which have {}; without being asked \
             for more, a run fetches {}",
            self.input.titled(),
            units::text::size(self.size),
            units::text::size(MOST),
        );
        Error::new(ErrorKind::Stage, message).with_help(
            "say what it reads, as in `lowest(loss).reads(\"loss.json\")`: nothing else is fetched before it chooses; or run without remotes",
        )
    }

    /// Adds to the error of a matcher that it may have read what it does not name.
    fn explained(&self, error: Error) -> Error {
        match &self.reads {
            ReadArtifacts::Only(paths) if !self.offers.is_empty() => error.more_help(&format!(
                "of candidates at remotes, only what its `reads` names was fetched: {}",
                paths.join(", ")
            )),
            _ => error,
        }
    }
}
