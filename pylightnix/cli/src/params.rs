//! The parameters of a user's program on its command line: what sets them, and the points of a sweep.

use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use std::fmt;
use std::path::PathBuf;

use crate::complete;
use pylightnix::Result;
use pylightnix::experiment::{Origin, Param, ParamList, ParamSources, ResolvedParams};
use pylightnix::internal::{ParamEffect, SweepPoint, sweep_points};

/// What sets a parameter, for messages.
const SET: &str = "--set";
const SWEEP: &str = "--sweep";

/// The heading of the options in help pages.
const HEADING: &str = "Parameters";

// The options that set parameters. Not a doc comment: clap would show it as the description of the command.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
#[command(next_help_heading = HEADING)]
struct Options {
    /// Set a parameter, as in `train.rate=0.1`; may be repeated. `help params` lists them
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Plan the targets for each of these values, as in `train.rate=0.1,0.01`; of several, for all combinations
    #[arg(long, value_name = "KEY=VALUES", value_parser = pair)]
    sweep: Vec<(String, String)>,
    /// The file of parameters, in TOML, JSON or YAML [default: params.toml or params.json, if it is here]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    params: Option<PathBuf>,
    /// Let the values in `[profile.NAME]` of that file count; of several, the last one counts most
    #[arg(long, value_name = "NAME")]
    profile: Vec<String>,
}

/// The parameters of a program, with what its command line says of them.
pub(crate) struct GivenParams {
    pub(crate) list: ParamList,
    options: Options,
}

/// A target of a run.
pub(crate) struct Point {
    /// What distinguishes it from the others of a sweep.
    label: Option<String>,
    pub(crate) sources: ParamSources,
    pub(crate) resolved: ResolvedParams,
}

impl Point {
    /// Returns the name of a target with these parameters.
    pub(crate) fn of(&self, target: &str) -> String {
        match &self.label {
            None => target.to_owned(),
            Some(label) if target.is_empty() => label.clone(),
            Some(label) => format!("{target} {label}"),
        }
    }
}

impl GivenParams {
    /// Adds the options to a command.
    pub(crate) fn augment(command: Command, list: &ParamList) -> Command {
        let (of_set, of_sweep) = (complete::params(list), complete::params(list));
        Options::augment_args(command)
            .mut_arg("set", |arg| arg.add(of_set))
            .mut_arg("sweep", |arg| arg.add(of_sweep))
            .mut_arg("profile", |arg| arg.add(complete::profiles()))
    }

    /// Adds the list of the parameters to the help page of a command.
    pub(crate) fn list_in_help(command: Command, list: &ParamList) -> Command {
        let example = command.get_after_help().map(ToString::to_string);
        let example = example.unwrap_or_default();
        let params: String = list.iter().map(entry).collect();
        command.after_help(format!("Parameters of this program:\n{params}\n{example}"))
    }

    /// Reads what the command line says.
    pub(crate) fn read(
        list: ParamList,
        matches: &ArgMatches,
    ) -> std::result::Result<Self, clap::Error> {
        let options = Options::from_arg_matches(matches)?;
        Ok(GivenParams { list, options })
    }

    /// Returns from where values come, without a sweep.
    pub(crate) fn sources(&self) -> Result<ParamSources> {
        let sources = ParamSources::new();
        let sources = match &self.options.params {
            Some(path) => sources.file(path)?,
            None => sources.usual_file()?,
        };
        let profiles = self.options.profile.iter();
        let sources = profiles.fold(sources, |sources, name| sources.profile(name));
        let set = self.options.set.iter();
        Ok(set.fold(sources.environment(), |sources, (key, text)| {
            sources.set_by(SET, key, text)
        }))
    }

    /// Returns the points of the sweep; one without a label if there is no sweep. All values are checked.
    pub(crate) fn points(&self) -> Result<Vec<Point>> {
        let sources = self.sources()?;
        let point = |label: Option<String>, sources: ParamSources| {
            let resolved = sources.resolve_list(&self.list)?;
            Ok(Point {
                label,
                sources,
                resolved,
            })
        };
        if self.options.sweep.is_empty() {
            return Ok(vec![point(None, sources)?]);
        }
        let points = sweep_points(&self.list, &self.options.sweep, SWEEP)?;
        let points = points.iter().map(|one: &SweepPoint| {
            point(Some(one.label.clone()), one.give(sources.clone(), SWEEP))
        });
        points.collect()
    }
}

/// Returns the lines of a parameter in a help page.
fn entry(param: &Param) -> String {
    let doc = match param.doc.is_empty() {
        true => String::new(),
        false => format!("          {}\n", param.doc),
    };
    format!("  {}: {}\n{doc}", param.key, complete::kind_of(param))
}

/// Parses `KEY=VALUE`.
fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!(
            "`{text}` is not a parameter with a value: write `KEY=VALUE`, as in `train.rate=0.1`"
        )),
    }
}

/// A parameter with its values in all points, for people and as JSON.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct ShownParam {
    pub(crate) key: String,
    /// The values, each once.
    pub(crate) values: Vec<serde_json::Value>,
    pub(crate) origin: Origin,
    pub(crate) default: Option<serde_json::Value>,
    #[serde(rename = "type")]
    pub(crate) type_name: String,
    pub(crate) doc: String,
    #[serde(skip)]
    pub(crate) is_changed: bool,
    /// What it changes in the plan; `None` for a default, and if it is not known.
    #[serde(flatten)]
    pub(crate) effect: Option<ParamEffect>,
}

impl fmt::Display for ShownParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  ({})", self.key, self.text(), self.origin)?;
        match self.effect_text() {
            Some(effect) => write!(f, ", {effect}"),
            None => Ok(()),
        }
    }
}

impl ShownParam {
    /// Merges the parameters of several points.
    pub(crate) fn of<'p>(points: impl Iterator<Item = &'p ResolvedParams>) -> Vec<Self> {
        let mut shown: Vec<ShownParam> = Vec::new();
        for one in points.flat_map(ResolvedParams::iter) {
            match shown.iter_mut().find(|shown| shown.key == one.param.key) {
                Some(shown) => {
                    if !shown.values.contains(&one.value) {
                        shown.values.push(one.value.clone());
                    }
                    shown.is_changed |= one.is_changed();
                }
                None => shown.push(ShownParam {
                    key: one.param.key.clone(),
                    values: vec![one.value.clone()],
                    origin: one.origin.clone(),
                    default: one.param.default.clone(),
                    type_name: one.param.type_name.clone(),
                    doc: one.param.doc.clone(),
                    is_changed: one.is_changed(),
                    effect: None,
                }),
            }
        }
        shown
    }

    /// Returns what it changes, if that is not what parameters usually do.
    pub(crate) fn effect_text(&self) -> Option<String> {
        let effect = self.effect.as_ref().map(ToString::to_string);
        effect.filter(|text| !text.is_empty())
    }

    /// Returns the values as one text.
    pub(crate) fn text(&self) -> String {
        let values: Vec<String> = self.values.iter().map(ToString::to_string).collect();
        values.join(", ")
    }
}
