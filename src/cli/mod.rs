//! Floor 5: the command line. Arguments in, text and an exit code out; everything else is elsewhere.

mod demo;
mod doctor;
mod exit;
mod log;
mod rebuild;
mod run;
mod salvage;
mod scan;
mod screen;
mod status;
mod task;
mod verify;

use std::path::PathBuf;
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

New here? `autodev demo` needs no account and no network. For your own project write an autodev.toml
and a task.json (README.md has both), look with `autodev run --dry-run`, then `autodev run`.";

/// Runs coding agents unattended in a project and calls work done only when it has proved it.
#[derive(Debug, Parser)]
#[command(
    name = "autodev",
    version,
    infer_long_args = true,
    max_term_width = 100,
    after_help = AFTER_HELP
)]
struct Arguments {
    /// Use this autodev.toml instead of the one found here or above; stands before the command
    #[arg(short, long, value_name = "PATH", global = false)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Work through task.json: an agent on each task, checks on its work, a commit of what passes
    Run(run::RunArguments),
    /// List the tasks, or make some of them pending or blocked
    #[command(arg_required_else_help = false)]
    Task {
        #[command(subcommand)]
        command: Option<task::TaskCommand>,
    },
    /// Run the checks of one task now, without an agent and without changing task.json
    Verify(verify::VerifyArguments),
    /// Show what the run is doing and how the queue stands
    Status {
        /// Print JSON: the content of logs/runtime-status.json
        #[arg(long)]
        json: bool,
    },
    /// Show what has happened, event by event
    Log(log::LogArguments),
    /// Write progress.txt, TASK.md and the status files anew from the journal
    Rebuild,
    /// Look at the leftovers of blocked tasks, put them back, or drop them
    #[command(arg_required_else_help = false)]
    Salvage {
        #[command(subcommand)]
        command: Option<salvage::SalvageCommand>,
    },
    /// Look at everything a run needs: settings, queue, repository, agents, machine
    Doctor(doctor::DoctorArguments),
    /// Set up a small project and play a recorded agent in it: no account, no network
    Demo(demo::DemoArguments),
    /// The player of recorded sessions (started by autodev itself)
    #[command(name = "__replay", hide = true)]
    Replay {
        /// Recorded session; the embedded one when left out
        session: Option<PathBuf>,
        /// 1 plays with the recorded timing, 0 without waiting
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
    },
    /// One timed snapshot of the project, as JSON (for benches/measure.py)
    #[command(name = "__scan", hide = true)]
    Scan,
}

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = dispatch(arguments);
    exit::code(result)
}

fn dispatch(arguments: Arguments) -> anyhow::Result<i32> {
    let open = || open(arguments.config.as_deref());
    match arguments.command {
        None => Ok(help(None)),
        Some(Command::Task { command: None }) => Ok(help(Some("task"))),
        Some(Command::Salvage { command: None }) => Ok(help(Some("salvage"))),
        Some(Command::Run(run)) => run::main(open()?, &run),
        Some(Command::Task { command: Some(command) }) => task::main(&open()?, command),
        Some(Command::Verify(verify)) => verify::main(&open()?, &verify),
        Some(Command::Status { json }) => status::main(&open()?, json),
        Some(Command::Log(log)) => log::main(&open()?, &log),
        Some(Command::Rebuild) => rebuild::main(&open()?),
        Some(Command::Salvage { command: Some(command) }) => salvage::main(&open()?, command),
        Some(Command::Doctor(doctor)) => doctor::main(arguments.config, &doctor),
        Some(Command::Demo(demo)) => demo::main(&demo),
        Some(Command::Scan) => scan::main(&open()?),
        Some(Command::Replay { session, speed }) => {
            let dir = std::env::current_dir()?;
            let (mut input, mut out) = (std::io::stdin().lock(), std::io::stdout().lock());
            Ok(crate::backend::replay::perform(session.as_deref(), speed, &dir, &mut input, &mut out)?)
        }
    }
}

fn open(config: Option<&std::path::Path>) -> anyhow::Result<Project> {
    let dir = std::env::current_dir().map_err(|e| anyhow::anyhow!("find the current directory: {e}"))?;
    let project = Project::open(config, &dir)?;
    Ok(project)
}

/// Prints the help of the program (or names the subcommands that are missing) and succeeds, as the reference does.
fn help(of: Option<&str>) -> i32 {
    let mut command = Arguments::command();
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
    let result = runtime.block_on(work);
    // A reader of a pipe that some stranger holds open must not keep us.
    runtime.shutdown_background();
    result
}
