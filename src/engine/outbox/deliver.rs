//! One try to deliver a message.

use std::path::Path;
use std::time::Duration;

use crate::logic::notify::{self as rules, Fate};
use crate::model::Message;
use crate::notify::{Channel, Errand, Parcel};
use crate::sys;
use crate::sys::http::{self, Call, CallError};
use crate::sys::proc::{self, Cause, Happening, Spec, Stdin, Urgency};

/// So much of what a service or a program says goes into a complaint, in characters.
const SAID: usize = 200;
/// A program that does not end when it is asked to is killed after this.
const GRACE: Duration = Duration::from_millis(500);

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Outcome {
    /// The service has it.
    Delivered,
    /// It certainly did not arrive; worth another try after so long.
    Later {
        /// How long to wait.
        pause: Duration,
        /// What happened.
        why: String,
    },
    /// The service does not want it.
    Refused {
        /// What it said.
        why: String,
    },
    /// It may have arrived, or not.
    Unanswered {
        /// What happened.
        why: String,
    },
}

/// Tries once; `tries` counts from 1. `cwd` is where a program runs.
pub(in crate::engine) async fn deliver(channel: &Channel, message: &Message, tries: u32, cwd: &Path) -> Outcome {
    match channel.parcel(message, sys::clock::now()) {
        Parcel::Call(call) => post(call, tries).await,
        Parcel::Errand(errand) => run(errand, tries, cwd).await,
    }
}

async fn post(call: Call, tries: u32) -> Outcome {
    // The limits of the call end the thread.
    let answer = tokio::task::spawn_blocking(move || http::post(&call)).await;
    match answer {
        Ok(Ok(answer)) => {
            let wish = rules::wish(answer.retry_after.as_deref(), &answer.body, sys::clock::now());
            let said = short(&answer.body);
            let why = format!("HTTP {}{}{said}", answer.status, if said.is_empty() { "" } else { ": " });
            match rules::judge(answer.status, wish, tries) {
                Fate::Delivered => Outcome::Delivered,
                Fate::Later(pause) => Outcome::Later { pause, why },
                Fate::Refused => Outcome::Refused { why },
            }
        }
        Ok(Err(CallError::NotSent(why))) => Outcome::Later { pause: rules::pause(tries), why },
        Ok(Err(error @ CallError::Unanswered(_))) => Outcome::Unanswered { why: error.to_string() },
        Err(error) => Outcome::Unanswered { why: format!("the thread that sent it ended: {error}") },
    }
}

async fn run(errand: Errand, tries: u32, cwd: &Path) -> Outcome {
    let mut spec = Spec::new(errand.program, cwd);
    spec.args = errand.args;
    spec.stdin = if errand.stdin.is_empty() { Stdin::Null } else { Stdin::Bytes(errand.stdin) };
    spec.wall = Some(errand.limit);
    spec.grace = GRACE;
    // It is none of the agent's processes, and must not be taken for one.
    spec.env_remove.push("AUTODEV_RUN_ID".into());
    // A stopped run still says that it was stopped: the limit ends the program, nothing else does.
    let (_, stop) = tokio::sync::watch::channel(Urgency::None);
    let mut said = Vec::new();
    let mut hear = |happening: Happening<'_>| {
        if let Happening::Output(_, bytes) = happening
            && said.len() < 4096
        {
            said.extend_from_slice(bytes);
        }
    };
    let ended = match proc::run(spec, stop, &mut hear).await {
        Ok(ended) => ended,
        Err(error) if errand.is_patient => {
            return Outcome::Later { pause: rules::pause(tries), why: error.to_string() };
        }
        Err(error) => return Outcome::Refused { why: error.to_string() },
    };
    let said = short(&String::from_utf8_lossy(&said));
    let why = format!("exit code {}{}{said}", ended.code, if said.is_empty() { "" } else { ": " });
    match ended.cause {
        Cause::Itself if ended.code == 0 => Outcome::Delivered,
        Cause::Itself if errand.later.contains(&ended.code) => Outcome::Later { pause: rules::pause(tries), why },
        Cause::Itself => Outcome::Refused { why },
        Cause::Wall | Cause::Idle => Outcome::Unanswered { why: "the program took too long and was ended".to_owned() },
        Cause::Stopped => Outcome::Unanswered { why: "the program was ended with the run".to_owned() },
    }
}

/// The first line of what was said, shortened.
fn short(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID).collect()
}
