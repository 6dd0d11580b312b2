//! The targets and the plan of a user's program.

use crate::exit::{CommandError, CommandResult};
use crate::params::{GivenParams, Point};
use once_cell::unsync::OnceCell;
use pylightnix::experiment::{Answers, ParamSources, ResolvedParams, Run};
use pylightnix::plan::AnyDRef;
use pylightnix::realize::Realize;
use pylightnix::{BoxError, Error, ErrorKind};

/// Makes the stages of a target.
pub(crate) type MakeTarget = Box<dyn Fn(&Run<'static>) -> Result<Vec<AnyDRef>, BoxError>>;

/// Configures a run.
pub(crate) type Configure = Box<dyn Fn(Realize<'static>) -> Realize<'static>>;

/// The targets of a user's program.
pub(crate) struct Experiment {
    program: String,
    targets: Vec<(String, MakeTarget)>,
    configure: Option<Configure>,
    /// The parameters, if the program declares them.
    params: Option<GivenParams>,
    /// The points of a sweep over them.
    points: OnceCell<Vec<Point>>,
}

/// The plan of some targets.
#[derive(Default)]
pub(crate) struct MadePlan {
    /// The stages of the targets; none of a target that is not decided.
    pub(crate) stages: Vec<AnyDRef>,
    /// For each of these stages, the name of its target, with the label of a point of a sweep.
    pub(crate) targets: Vec<String>,
    /// The parameters of each target that asked for them.
    pub(crate) params: Vec<(String, ResolvedParams)>,
    /// The stages that were asked for while the plan was made.
    pub(crate) asked: Vec<AnyDRef>,
    /// Why a target is not decided.
    pub(crate) undecided: Option<Error>,
}

impl Experiment {
    pub(crate) fn new(
        program: String,
        targets: Vec<(String, MakeTarget)>,
        configure: Option<Configure>,
        params: Option<GivenParams>,
    ) -> Self {
        Experiment {
            program,
            targets,
            configure,
            params,
            points: OnceCell::new(),
        }
    }

    /// Returns the parameters, if the program declares them.
    pub(crate) fn params(&self) -> Option<&GivenParams> {
        self.params.as_ref()
    }

    /// Returns the points of a sweep over the parameters: a single one without a sweep, and none if the program declares none.
    pub(crate) fn points(&self) -> CommandResult<&[Point]> {
        let points = self.points.get_or_try_init(|| match &self.params {
            Some(params) => params.points(),
            None => Ok(Vec::new()),
        })?;
        Ok(points)
    }

    /// Returns the name of the program.
    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// Returns the names of the targets; a single target may have an empty name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|(name, _)| name.as_str())
    }

    /// Configures a run as the program specifies.
    pub(crate) fn configured(&self, run: Realize<'static>) -> Realize<'static> {
        match &self.configure {
            Some(configure) => configure(run),
            None => run,
        }
    }

    /// Makes the plan of these targets, for each point of a sweep; without names, of the first target.
    pub(crate) fn plan(&self, run: &Run<'static>, names: &[String]) -> CommandResult<MadePlan> {
        let points = match run.repeats() {
            // The answers have the parameters.
            true => &[],
            false => self.points()?,
        };
        let answered = run.answers();
        let first = self.names().next().map(str::to_owned);
        let names = match names {
            [] => first.as_slice(),
            names => names,
        };
        let mut plan = MadePlan::default();
        for name in names {
            let Some((_, make)) = self.targets.iter().find(|(other, _)| other == name) else {
                return Err(self.unknown(name));
            };
            if points.is_empty() {
                for target in self.answered(name, &answered, run.repeats()) {
                    plan.add(run, &target, make)?;
                }
            }
            for point in points {
                run.take_params(point.sources.clone());
                plan.add(run, &point.of(name), make)?;
            }
        }
        Ok(plan)
    }

    /// Returns the names of the points of a target in the answers of an earlier run.
    fn answered(&self, name: &str, answers: &Answers, repeats: bool) -> Vec<String> {
        let is_target = |target: &str| self.names().any(|name| name == target);
        let is_point = |target: &&str| match target.strip_prefix(name) {
            Some(rest) => {
                repeats && !is_target(target) && (name.is_empty() || rest.starts_with(' '))
            }
            None => false,
        };
        let points: Vec<String> = answers
            .targets()
            .filter(is_point)
            .map(str::to_owned)
            .collect();
        match points.is_empty() {
            true => vec![name.to_owned()],
            false => points,
        }
    }

    /// Makes the plan of these targets with other parameters, without a sweep.
    pub(crate) fn plan_with(
        &self,
        run: &Run<'static>,
        target: &str,
        sources: ParamSources,
    ) -> CommandResult<MadePlan> {
        let mut plan = MadePlan::default();
        if let Some((_, make)) = self.targets.iter().find(|(name, _)| name == target) {
            run.take_params(sources);
            plan.add(run, target, make)?;
        }
        Ok(plan)
    }

    /// Makes as much of the plan as is decided, for a process that runs some of its stages. Words that are no targets name stages of
    /// any target.
    pub(crate) fn for_worker(
        &self,
        run: &Run<'static>,
        words: &[String],
    ) -> Result<Vec<AnyDRef>, Error> {
        let all: Vec<String> = self.names().map(str::to_owned).collect();
        let words = match words.iter().all(|word| all.contains(word)) {
            true => words,
            false => &all,
        };
        let plan = self.plan(run, words).map_err(|fault| match fault {
            CommandError::Error(error) => error,
            _ => Error::new(ErrorKind::Plan, "the arguments are not those of the run"),
        })?;
        let mut stages = plan.asked;
        stages.extend(plan.stages);
        Ok(stages)
    }

    fn unknown(&self, name: &str) -> CommandError {
        let there: Vec<&str> = self.names().filter(|name| !name.is_empty()).collect();
        let there = match there.is_empty() {
            true => "this program has only one target, which needs no name".to_owned(),
            false => format!("the targets are {}", there.join(", ")),
        };
        CommandError::Usage(format!("there is no target `{name}`\n  help: {there}"))
    }
}

impl MadePlan {
    /// Makes the plan of a target.
    fn add(&mut self, run: &Run<'static>, target: &str, make: &MakeTarget) -> CommandResult<()> {
        run.begin(target);
        let made = make(run);
        self.asked.extend(run.asked());
        let params = run.resolved_params(target);
        let params = params.map(|params| (target.to_owned(), params));
        self.params.extend(params);
        match run.undecided() {
            // Whatever the function made of that.
            Some(error) => self.undecided = self.undecided.take().or(Some(error)),
            None => {
                let made = made.map_err(|error| CommandError::Error(Error::of_plan(error)))?;
                run.planned(&made);
                self.stages.extend(made);
            }
        }
        self.targets.resize(self.stages.len(), target.to_owned());
        Ok(())
    }

    /// Adds the plan of other targets.
    pub(crate) fn append(&mut self, other: MadePlan) {
        self.stages.extend(other.stages);
        self.targets.extend(other.targets);
        self.params.extend(other.params);
        self.asked.extend(other.asked);
        self.undecided = self.undecided.take().or(other.undecided);
    }
}
