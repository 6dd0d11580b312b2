//! The run, as the function that makes its plan sees it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::{Answer, Answers, ChosenFor, ParamList, ParamSources, Params, ResolvedParams};
use crate::config::DRefId;
use crate::plan::{AnyDRef, DRef, Target};
use crate::realize::{Realize, Report, StageParams};
use crate::stages::{
    Imported, file, file_anew, file_expecting, file_named, imported, imported_from,
};
use crate::store::{GivenParams, Store, recorded_params};
use crate::{Error, ErrorKind, Result};

/// A run, while its plan is made. The function of an experiment may ask it for results on which the plan depends: see
/// [`experiment`](crate::experiment).
pub struct Run<'a> {
    store: Store,
    mode: Mode,
    state: RefCell<State<'a>>,
    /// Told of each answer, with its target.
    tell: Option<Tell<'a>>,
}

/// Is called with a target and an answer.
type Tell<'a> = Box<dyn Fn(&str, &Answer) + 'a>;

/// How questions are answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// By realizing what is missing.
    Realizing,
    /// By what is in the store.
    Looking,
    /// By the answers that an earlier process was given.
    Repeating,
    /// By the answers so far of a run that goes on in another process.
    Working,
}

struct State<'a> {
    options: Realize<'a>,
    answers: Answers,
    /// The target whose plan is being made.
    target: String,
    /// The number of questions that were asked for it since its plan was begun.
    asked: usize,
    /// The stages that were asked for.
    stages: Vec<AnyDRef>,
    /// The stages whose results were asked for and are not there.
    unknown: Vec<String>,
    /// The sum of the totals of the questions.
    report: Report,
    /// From where parameters take their values; `None` before the usual ones are read.
    sources: Option<ParamSources>,
    /// The parameters of each target that asked for them.
    params: BTreeMap<String, ResolvedParams>,
    /// The stages that were planned for each target.
    planned: BTreeMap<String, Vec<AnyDRef>>,
}

impl<'a> Run<'a> {
    /// Creates a run with these options, which realizes what it is asked for.
    pub fn new(options: Realize<'a>) -> Self {
        Run::with(options, Mode::Realizing, Answers::default())
    }

    /// Creates a run that realizes nothing. A question for results that are not in the store is an error of the kind
    /// [`Undecided`](ErrorKind::Undecided).
    pub fn looking(options: Realize<'a>) -> Self {
        Run::with(options, Mode::Looking, Answers::default())
    }

    /// Creates a run that gives the answers of an earlier one. It realizes nothing, chooses nothing, and reads no file.
    pub fn again(options: Realize<'a>, answers: Answers) -> Self {
        Run::with(options, Mode::Repeating, answers)
    }

    /// Creates a run that goes on with one whose process is gone: a question that it answered is answered alike, and further ones by
    /// realizing what is missing.
    pub fn resuming(options: Realize<'a>, answers: Answers) -> Self {
        for target in answers.targets() {
            for answer in answers.of(target) {
                options.answered(target, answer);
            }
        }
        Run::with(options, Mode::Realizing, answers)
    }

    /// Creates a run that gives the answers so far of one that goes on in another process. At a question that has none yet, the plan
    /// ends, as that of [`looking`](Self::looking) does.
    pub(crate) fn working(options: Realize<'a>, answers: Answers) -> Self {
        Run::with(options, Mode::Working, answers)
    }

    fn with(options: Realize<'a>, mode: Mode, answers: Answers) -> Self {
        Run {
            store: options.store().clone(),
            mode,
            state: RefCell::new(State {
                options,
                answers,
                target: String::new(),
                asked: 0,
                stages: Vec::new(),
                unknown: Vec::new(),
                report: Report::default(),
                sources: None,
                params: BTreeMap::new(),
                planned: BTreeMap::new(),
            }),
            tell: None,
        }
    }

    /// Calls `tell` with each new answer and the name of its target.
    pub fn telling(mut self, tell: impl Fn(&str, &Answer) + 'a) -> Self {
        self.tell = Some(Box::new(tell));
        self
    }

    /// Begins the plan of a target; the answers of each are kept apart. A target whose plan is made again in this run is given the
    /// answers of the first time.
    pub fn begin(&self, target: &str) {
        let mut state = self.state.borrow_mut();
        target.clone_into(&mut state.target);
        state.asked = 0;
        state.stages.clear();
        state.unknown.clear();
    }

    /// Sets from where the parameters of the plans that are begun from now on take their values. Without it, those are
    /// [the usual sources](ParamSources::usual).
    pub fn take_params(&self, sources: ParamSources) {
        self.state.borrow_mut().sources = Some(sources);
    }

    /// Returns the parameters of the experiment: a struct that derives [`Params`](derive@crate::Params). They are resolved once for a
    /// target, and are an answer of the run.
    ///
    /// ```
    /// use pylightnix::experiment::ParamSources;
    /// use pylightnix::prelude::*;
    ///
    /// #[derive(Params)]
    /// struct Settings {
    ///     /// How many clusters to look for
    ///     #[param(default = 3)]
    ///     clusters: usize,
    /// }
    ///
    /// fn experiment(run: &Run<'_>) -> Result<usize> {
    ///     let settings: Settings = run.params()?;
    ///     Ok(settings.clusters)
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::open(folder.path().join("store"))?;
    /// let run = Run::new(Realize::new(&store));
    /// run.take_params(ParamSources::new().set("clusters", "4"));
    /// assert_eq!(experiment(&run)?, 4);
    /// assert_eq!(experiment(&Run::again(Realize::new(&store), run.answers()))?, 4);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`ParamSources::resolve`]; and without sources, as [`ParamSources::usual`].
    pub fn params<P: Params>(&self) -> Result<P> {
        let list = ParamList::of::<P>();
        let mut state = self.state.borrow_mut();
        let resolved = if let Some(answer) = state.repeated() {
            let Answer::Params { values } = &answer else {
                return Err(differs(&answer, PARAMS));
            };
            let resolved = ResolvedParams::answered(&list, values)
                .ok_or_else(|| differs(&answer, "parameters of other names or types"))?;
            state.asked += 1;
            resolved
        } else if self.mode == Mode::Repeating {
            return Err(not_asked(PARAMS));
        } else if self.mode == Mode::Working {
            state.unknown = vec![PARAMS.to_owned()];
            return Err(undecided(&state.unknown));
        } else {
            let resolved = state.sources()?.resolve_list(&list)?;
            let values = resolved.values();
            self.answered(&mut state, Answer::Params { values });
            resolved
        };
        let params = resolved.read();
        // Where they came from is known the first time.
        let target = state.target.clone();
        state.params.entry(target).or_insert(resolved);
        params
    }

    /// Returns the parameters that a target was given, if it asked for them.
    pub fn resolved_params(&self, target: &str) -> Option<ResolvedParams> {
        self.state.borrow().params.get(target).cloned()
    }

    /// Returns whether the run gives the answers of an earlier one: see [`again`](Self::again).
    pub fn repeats(&self) -> bool {
        matches!(self.mode, Mode::Repeating | Mode::Working)
    }

    /// Returns the store of the run.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Realizes a part of the plan, and returns its results. A derivation is chosen once in a run.
    ///
    /// # Errors
    /// As [`Realize::run`]. Without a run, as in a dry run, fails with [`ErrorKind::Undecided`] if the results are not in the
    /// store: return that error, with `?`.
    pub fn realize<T: Target + ?Sized>(&self, target: &T) -> Result<T::Output> {
        let mut stages = Vec::new();
        target.visit(&mut |dref| stages.push(dref.clone()));
        let drefs: Vec<DRefId> = stages.iter().map(|stage| stage.id().clone()).collect();
        let mut state = self.state.borrow_mut();
        state.stages.extend(stages);
        if let Some(answer) = state.repeated() {
            let Answer::Realize { chosen } = &answer else {
                return Err(differs(&answer, &asked_for(&drefs)));
            };
            if !chosen.iter().map(|chosen| &chosen.dref).eq(&drefs) {
                return Err(differs(&answer, &asked_for(&drefs)));
            }
            let chosen = chosen.iter();
            let chosen = chosen.map(|chosen| (chosen.dref.clone(), chosen.rrefs.clone()));
            state.asked += 1;
            return state.options.recall(target, &chosen.collect());
        }
        let output = match self.mode {
            Mode::Realizing => {
                let params = StageParams::all(state.values_of(&state.target));
                state.options.record_params(params);
                let (output, report) = state.options.ask(target)?;
                state.report.add(&report);
                output
            }
            Mode::Looking => match state.options.look(target)? {
                Ok(output) => output,
                Err(unknown) => {
                    let error = undecided(&unknown);
                    state.unknown = unknown;
                    return Err(error);
                }
            },
            Mode::Repeating => return Err(not_asked(&asked_for(&drefs))),
            Mode::Working => {
                let names = drefs.iter().map(|dref| dref.name().to_string());
                state.unknown = names.collect();
                return Err(undecided(&state.unknown));
            }
        };
        let chosen = drefs.into_iter().map(|dref| {
            let rrefs = state.options.chosen(&dref);
            ChosenFor { dref, rrefs }
        });
        let chosen = chosen.collect();
        self.answered(&mut state, Answer::Realize { chosen });
        Ok(output)
    }

    /// Makes a derivation from the contents of a local file or folder, as [`stages::file`](crate::stages::file()) does.
    ///
    /// # Errors
    /// As [`stages::file`](crate::stages::file()).
    pub fn file(&self, path: impl AsRef<Path>) -> Result<DRef<Imported>> {
        self.import(path.as_ref(), |store, path| file(store, path))
    }

    /// Makes a derivation like [`file`](Self::file), but reads all files again.
    ///
    /// # Errors
    /// As [`stages::file`](crate::stages::file()).
    pub fn file_anew(&self, path: impl AsRef<Path>) -> Result<DRef<Imported>> {
        self.import(path.as_ref(), |store, path| file_anew(store, path))
    }

    /// Makes a derivation from a local file that keeps its name, as [`stages::file_named`](crate::stages::file_named) does.
    ///
    /// # Errors
    /// As [`stages::file_named`](crate::stages::file_named).
    pub fn file_named(&self, path: impl AsRef<Path>) -> Result<DRef<Imported>> {
        self.import(path.as_ref(), |store, path| file_named(store, path))
    }

    /// Makes a derivation from a local file with a known digest, as [`stages::file_expecting`](crate::stages::file_expecting) does.
    ///
    /// # Errors
    /// As [`stages::file_expecting`](crate::stages::file_expecting).
    pub fn file_expecting(&self, path: impl AsRef<Path>, sha256: &str) -> Result<DRef<Imported>> {
        self.import(path.as_ref(), |store, path| {
            file_expecting(store, path, sha256)
        })
    }

    fn import(
        &self,
        path: &Path,
        read: impl FnOnce(&Store, &Path) -> Result<DRef<Imported>>,
    ) -> Result<DRef<Imported>> {
        let shown = path.to_string_lossy().into_owned();
        let mut state = self.state.borrow_mut();
        if let Some(answer) = state.repeated() {
            return match &answer {
                Answer::File {
                    path,
                    source,
                    tree,
                    named,
                } if *path == shown => {
                    state.asked += 1;
                    imported(PathBuf::from(source), tree.clone(), *named)
                }
                _ => Err(differs(&answer, &format!("the file {shown}"))),
            };
        }
        match self.mode {
            Mode::Repeating => return Err(not_asked(&format!("the file {shown}"))),
            Mode::Working => {
                state.unknown = vec![shown];
                return Err(undecided(&state.unknown));
            }
            Mode::Realizing | Mode::Looking => {}
        }
        let dref = read(&self.store, path)?;
        let (source, tree, named) = imported_from(&dref);
        let (source, tree) = (source.to_string_lossy().into_owned(), tree.to_owned());
        let answer = Answer::File {
            path: shown,
            source,
            tree,
            named,
        };
        self.answered(&mut state, answer);
        Ok(dref)
    }

    fn answered(&self, state: &mut State<'_>, answer: Answer) {
        state.options.answered(&state.target, &answer);
        if let Some(tell) = &self.tell {
            tell(&state.target, &answer);
        }
        let State {
            answers, target, ..
        } = state;
        answers.push(target, answer);
        state.asked += 1;
    }

    /// Says what was planned for the target whose plan was [begun](Self::begin). In a run of several targets with other parameters,
    /// the records of builds then tell those of the targets that a stage is for.
    pub fn planned<T: Target + ?Sized>(&self, target: &T) {
        let mut stages = Vec::new();
        target.visit(&mut |dref| stages.push(dref.clone()));
        let mut state = self.state.borrow_mut();
        let name = state.target.clone();
        state.planned.insert(name, stages);
    }

    /// Returns the answers so far.
    pub fn answers(&self) -> Answers {
        self.state.borrow().answers.clone()
    }

    /// Returns the stages that were asked for since the plan of the target was [begun](Self::begin).
    pub fn asked(&self) -> Vec<AnyDRef> {
        self.state.borrow().stages.clone()
    }

    /// Returns why the plan of the target is not decided: which results were asked for that are not there. A function that went on in
    /// spite of that error made another plan than a run will.
    pub fn undecided(&self) -> Option<Error> {
        let state = self.state.borrow();
        (!state.unknown.is_empty()).then(|| undecided(&state.unknown))
    }

    /// Realizes the final plan, and returns its results with the totals of the whole run, those of questions included.
    ///
    /// # Errors
    /// As [`Realize::run`].
    pub fn finish<T: Target + ?Sized>(&self, target: &T) -> Result<(T::Output, Report)> {
        let mut state = self.state.borrow_mut();
        let params = state.stage_params()?;
        state.options.record_params(params);
        let (output, report) = state.options.answer_last(target)?;
        state.report.add(&report);
        Ok((output, state.report))
    }
}

impl State<'_> {
    /// Returns the answer to the next question, if it was asked before: in this run, when the plan was made the first time, or in
    /// the run that is repeated.
    fn repeated(&self) -> Option<Answer> {
        self.answers.of(&self.target).get(self.asked).cloned()
    }

    /// Returns the values of the parameters of a target; none if it did not ask for them.
    fn values_of(&self, target: &str) -> GivenParams {
        let resolved = self.params.get(target);
        recorded_params(resolved.map(ResolvedParams::values).unwrap_or_default())
    }

    /// Returns the parameters that the records of the final plan tell.
    fn stage_params(&self) -> Result<StageParams> {
        let names = self.params.keys().chain(self.planned.keys());
        let names: BTreeSet<&String> = names.collect();
        let targets = names.into_iter().map(|name| {
            let stages = self.planned.get(name).cloned().unwrap_or_default();
            (self.values_of(name), stages)
        });
        StageParams::of_targets(&targets.collect::<Vec<_>>())
    }

    /// Returns from where parameters take their values.
    fn sources(&mut self) -> Result<&ParamSources> {
        let sources = match self.sources.take() {
            Some(sources) => sources,
            None => ParamSources::usual()?,
        };
        Ok(self.sources.insert(sources))
    }
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

fn asked_for(drefs: &[DRefId]) -> String {
    let chosen = drefs.iter().map(|dref| ChosenFor {
        dref: dref.clone(),
        rrefs: Vec::new(),
    });
    let chosen = chosen.collect();
    Answer::Realize { chosen }.question()
}

fn undecided(unknown: &[String]) -> Error {
    let quoted: Vec<_> = unknown.iter().map(|title| format!("`{title}`")).collect();
    let are = if unknown.len() == 1 { "is" } else { "are" };
    let message = format!("the rest is decided when {} {are} known", quoted.join(", "));
    Error::new(ErrorKind::Undecided, message)
        .with_help("the plan depends on that result: realize it, which a run does")
}

fn differs(answer: &Answer, asked: &str) -> Error {
    let message = format!(
        "the plan differs: it asks for {asked}, where it asked for {} before",
        answer.question()
    );
    Error::new(ErrorKind::Plan, message).with_help(AGAIN)
}

fn not_asked(asked: &str) -> Error {
    let message = format!("the plan differs: it asks for {asked}, for which it did not ask before");
    Error::new(ErrorKind::Plan, message).with_help(AGAIN)
}

/// What a question for parameters asks for, in messages.
const PARAMS: &str = "the parameters";

/// Advice for a plan that differs.
const AGAIN: &str = "a plan has to be the same whenever it is made from the same answers: what it depends on beside its \
    arguments, such as the time, a file or a variable, it asks the run for";
