//! `autodev notify test`.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::{block_on, screen};
use crate::engine::notices::{self, Tested};
use crate::engine::project::Project;
use crate::view::text::one_line;

const TEST_HELP: &str = "\
Sends one notice to each channel of [notify], whatever its events are, and says what came of it:
delivered, refused (the service does not want it), not_delivered (a run would try again),
unanswered (it may have arrived) or unusable (a variable is not set). Nothing is tried twice,
and no run is touched.

Examples:
  autodev notify test
  autodev notify test --channel team

Exit code 0 when all arrived, 1 otherwise.";

#[derive(Debug, Subcommand)]
pub(super) enum NotifyCommand {
    /// Send a test notice to every channel and say what came of each
    #[command(after_help = TEST_HELP)]
    Test {
        /// Only this channel
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        /// Print JSON: {"channels": [{"name", "kind", "place", "outcome", "detail", "milliseconds"}]}
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn main(project: &Project, command: &NotifyCommand) -> Result<i32> {
    let NotifyCommand::Test { channel, json } = command;
    let all = block_on(notices::test(project, channel.as_deref()))?;
    if *json {
        let rows: Vec<_> = all.iter().map(row).collect();
        screen::print_json(&json!({ "channels": rows }));
    } else {
        screen::print(&all.iter().map(line).collect::<String>());
    }
    Ok(i32::from(!all.iter().all(Tested::is_delivered)))
}

fn row(tested: &Tested) -> serde_json::Value {
    json!({
        "name": tested.name,
        "kind": tested.kind,
        "place": tested.place,
        "outcome": tested.outcome,
        "detail": tested.detail,
        "milliseconds": tested.milliseconds,
    })
}

fn line(tested: &Tested) -> String {
    let kind = if tested.name == tested.kind { String::new() } else { format!(" ({})", tested.kind) };
    let place = if tested.place.is_empty() { String::new() } else { format!(" {}", tested.place) };
    let detail = if tested.detail.is_empty() { String::new() } else { format!(": {}", tested.detail) };
    let text = format!("[{}] {}{kind}{place}{detail}", tested.outcome.replace('_', " "), tested.name);
    format!("{}\n", one_line(&text))
}
