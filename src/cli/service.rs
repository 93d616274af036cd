//! `autodev service install|uninstall|status`.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use super::task::refuse_agents;
use super::{block_on, screen};
use crate::engine::project::Project;
use crate::engine::service::{Found, Kind, Report, ServiceFile, Standing};

const INSTALL_HELP: &str = "\
A systemd user unit in ~/.config/systemd/user, on macOS a launchd agent in ~/Library/LaunchAgents.
A file that is up to date stays, one that autodev did not write is left alone.

Examples:
  autodev service install               write it, enable it, start it
  autodev service install --print       only show what would be written
  autodev service install --no-start    write it; the commands that are left are told";

const UNINSTALL_HELP: &str = "\
Example:
  autodev service uninstall";

const STATUS_HELP: &str = "\
Example:
  autodev service status --json | jq -r .state";

#[derive(Debug, Subcommand)]
pub(super) enum ServiceCommand {
    /// Let the service manager of this user start autodev for this project, now and after a reboot
    #[command(after_help = INSTALL_HELP)]
    Install {
        #[command(flatten)]
        which: Which,
        /// Print the file instead of writing it
        #[arg(long)]
        print: bool,
        /// Write the file and nothing else
        #[arg(long, conflicts_with = "print")]
        no_start: bool,
        /// Print JSON: {"file", "changed", "done": [...], "left": [{"command", "why"}]}
        #[arg(long, conflicts_with = "print")]
        json: bool,
    },
    /// Stop the service and remove its file
    #[command(after_help = UNINSTALL_HELP)]
    Uninstall {
        #[command(flatten)]
        which: Which,
        /// Print JSON, as for install
        #[arg(long)]
        json: bool,
    },
    /// Show whether the service is installed, up to date and running
    #[command(after_help = STATUS_HELP)]
    Status {
        #[command(flatten)]
        which: Which,
        /// Print JSON: {"file", "found", "state", "enabled", "lingers"}
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// systemd or launchd (default: the one of this machine)
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<Kind>,
    /// Name of the service behind `autodev-` (default: [project].name)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

fn kind(text: &str) -> Result<Kind, String> {
    [Kind::Systemd, Kind::Launchd]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| "expected systemd or launchd".to_owned())
}

pub(super) fn main(project: &Project, command: &ServiceCommand) -> Result<i32> {
    let file = |which: &Which| ServiceFile::of(project, which.kind.unwrap_or_else(Kind::here), which.name.as_deref());
    match command {
        ServiceCommand::Install { which, print: true, .. } => screen::print(&file(which)?.text),
        ServiceCommand::Install { which, no_start, json, .. } => {
            refuse_agents(project)?;
            let file = file(which)?;
            let report = block_on(file.install(!no_start))?;
            let what = if report.has_changed { "Wrote" } else { "Up to date:" };
            tell(&file, &report, what, *json);
        }
        ServiceCommand::Uninstall { which, json } => {
            refuse_agents(project)?;
            let file = file(which)?;
            let report = block_on(file.uninstall())?;
            let what = if report.has_changed { "Removed" } else { "Not installed:" };
            tell(&file, &report, what, *json);
        }
        ServiceCommand::Status { which, json } => {
            let file = file(which)?;
            let standing = block_on(file.standing())?;
            status(&file, &standing, *json);
        }
    }
    Ok(0)
}

fn tell(file: &ServiceFile, report: &Report, what: &str, json: bool) {
    let path = file.path.display().to_string();
    if json {
        let left: Vec<_> = report.left.iter().map(|(command, why)| json!({"command": command, "why": why})).collect();
        screen::print_json(&json!({"file": path, "changed": report.has_changed, "done": report.done, "left": left}));
        return;
    }
    let mut text = format!("{what} {path}\n");
    text.extend(report.done.iter().map(|command| format!("Done: {command}\n")));
    text.extend(report.left.iter().map(|(command, why)| format!("Left to do: {command}\n    ({why})\n")));
    text.extend(report.notes.iter().map(|note| format!("Note: {note}\n")));
    screen::print(&text);
}

fn status(file: &ServiceFile, standing: &Standing, json: bool) {
    let path = file.path.display().to_string();
    let (word, found) = match standing.found {
        Found::Nothing => ("nothing", "not installed; install it with: autodev service install"),
        Found::Current => ("current", "installed and up to date"),
        Found::Outdated => {
            ("outdated", "installed for another program or path; renew it with: autodev service install")
        }
        Found::OtherProject => ("other_project", "of another project; choose another name with --name"),
        Found::Foreign => ("foreign", "not written by autodev"),
    };
    if json {
        screen::print_json(&json!({
            "file": path, "found": word, "state": standing.state, "enabled": standing.is_enabled, "lingers": standing.lingers,
        }));
        return;
    }
    let yes_no = |answer: Option<bool>| match answer {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    screen::print(&format!(
        "Service: {}\nFile: {path}: {found}\nState: {}\nStarts by itself: {}\nGoes on after logout: {}\n",
        file.label,
        standing.state.as_deref().unwrap_or("unknown; the service manager cannot be asked here"),
        yes_no(standing.is_enabled),
        yes_no(standing.lingers)
    ));
}
