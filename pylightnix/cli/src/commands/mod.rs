//! The commands, a file for each.

mod accept;
mod attach;
mod cancel;
mod cat;
mod check;
mod compare;
mod completions;
mod confirm;
mod diff;
mod du;
mod export;
mod find;
mod gc;
mod graph;
mod help;
mod import;
mod key;
mod link;
mod list;
mod log;
mod note;
mod pack;
mod params;
mod path;
mod plan;
mod pull;
mod push;
mod remote;
mod repair;
mod replan;
mod rm;
mod roots;
mod run;
mod runs;
#[cfg(feature = "pages")]
mod serve;
mod shipping;
mod show;
#[cfg(feature = "pages")]
mod site;
mod stats;
mod tasks;
mod transfer;
mod tree;
mod why;

pub(crate) use run::Run;

use super::exit::CommandResult;
use super::session::Session;

/// The commands that need only a store. In a user's program, some of them use its plan as well.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    List(list::List),
    Show(show::Show),
    Path(path::PathOf),
    Cat(cat::Cat),
    Tree(tree::Tree),
    Log(log::Log),
    Find(find::Find),
    Diff(diff::Diff),
    Compare(compare::Compare),
    Why(why::Why),
    Graph(graph::Graph),
    Runs(runs::Runs),
    #[cfg(feature = "pages")]
    Serve(serve::Serve),
    #[cfg(feature = "pages")]
    Site(site::Site),
    Attach(attach::Attach),
    Tasks(tasks::Tasks),
    Cancel(cancel::CancelTasks),
    Roots(roots::Roots),
    Params(params::ParamsOf),
    Link(link::Link),
    Note(note::Note),
    Tag(note::Tag),
    Rm(rm::Rm),
    Gc(gc::Gc),
    Du(du::Du),
    Check(check::Check),
    Repair(repair::Repair),
    Key(key::KeyOf),
    Confirm(confirm::Confirm),
    Pack(pack::Pack),
    Unpack(pack::Unpack),
    Copy(pack::Copy),
    Import(import::Import),
    Export(export::Export),
    Push(push::Push),
    Pull(pull::Pull),
    Remote(remote::Remote),
    Transfer(transfer::Transfer),
    Stats(stats::Stats),
    Completions(completions::Completions),
    Man(completions::Man),
    Help(help::Help),
}

/// The commands of a user's program.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum PlanCommand {
    Run(Run),
    Plan(plan::Plan),
    Accept(accept::Accept),
    Replan(replan::Replan),
    #[command(flatten)]
    Store(Command),
}

impl PlanCommand {
    /// Returns the words for targets and stages that a run was given.
    pub(crate) fn targets(&self) -> &[String] {
        match self {
            PlanCommand::Run(run) => run.targets(),
            _ => &[],
        }
    }
}

impl Command {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        match self {
            Command::List(command) => command.run(session),
            Command::Show(command) => command.run(session),
            Command::Path(command) => command.run(session),
            Command::Cat(command) => command.run(session),
            Command::Tree(command) => command.run(session),
            Command::Log(command) => command.run(session),
            Command::Find(command) => command.run(session),
            Command::Diff(command) => command.run(session),
            Command::Compare(command) => command.run(session),
            Command::Why(command) => command.run(session),
            Command::Graph(command) => command.run(session),
            Command::Runs(command) => command.run(session),
            #[cfg(feature = "pages")]
            Command::Serve(command) => command.run(session),
            #[cfg(feature = "pages")]
            Command::Site(command) => command.run(session),
            Command::Attach(command) => command.run(session),
            Command::Tasks(command) => command.run(session),
            Command::Cancel(command) => command.run(session),
            Command::Roots(command) => command.run(session),
            Command::Params(command) => command.run(session),
            Command::Link(command) => command.run(session),
            Command::Note(command) => command.run(session),
            Command::Tag(command) => command.run(session),
            Command::Rm(command) => command.run(session),
            Command::Gc(command) => command.run(session),
            Command::Du(command) => command.run(session),
            Command::Check(command) => command.run(session),
            Command::Repair(command) => command.run(session),
            Command::Key(command) => command.run(session),
            Command::Confirm(command) => command.run(session),
            Command::Pack(command) => command.run(session),
            Command::Unpack(command) => command.run(session),
            Command::Copy(command) => command.run(session),
            Command::Import(command) => command.run(session),
            Command::Export(command) => command.run(session),
            Command::Push(command) => command.run(session),
            Command::Pull(command) => command.run(session),
            Command::Remote(command) => command.run(session),
            Command::Transfer(command) => command.run(session),
            Command::Stats(command) => command.run(session),
            Command::Completions(command) => command.run(session),
            Command::Man(command) => command.run(session),
            Command::Help(command) => command.run(session),
        }
    }
}

impl PlanCommand {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        match self {
            PlanCommand::Run(command) => command.run(session),
            PlanCommand::Plan(command) => command.run(session),
            PlanCommand::Accept(command) => command.run(session),
            PlanCommand::Replan(command) => command.run(session),
            PlanCommand::Store(command) => command.run(session),
        }
    }
}
