//! Floor 4: the command line. Arguments in, text and an exit code out; everything else is elsewhere.

mod checks;
mod completions;
mod demo;
mod doctor;
mod exit;
mod experiments;
mod init;
mod log;
mod man;
mod notify;
mod pause;
mod plan;
mod rebuild;
mod run;
mod salvage;
mod scan;
mod schedule;
mod screen;
mod service;
mod sessions;
mod skills;
mod source;
mod status;
mod task;
mod verify;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::engine::project::Project;
use crate::model::BackendName;

const AFTER_HELP: &str = "\
Exit codes:
  0    done
  1    a person must act: environment, configuration, task.json, or an error of autodev itself
  2    some task is blocked, or the arguments are wrong
  130  stopped by a signal

New here? `autodev demo` needs no account and no network. In your own project begin with
`autodev init`, then `autodev plan`, look with `autodev run --dry-run`, then `autodev run`.
`autodev help COMMAND` says more about a command.";

const TASK_HELP: &str = "\
Examples:
  autodev task list               which tasks are done, pending and blocked
  autodev task retry --ids P0-2   try a blocked task again with the next run
  autodev help task retry         more about one of them";

const STATUS_HELP: &str = "\
Works during a run, from another terminal, and afterwards. It also writes logs/dashboard.html anew.

Example:
  autodev status --json | jq .run.status";

const REBUILD_HELP: &str = "\
The journal is the truth, these files are made from it and may be thrown away. A progress.txt that
differs is kept as progress.txt.bak.<stamp>, experiments.jsonl likewise. Not during a run.";

const SKILLS_HELP: &str = "\
A skill is a directory with a SKILL.md that an agent reads when its description fits the work.
`autodev init` puts five of them into .skills/, where the agents' own directories link to.

Examples:
  autodev skills list
  autodev skills recommend \"split a big feature\"
  autodev skills doctor";

const INSTALL_HELP: &str = "\
codex and opencode: each skill of .skills/ is linked from the user's directory. claude and gemini: their
own plugin and extension commands are run. A directory that is no link is never touched.

Example:
  autodev install-skills";

const SALVAGE_HELP: &str = "\
When a task is blocked, what it left in the tree goes to a git ref. `autodev task retry` puts it
back and tries again; these commands are for looking at it and for taking it over by hand.

Examples:
  autodev salvage list
  autodev salvage show P0-2       as a diff";

const SERVICE_HELP: &str = "\
Examples:
  autodev service install     now, and after every reboot
  autodev service status
  autodev service uninstall";
const NOTIFY_HELP: &str = "\
Channels are [[notify.channels]] tables of autodev.toml: desktop, webhook, slack, discord,
telegram, ntfy or email, each with the events it is told.

Example:
  autodev notify test";

/// Runs coding agents unattended in a project and calls work done only when it has proved it.
#[derive(Debug, Parser)]
#[command(
    name = "autodev",
    version,
    infer_long_args = true,
    max_term_width = 99,
    after_help = AFTER_HELP
)]
struct Arguments<C: Subcommand> {
    /// Use this autodev.toml instead of the one found here or above; stands before the command
    #[arg(short, long, value_name = "PATH", global = false)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<C>,
}

/// Every command, also those that only autodev itself uses. They have a type of their own because what is generated
/// from the commands (completions, manual pages) does not leave out what is merely hidden.
#[derive(Debug, Subcommand)]
enum AnyCommand {
    #[command(flatten)]
    Public(Command),
    #[command(flatten)]
    Internal(InternalCommand),
}

/// The commands for people.
#[derive(Debug, Subcommand)]
enum Command {
    /// Set up a project: autodev.toml, an empty queue, rules for agents, skills
    Init(init::InitArguments),
    /// Work through task.json: an agent on each task, checks on its work, a commit of what passes
    Run(run::RunArguments),
    /// Make task.json of an intent, a specification, or a plan that is there already
    Plan(plan::PlanArguments),
    /// Make a specification of an intent, to look at before planning from it
    Spec(plan::SpecArguments),
    /// Make tasks of the plans that are dropped into ai-docs/, as long as it runs
    Watch(watch::WatchArguments),
    /// List the tasks, or make some of them pending or blocked
    #[command(arg_required_else_help = false, after_help = TASK_HELP)]
    Task {
        #[command(subcommand)]
        command: Option<task::TaskCommand>,
    },
    /// Run the checks of one task now, without an agent and without changing task.json
    Verify(verify::VerifyArguments),
    /// Show what the run is doing and how the queue stands
    #[command(after_help = STATUS_HELP)]
    Status {
        /// Print JSON: the content of logs/runtime-status.json
        #[arg(long)]
        json: bool,
    },
    /// Let no attempt begin until `autodev resume`, or until a time
    Pause(pause::PauseArguments),
    /// End a pause by hand; runs that wait go on
    Resume(pause::ResumeArguments),
    /// Show when agents may work and which plan comes when, or queue the plans that are due
    Schedule(schedule::ScheduleArguments),
    /// List the detached sessions of this user, of all projects: what they do, how they ended
    List(sessions::ListArguments),
    /// Look at a detached session: its tmux terminal, or what it prints
    Attach(sessions::AttachArguments),
    /// Stop a detached session: it ends its agent and keeps the work
    Stop(sessions::StopArguments),
    /// Show what has happened, event by event
    Log(log::LogArguments),
    /// Show what iterative tasks tried, measured, kept and put back, as a table and a chart
    Experiments(experiments::ExperimentsArguments),
    /// Write progress.txt, experiments.jsonl, TASK.md and the status files anew from the journal
    #[command(after_help = REBUILD_HELP)]
    Rebuild,
    /// Look at the leftovers of blocked tasks, put them back, or drop them
    #[command(arg_required_else_help = false, after_help = SALVAGE_HELP)]
    Salvage {
        #[command(subcommand)]
        command: Option<salvage::SalvageCommand>,
    },
    /// List the skills of the project, find one that fits, or check that all is in place
    #[command(arg_required_else_help = false, after_help = SKILLS_HELP)]
    Skills {
        #[command(subcommand)]
        command: Option<skills::SkillsCommand>,
    },
    /// Make the project's skills known to the agent of this user (the one in [backend].default)
    #[command(after_help = INSTALL_HELP)]
    InstallSkills {
        /// Print JSON: {"tool", "skills": [{"name", "target", "outcome"}]}, or "commands" for claude and gemini
        #[arg(long)]
        json: bool,
    },
    /// Try the channels that tell people what happens while they are away
    #[command(arg_required_else_help = false, after_help = NOTIFY_HELP)]
    Notify {
        #[command(subcommand)]
        command: Option<notify::NotifyCommand>,
    },
    /// Show how this project is built, tested and linted, by what its files say; starts nothing
    Checks(checks::ChecksArguments),
    /// Look at everything a run needs: settings, queue, repository, agents, machine
    Doctor(doctor::DoctorArguments),
    /// Let the service manager of this machine run autodev for this project
    #[command(arg_required_else_help = false, after_help = SERVICE_HELP)]
    Service {
        #[command(subcommand)]
        command: Option<service::ServiceCommand>,
    },
    /// Set up a small project and play a recorded agent in it: no account, no network
    Demo(demo::DemoArguments),
    /// Print what makes a shell complete the commands and options of autodev
    Completions(completions::CompletionsArguments),
    /// Print the manual page, or write one for each command
    Man(man::ManArguments),
}

/// The commands that autodev itself and its measurements use.
#[derive(Debug, Subcommand)]
enum InternalCommand {
    /// The player of recorded sessions (started by autodev itself)
    #[command(name = "__replay", hide = true)]
    Replay {
        /// Recorded session; the embedded one when left out
        session: Option<PathBuf>,
        /// 1 plays with the recorded timing, 0 without waiting
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
    },
    /// The beginning of a detached session (started by autodev itself)
    #[command(name = crate::engine::detach::COMMAND, hide = true)]
    Session {
        /// What it is to become
        ticket: PathBuf,
    },
    /// One timed snapshot of the project, as JSON (for benches/measure.py)
    #[command(name = "__scan", hide = true)]
    Scan,
}

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::<AnyCommand>::parse();
    let result = dispatch(arguments);
    sessions::note_end(&result);
    exit::code(&result)
}

fn dispatch(arguments: Arguments<AnyCommand>) -> anyhow::Result<i32> {
    let config = arguments.config.as_deref();
    match arguments.command {
        None => Ok(help(None)),
        Some(AnyCommand::Public(command)) => perform(command, config),
        Some(AnyCommand::Internal(InternalCommand::Session { ticket })) => {
            crate::engine::detach::enter(&ticket).map(|never| match never {})
        }
        Some(AnyCommand::Internal(InternalCommand::Scan)) => scan::main(&open(config)?),
        Some(AnyCommand::Internal(InternalCommand::Replay { session, speed })) => {
            let dir = std::env::current_dir()?;
            let (mut input, mut out) = (std::io::stdin().lock(), std::io::stdout().lock());
            Ok(crate::backend::replay::perform(session.as_deref(), speed, &dir, &mut input, &mut out)?)
        }
    }
}

fn perform(command: Command, config: Option<&Path>) -> anyhow::Result<i32> {
    let open = || open(config);
    match command {
        Command::Task { command: None } => Ok(help(Some("task"))),
        Command::Salvage { command: None } => Ok(help(Some("salvage"))),
        Command::Skills { command: None } => Ok(help(Some("skills"))),
        Command::Service { command: None } => Ok(help(Some("service"))),
        Command::Service { command: Some(command) } => service::main(&open()?, &command),
        Command::Notify { command: None } => Ok(help(Some("notify"))),
        Command::Init(init) => init::main(&init),
        Command::Plan(arguments) => plan::plan(open()?, &arguments),
        Command::Spec(arguments) => plan::spec(open()?, &arguments),
        Command::Watch(watch) => watch::main(config, &watch),
        Command::Run(run) => run::main(open()?, &run),
        Command::Task { command: Some(command) } => task::main(&open()?, command),
        Command::Verify(verify) => verify::main(&open()?, &verify),
        Command::Status { json } => status::main(&open()?, json),
        Command::Pause(pause) => pause::pause(&open()?, &pause),
        Command::Resume(resume) => pause::resume(&open()?, &resume),
        Command::Schedule(schedule) => schedule::main(&open()?, &schedule),
        Command::List(list) => sessions::list(&list),
        Command::Attach(attach) => sessions::attach(config, &attach),
        Command::Stop(stop) => sessions::stop(config, &stop),
        Command::Log(log) => log::main(&open()?, &log),
        Command::Experiments(experiments) => experiments::main(&open()?, &experiments),
        Command::Rebuild => rebuild::main(&open()?),
        Command::Salvage { command: Some(command) } => salvage::main(&open()?, command),
        Command::Demo(demo) => demo::main(&demo),
        Command::Doctor(doctor) => doctor::main(config.map(Path::to_path_buf), &doctor),
        Command::Checks(checks) => checks::main(&checks),
        Command::Skills { command: Some(command) } => skills::main(config, &command),
        Command::Notify { command: Some(command) } => notify::main(&open()?, &command),
        Command::InstallSkills { json } => skills::install(&open()?, json),
        Command::Completions(completions) => Ok(completions::main(&completions)),
        Command::Man(man) => man::main(&man),
    }
}

/// The command line without the commands that are not for people.
fn public() -> clap::Command {
    Arguments::<Command>::command()
}

fn open(config: Option<&std::path::Path>) -> anyhow::Result<Project> {
    let dir = std::env::current_dir().map_err(|e| anyhow::anyhow!("find the current directory: {e}"))?;
    let project = Project::open(config, &dir)?;
    Ok(project)
}

/// Prints the help of the program (or names the subcommands that are missing) and succeeds, as the reference does.
fn help(of: Option<&str>) -> i32 {
    let mut command = public();
    // Gives subcommands their whole name for the usage line.
    command.build();
    if let Some(sub) = of.and_then(|name| command.find_subcommand_mut(name)) {
        screen::print(&sub.render_help().to_string());
    } else {
        screen::print(&command.render_help().to_string());
    }
    0
}

fn backend_name(text: &str) -> Result<BackendName, String> {
    BackendName::ALL.into_iter().find(|name| name.as_str() == text).ok_or_else(|| {
        let names: Vec<&str> = BackendName::ALL.iter().map(|name| name.as_str()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// A runtime for one thread: autodev waits for processes, it does not compute.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A run's state machine is large; it belongs on the heap.
    let result = runtime.block_on(Box::pin(work));
    // A reader of a pipe that some stranger holds open must not keep us.
    runtime.shutdown_background();
    result
}
