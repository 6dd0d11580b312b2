//! The thread of a run that makes tasks of builds, submits them, and tells what becomes of them.
//!
//! It takes what tasks say from the files beside their orders, so that a result is known as soon as it is there. The executor is asked
//! seldom, and only to notice tasks that are gone.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::batches::Batches;
use super::counts::TaskCounts;
use super::dispatch::{RunInput, Shared};
use super::executor::{Executor, Needs, Sight, Submission, TaskId};
use super::order::{OrderedBuild, TaskOrder, ask_to_stop, cancelled_builds};
use super::packing::pack;
use super::past::PastFailures;
use super::said::{Listener, Said, SaidLine};
use super::ticket::{News, Ticket, TicketEnd};
use super::times::UsualTimes;
use crate::config::Name;
use crate::realize::processes::wire_error::WireError;
use crate::{Error, Result};

/// Builds that arrive within this time go out together.
const QUIET: Duration = Duration::from_millis(50);

/// But none waits longer than this for others.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many tasks of one build go out first, of a stage whose time is not known.
const PROBES: usize = 4;

/// How long others of its name wait for the first of them.
const PROBE_TIME: Duration = Duration::from_secs(30);

/// How often files of tasks are read: at first, and when nothing happens for long.
const READ: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// How often the executor is asked: after a submission, and when nothing happens for long.
const ASK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How often it is looked whether somebody cancelled builds, and the tasks are counted.
const WATCH: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(1));

/// How long after a task is gone its results may become visible.
const SETTLE: Duration = Duration::from_secs(3);

/// How long to wait when the executor has no room.
const LATER: Duration = Duration::from_secs(2);

/// How long a task may run at least before what it has not begun is taken back.
const SLOW: Duration = Duration::from_secs(5);

/// What can be in one batch: the needs, whether all have time limits, and whether tasks of them were lost before.
type Groups<T> = HashMap<(Needs, bool, bool), Vec<T>>;

/// A task that is out.
struct OutTask {
    id: TaskId,
    order: PathBuf,
    listener: Listener,
    builds: Vec<OutBuild>,
    sight: Option<Sight>,
    gone: Option<Instant>,
    /// How long it is expected to take, if that is known.
    expected: Option<Duration>,
    /// When it was heard for the first time.
    begun: Option<Instant>,
    /// Whether this run submitted it.
    is_own: bool,
    is_asked_to_stop: bool,
}

/// A build of a task.
struct OutBuild {
    ticket: Option<Arc<Ticket>>,
    /// Of a task of an earlier run, what was ordered, and what was said before anyone waited for it.
    adopted: Option<(OrderedBuild, Vec<Said>)>,
}

/// A rhythm that slows down while nothing happens.
struct Rhythm {
    range: (Duration, Duration),
    step: Duration,
    next: Instant,
}

impl Rhythm {
    fn new(range: (Duration, Duration)) -> Self {
        Rhythm {
            range,
            step: range.0,
            next: Instant::now(),
        }
    }

    fn is_due(&self) -> bool {
        Instant::now() >= self.next
    }

    /// Goes on, slower than before unless something happened.
    fn went(&mut self, happened: bool) {
        self.step = match happened {
            true => self.range.0,
            false => (self.step * 3 / 2).min(self.range.1),
        };
        self.next = Instant::now() + self.step;
    }
}

/// The state of the thread.
pub(in crate::realize) struct Engine {
    executor: Arc<dyn Executor>,
    shared: Arc<Shared>,
    input: RunInput,
    batches: Batches,
    times: UsualTimes,
    waiting: Vec<Arc<Ticket>>,
    /// When the oldest and the newest of them came.
    came: Option<(Instant, Instant)>,
    out: Vec<OutTask>,
    /// Whether tasks of earlier runs were looked for.
    has_adopted: bool,
    /// What failed while no run watched.
    past: PastFailures,
    /// The counts that the run was told last.
    counts: TaskCounts,
    probes: HashMap<Name, Instant>,
    not_before: Instant,
    reading: Rhythm,
    asking: Rhythm,
    watching: Rhythm,
}

impl Engine {
    pub(in crate::realize) fn new(
        executor: Arc<dyn Executor>,
        shared: Arc<Shared>,
        input: RunInput,
    ) -> Self {
        Engine {
            batches: Batches::new(&input),
            executor,
            shared,
            input,
            times: UsualTimes::default(),
            waiting: Vec::new(),
            came: None,
            out: Vec::new(),
            has_adopted: false,
            past: PastFailures::default(),
            counts: TaskCounts::default(),
            probes: HashMap::new(),
            not_before: Instant::now(),
            reading: Rhythm::new(READ),
            asking: Rhythm::new(ASK),
            watching: Rhythm::new(WATCH),
        }
    }

    /// Works until the run is over.
    pub(in crate::realize) fn run(mut self) {
        while self.take_incoming() {
            self.withdraw();
            if self.is_quiet() {
                let wanted = self.waiting.clone();
                if let Err(error) = self.submit() {
                    // Those that were about to be submitted are told, too: a thread waits for each.
                    self.waiting = wanted;
                    self.refuse(&error);
                }
            }
            if self.reading.is_due() {
                let heard = self.hear();
                self.reading.went(heard);
            }
            if self.asking.is_due() && self.is_awaited() {
                let changed = self.look();
                self.asking.went(changed);
            }
            if self.watching.is_due() && self.is_awaited() {
                self.take_cancelled();
                self.take_back();
                let changed = self.tell_counts();
                self.watching.went(changed);
            }
        }
        self.cancel_all();
    }

    /// Takes new builds, and waits for some if there is nothing else to do. Returns `false` if the run is over.
    fn take_incoming(&mut self) -> bool {
        let is_idle = self.waiting.is_empty() && !self.is_awaited();
        let mut state = self.shared.state();
        if state.incoming.is_empty() && !state.closed {
            state = match is_idle {
                true => {
                    let wake = self.shared.wake.wait(state);
                    wake.unwrap_or_else(PoisonError::into_inner)
                }
                false => {
                    let within = match self.waiting.is_empty() {
                        true => self.reading.step,
                        false => READ.0,
                    };
                    let waited = self.shared.wake.wait_timeout(state, within);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        if !state.incoming.is_empty() {
            let now = Instant::now();
            self.came = Some((self.came.map_or(now, |(oldest, _)| oldest), now));
            self.waiting.append(&mut state.incoming);
        }
        !state.closed
    }

    /// Whether a thread of the run waits for a build of a submitted task.
    fn is_awaited(&self) -> bool {
        self.out.iter().any(OutTask::is_awaited)
    }

    /// Whether it is time to submit what waits.
    fn is_quiet(&self) -> bool {
        let now = Instant::now();
        let settled = self
            .came
            .is_none_or(|(oldest, newest)| now - newest >= QUIET || now - oldest >= PATIENCE);
        !self.waiting.is_empty() && settled && now >= self.not_before
    }

    /// Takes back what is not to begin any more.
    fn withdraw(&mut self) {
        let state = self.shared.state();
        let (stopping, cancelled) = (state.stopping, state.cancelled);
        drop(state);
        if !stopping {
            return;
        }
        for ticket in self.waiting.drain(..) {
            ticket.tell(News::Ended(TicketEnd::Withdrawn));
        }
        let mut ending = Vec::new();
        for task in &mut self.out {
            if task.is_own && !task.is_asked_to_stop {
                task.is_asked_to_stop = ask_to_stop(&task.order).is_ok();
            }
            for build in &mut task.builds {
                let ends = |ticket: &&Arc<Ticket>| cancelled || !ticket.is_begun();
                if let Some(ticket) = build.ticket.as_ref().filter(ends) {
                    ticket.tell(News::Ended(TicketEnd::Withdrawn));
                    build.ticket = None;
                }
            }
            let is_running = matches!(task.sight, Some(Sight::Running(_)));
            if task.is_own && !task.is_awaited() && (cancelled || !is_running) {
                ending.push(task.id.clone());
            }
        }
        self.out.retain(OutTask::is_awaited);
        if !ending.is_empty() {
            // What goes on nevertheless makes results that later runs find.
            let _ = self.executor.cancel(&ending);
        }
    }

    /// Waits no longer for builds that somebody cancelled.
    fn take_cancelled(&mut self) {
        for task in self.out.iter_mut().filter(|task| task.is_awaited()) {
            for build in cancelled_builds(&task.order) {
                if let Some(out) = task.builds.get_mut(build) {
                    out.adopted = None;
                    if let Some(ticket) = out.ticket.take() {
                        ticket.tell(News::Ended(TicketEnd::Cancelled));
                    }
                }
            }
        }
        self.out
            .retain(|task| task.is_awaited() || task.may_be_joined());
    }

    /// Takes back what a task has not begun that runs far longer than it was expected to: others may have room for it.
    fn take_back(&mut self) {
        let mut back = Vec::new();
        for task in self.out.iter_mut().filter(|task| !task.is_asked_to_stop) {
            let (Some(expected), Some(begun)) = (task.expected, task.begun) else {
                continue;
            };
            let is_left = |build: &OutBuild| {
                let ticket = build.ticket.as_ref();
                ticket.is_some_and(|ticket| !ticket.is_begun())
            };
            let is_slow = begun.elapsed() > expected.saturating_mul(3).max(SLOW);
            if !is_slow || !task.builds.iter().any(is_left) {
                continue;
            }
            task.is_asked_to_stop = ask_to_stop(&task.order).is_ok();
            if task.is_asked_to_stop {
                let left = task.builds.iter_mut().filter(|build| is_left(build));
                back.extend(left.filter_map(|build| build.ticket.take()));
            }
        }
        if !back.is_empty() {
            let now = Instant::now();
            self.came.get_or_insert((now, now));
            self.waiting.append(&mut back);
        }
    }

    /// Tells the run how many tasks wait and run, if that changed.
    fn tell_counts(&mut self) -> bool {
        let mut counts = TaskCounts::default();
        let mut anyone = None;
        for task in self.out.iter().filter(|task| task.is_awaited()) {
            let mut tickets = task.builds.iter().filter_map(|build| build.ticket.as_ref());
            let is_begun = tickets.clone().any(|ticket| ticket.is_begun());
            counts.add(task.sight.as_ref(), is_begun);
            anyone = anyone.or_else(|| tickets.next());
        }
        let changed = counts != self.counts;
        if let (true, Some(ticket)) = (changed, anyone) {
            ticket.tell(News::Tasks(counts.clone()));
            self.counts = counts;
        }
        changed
    }

    /// Cancels the tasks of this run.
    fn cancel_all(&mut self) {
        let own = self.out.drain(..).filter(|task| task.is_own);
        let ids: Vec<_> = own.map(|task| task.id).collect();
        if !ids.is_empty() {
            let _ = self.executor.cancel(&ids);
        }
        self.batches.end();
    }

    /// Ends the run with an error.
    fn refuse(&mut self, error: &Error) {
        let out = self.out.iter_mut().flat_map(|task| &mut task.builds);
        let out = out.filter_map(|build| build.ticket.take());
        for ticket in self.waiting.drain(..).chain(out) {
            let error = WireError::new(error).into_ours();
            ticket.tell(News::Ended(TicketEnd::Refused(error)));
        }
        self.shared.state().stopping = true;
        self.cancel_all();
    }

    /// Looks for tasks of earlier runs that build what this run wants.
    fn adopt(&mut self) {
        let comment = self.batches.comment_of_store();
        for adopted in self.executor.adopt(&comment).unwrap_or_default() {
            let Some(order) = self.batches.order_of(&adopted.comment, adopted.index) else {
                continue;
            };
            let Ok(read) = TaskOrder::read(&order) else {
                continue;
            };
            let builds = read.builds.into_iter().map(|build| OutBuild {
                ticket: None,
                adopted: Some((build, Vec::new())),
            });
            let builds = builds.collect();
            self.out
                .push(OutTask::new(adopted.id, order, builds, false));
        }
    }

    /// Lets builds wait for tasks of earlier runs that make the same.
    fn join_adopted(&mut self) {
        let adopted = self.out.iter_mut().flat_map(|task| &mut task.builds);
        let mut adopted: Vec<_> = adopted
            .filter(|build| build.adopted.is_some() && build.ticket.is_none())
            .collect();
        if adopted.is_empty() {
            return;
        }
        self.waiting.retain(|ticket| {
            let place = adopted.iter().position(|build| {
                let ordered = build.adopted.as_ref();
                ordered.is_some_and(|(ordered, _)| ordered.is_like(&ticket.build))
            });
            let Some(place) = place else {
                return true;
            };
            let build = adopted.swap_remove(place);
            if let Some((_, said)) = build.adopted.take() {
                let ended = said.last().is_some_and(Said::is_end);
                said.into_iter()
                    .for_each(|said| ticket.tell(News::Said(said)));
                if !ended {
                    build.ticket = Some(ticket.clone());
                }
            }
            false
        });
    }

    /// Ends builds that had all their attempts while no run watched.
    fn tell_past(&mut self) {
        let past = &mut self.past;
        self.waiting.retain(|ticket| {
            let Some((index, error)) = past.verdict(&ticket.build) else {
                return true;
            };
            let failed = Said::Failed(WireError::new(error));
            let error = WireError::new(error);
            ticket.tell(News::Said(Said::RunFailed { index, error }));
            ticket.tell(News::Said(failed));
            past.told(&ticket.build);
            false
        });
    }

    /// Makes tasks of the builds that wait, as far as there is room.
    fn submit(&mut self) -> Result<()> {
        if !self.has_adopted {
            if self.executor.room()?.tasks == 0 {
                // It does not answer yet, and cannot tell of the tasks of earlier runs either.
                self.not_before = Instant::now() + LATER / 4;
                return Ok(());
            }
            self.has_adopted = true;
            self.adopt();
            self.hear();
            // After the queue was read, so that what fails meanwhile is not missed.
            self.past = PastFailures::read(&self.input.store, self.input.run());
        }
        self.join_adopted();
        self.tell_past();
        let mut tasks = self.packed()?;
        if tasks.is_empty() {
            // They wait for the first of their names.
            return Ok(());
        }
        let room = self.executor.room()?;
        let free = room.tasks.saturating_sub(self.out.len());
        let held = tasks.split_off(free.min(tasks.len()));
        if free == 0 {
            held.into_iter().for_each(|task| self.put_back(task));
            self.not_before = Instant::now() + LATER / 4;
            return Ok(());
        }
        let mut groups: Groups<Vec<Arc<Ticket>>> = HashMap::new();
        for task in tasks {
            let has_limit = task.iter().all(|ticket| ticket.build.timeout.is_some());
            let was_lost = task.iter().any(|ticket| ticket.was_lost);
            let needs = task[0].needs.clone();
            let group = groups.entry((needs, has_limit, was_lost));
            group.or_default().push(task);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by(|(one, _), (other, _)| one.cmp(other));
        for ((needs, ..), mut tasks) in groups {
            while !tasks.is_empty() {
                let rest = tasks.split_off(room.batch.min(tasks.len()));
                let batch = std::mem::replace(&mut tasks, rest);
                self.submit_batch(&needs, batch)?;
            }
        }
        // After those of their names that are out now.
        held.into_iter().for_each(|task| self.put_back(task));
        if self.waiting.is_empty() {
            self.came = None;
        }
        Ok(())
    }

    fn submit_batch(&mut self, needs: &Needs, tasks: Vec<Vec<Arc<Ticket>>>) -> Result<()> {
        let answers = self.shared.state().answered.json();
        let ordered = |ticket: &Arc<Ticket>| {
            let mut build = ticket.build.clone();
            let attempts = self.past.attempts(&build);
            build.retries = build.retries.saturating_sub(attempts);
            build
        };
        let orders = tasks.iter().map(|task| TaskOrder {
            common: self.input.common.clone(),
            builds: task.iter().map(ordered).collect(),
        });
        let orders: Vec<_> = orders.collect();
        let mut batch = self.batches.write(&self.input, needs, &answers, &orders)?;
        let expected: Vec<_> = tasks.iter().map(|task| self.expected(task)).collect();
        let all: Option<Vec<Duration>> = expected.iter().copied().collect();
        batch.expected = all.and_then(|times| times.into_iter().max());
        let ids = match self.executor.submit(&batch)? {
            Submission::Tasks(ids) => ids,
            Submission::Later(_) => {
                tasks.into_iter().for_each(|task| self.put_back(task));
                self.not_before = Instant::now() + LATER;
                return Ok(());
            }
        };
        let ids = ids.into_iter().zip(expected);
        for (((id, expected), order), task) in ids.zip(batch.orders).zip(tasks) {
            let builds = task.into_iter().map(|ticket| OutBuild {
                ticket: Some(ticket),
                adopted: None,
            });
            let builds = builds.collect();
            let new = OutTask::new(id, order, builds, true);
            self.out.push(OutTask { expected, ..new });
        }
        self.reading = Rhythm::new(READ);
        self.asking = Rhythm::new(ASK);
        self.asking.next += ASK.0;
        Ok(())
    }

    /// Lets builds wait that could not be submitted. If none of their name is out, the next ones of it go first.
    fn put_back(&mut self, task: Vec<Arc<Ticket>>) {
        for ticket in &task {
            let name = ticket.build.terms.dref.name();
            let mut out = self.out.iter().flat_map(|task| &task.builds);
            let is_of_name = |out: &Arc<Ticket>| out.build.terms.dref.name() == name;
            if self.probes.contains_key(name)
                && !out.any(|build| build.ticket.as_ref().is_some_and(is_of_name))
            {
                self.probes.remove(name);
            }
        }
        self.waiting.extend(task);
    }

    /// Returns how long a task is expected to take; `None` if that is not known, or if it took longer before.
    fn expected(&mut self, task: &[Arc<Ticket>]) -> Option<Duration> {
        let mut sum = Duration::ZERO;
        for ticket in task {
            let dref = &ticket.build.terms.dref;
            let time = self.times.expected(&self.input.store, dref, ticket.usual);
            let time = time.filter(|_| !ticket.was_lost)?;
            let runs = u32::try_from(ticket.build.due.len()).unwrap_or(u32::MAX);
            sum = sum.saturating_add(time.saturating_mul(runs));
        }
        Some(sum)
    }

    /// Packs the builds that wait into tasks. Those whose time is not known wait for the first of their name.
    fn packed(&mut self) -> Result<Vec<Vec<Arc<Ticket>>>> {
        let mut groups: Groups<(Arc<Ticket>, Duration)> = HashMap::new();
        let mut alone = Vec::new();
        let mut unknown: HashMap<Name, Vec<Arc<Ticket>>> = HashMap::new();
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|ticket| ticket.place);
        for ticket in waiting {
            if ticket.is_alone {
                alone.push(vec![ticket]);
                continue;
            }
            let dref = &ticket.build.terms.dref;
            let usual = ticket.usual;
            match self.times.expected(&self.input.store, dref, usual) {
                Some(time) => {
                    let runs = u32::try_from(ticket.build.due.len()).unwrap_or(u32::MAX);
                    let has_limit = ticket.build.timeout.is_some();
                    let group = (ticket.needs.clone(), has_limit, ticket.was_lost);
                    let time = time.saturating_mul(runs);
                    groups.entry(group).or_default().push((ticket, time));
                }
                None => unknown.entry(dref.name().clone()).or_default().push(ticket),
            }
        }
        for (name, mut tickets) in unknown {
            match self.probes.get(&name) {
                None => {
                    self.probes.insert(name, Instant::now());
                    let rest = tickets.split_off(PROBES.min(tickets.len()));
                    alone.extend(tickets.into_iter().map(|ticket| vec![ticket]));
                    self.waiting.extend(rest);
                }
                Some(since) if since.elapsed() < PROBE_TIME => self.waiting.extend(tickets),
                // The first takes long: each is worth a task.
                Some(_) => alone.extend(tickets.into_iter().map(|ticket| vec![ticket])),
            }
        }
        if groups.is_empty() {
            return Ok(alone);
        }
        let slots = self.executor.room()?.slots;
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut tasks = alone;
        for ((needs, ..), builds) in groups {
            let times: Vec<Duration> = builds.iter().map(|(_, time)| *time).collect();
            let threads = needs.threads.max(1) as usize;
            let slots = slots.map(|slots| (slots / threads).max(1));
            let packed = pack(&times, self.executor.pack(), slots);
            let mut builds = builds.into_iter().map(|(ticket, _)| ticket);
            tasks.extend(
                packed
                    .iter()
                    .map(|places| builds.by_ref().take(places.len()).collect::<Vec<_>>()),
            );
        }
        Ok(tasks)
    }

    /// Reads what tasks say. Returns whether any said something.
    fn hear(&mut self) -> bool {
        let mut happened = false;
        let mut refused = None;
        for task in &mut self.out {
            if !task.is_awaited() && task.is_own {
                continue;
            }
            for SaidLine { build, said } in task.listener.news() {
                happened = true;
                task.begun.get_or_insert_with(Instant::now);
                let Some(out) = task.builds.get_mut(build) else {
                    continue;
                };
                if let Said::Published { rref, seconds, .. } = &said
                    && let Ok(time) = Duration::try_from_secs_f64(*seconds)
                {
                    self.times.note(rref.dref(), time);
                }
                if let Said::Refused(error) = said {
                    // Another run may have ordered from another program.
                    match task.is_own {
                        true => refused = Some(Error::of_plan(error.into_error())),
                        false => task.gone = Some(Instant::now()),
                    }
                    continue;
                }
                let ends = said.is_end();
                match (&out.ticket, &mut out.adopted) {
                    (Some(ticket), _) => ticket.tell(News::Said(said)),
                    (None, Some((_, kept))) => kept.push(said),
                    (None, None) => {}
                }
                if ends && let Some(ticket) = out.ticket.take() {
                    self.past.told(&ticket.build);
                }
            }
        }
        if let Some(error) = refused {
            self.refuse(&error);
        }
        self.out
            .retain(|task| task.is_awaited() || task.may_be_joined());
        happened
    }

    /// Asks the executor how tasks stand. Returns whether anything changed.
    fn look(&mut self) -> bool {
        let awaited = self.out.iter().filter(|task| task.is_awaited());
        let ids: Vec<_> = awaited.map(|task| task.id.clone()).collect();
        let Ok(sights) = self.executor.look(&ids) else {
            // It may be back soon, and results are found without it.
            return false;
        };
        let sights: HashMap<_, _> = ids.iter().zip(sights).collect();
        let mut changed = false;
        for task in &mut self.out {
            let Some(sight) = sights.get(&task.id) else {
                continue;
            };
            if let Sight::Gone(_) = sight {
                changed = true;
                task.gone.get_or_insert_with(Instant::now);
            } else {
                task.gone = None;
            }
            changed |= task.sight.as_ref() != Some(sight);
            task.sight = Some(sight.clone());
        }
        self.hear();
        let mut over = Vec::new();
        for task in &mut self.out {
            if task.gone.is_none_or(|gone| gone.elapsed() < SETTLE) {
                continue;
            }
            let how = match &task.sight {
                Some(Sight::Gone(how)) => how.clone(),
                _ => String::new(),
            };
            for build in &mut task.builds {
                build.adopted = None;
                if let Some(ticket) = build.ticket.take() {
                    ticket.tell(News::Ended(TicketEnd::Lost(how.clone())));
                }
            }
            over.push(task.id.clone());
        }
        if !over.is_empty() {
            // The executor may hold one that it could not start.
            let _ = self.executor.cancel(&over);
        }
        self.out
            .retain(|task| task.is_awaited() || task.may_be_joined());
        changed
    }
}

impl OutTask {
    fn new(id: TaskId, order: PathBuf, builds: Vec<OutBuild>, is_own: bool) -> Self {
        OutTask {
            id,
            listener: Listener::of(&order),
            order,
            builds,
            sight: None,
            gone: None,
            expected: None,
            begun: None,
            is_own,
            is_asked_to_stop: false,
        }
    }

    fn is_awaited(&self) -> bool {
        self.builds.iter().any(|build| build.ticket.is_some())
    }

    /// Whether it is a task of an earlier run with builds that this run has not asked for yet.
    fn may_be_joined(&self) -> bool {
        self.builds.iter().any(|build| build.adopted.is_some())
    }
}

impl Said {
    /// Whether it is the last that is said of a build.
    fn is_end(&self) -> bool {
        matches!(self, Said::Made | Said::Failed(_) | Said::Refused(_))
    }
}
