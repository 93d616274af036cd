//! Asks a program one thing and waits for its answer, not for ever.

use std::path::Path;
use std::time::Duration;

use crate::backend::Invocation;
use crate::engine::signals::Stop;
use crate::engine::spec_of;
use crate::engine::store::Store;
use crate::sys::proc::{self, Cause, Happening, Spec, Stream};

/// The variable by which `sys::proc` knows the descendants of a process.
pub(super) const MARKER: &str = "AUTODEV_RUN_ID";
/// So much of an answer is kept; what follows is read and dropped.
const ANSWER: usize = 64 << 10;
/// A program that does not end when it is asked to is killed after this.
const GRACE: Duration = Duration::from_millis(500);

/// What a program answered.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Answer {
    /// Exit code, or minus the signal.
    pub(in crate::engine) code: i32,
    /// Whether it was ended because it took too long (or because of a stop request).
    pub(super) is_cut: bool,
    /// How many processes it left behind, which have been ended.
    pub(super) strays: u32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Answer {
    /// Returns the first line with something on it, shortened.
    pub(in crate::engine) fn first_line(&self) -> String {
        line(self.out.lines()).unwrap_or_default()
    }

    /// Returns the last line with something on it, of what it complained about first of all.
    pub(in crate::engine) fn last_line(&self) -> String {
        line(self.err.lines().rev()).or_else(|| line(self.out.lines().rev())).unwrap_or_default()
    }
}

fn line<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<String> {
    let found = lines.find(|line| !line.trim().is_empty())?;
    Some(found.trim().chars().take(120).collect())
}

/// Starts an invocation and waits for its end.
///
/// # Errors
/// When it cannot be started, with the reason.
pub(super) async fn ask(invocation: Invocation, cwd: &Path, limit: Duration, stop: &Stop) -> Result<Answer, String> {
    ask_spec(spec_of(invocation, cwd)?, limit, stop).await
}

/// The same with a process that is described already. What it leaves behind is known by a marker in its environment.
pub(in crate::engine) async fn ask_spec(mut spec: Spec, limit: Duration, stop: &Stop) -> Result<Answer, String> {
    spec.wall = Some(limit);
    spec.grace = GRACE;
    // With a marker of its own, what it leaves behind is told from what its neighbours leave.
    if !spec.env.iter().any(|(name, _)| name == MARKER) {
        spec.env.push((MARKER.into(), Store::new_run_id().to_string().into()));
    }
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut keep = |happening: Happening<'_>| {
        if let Happening::Output(stream, bytes) = happening {
            let kept = if stream == Stream::Out { &mut out } else { &mut err };
            let room = ANSWER.saturating_sub(kept.len()).min(bytes.len());
            kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
    };
    let ended = proc::run(spec, stop.for_child(), &mut keep).await.map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Answer {
        code: ended.code,
        is_cut: ended.cause != Cause::Itself,
        strays: ended.strays,
        out: text(&out),
        err: text(&err),
    })
}
