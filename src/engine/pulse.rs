//! The pulse of an agent at work: what the process shows and what the agent says come together here and go to
//! `logic::liveness`, which judges.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::logic::liveness::{self, Look, Need};
use crate::model::{Said, Vital};
use crate::sys;
use crate::sys::proc::{Sample, Stream, Watch};

/// More of a line that has not ended is of no interest.
const LINE: usize = 400;

/// A pulse that the process's watcher and the listener share.
#[derive(Clone)]
pub(super) struct Pulse {
    shared: Arc<Mutex<liveness::Pulse>>,
    begun: Instant,
    /// What stands behind the last line break, per stream: a question may be on either.
    lines: [Vec<u8>; 2],
}

impl Pulse {
    /// Begins. Without a limit the agent is looked at, and never ended for its silence.
    pub(super) fn new(limit: Option<Duration>) -> Self {
        let pulse = liveness::Pulse::new(limit);
        Self { shared: Arc::new(Mutex::new(pulse)), begun: Instant::now(), lines: [Vec::new(), Vec::new()] }
    }

    /// Returns what looks at the process every so often; `have_files_changed` is asked when nothing else has shown life for the limit.
    pub(super) fn watch(
        &self,
        every: Duration,
        mut have_files_changed: impl FnMut() -> bool + Send + 'static,
    ) -> Watch {
        let shared = Arc::clone(&self.shared);
        let judge = move |sample: &Sample| {
            // A panic elsewhere leaves nothing half changed in there.
            let mut pulse = shared.lock().unwrap_or_else(PoisonError::into_inner);
            match pulse.look(sample.at, &look(sample)) {
                Need::Nothing => false,
                Need::Files => pulse.files(sample.at, have_files_changed()),
            }
        };
        Watch { every, judge: Box::new(judge) }
    }

    /// Takes a piece of output.
    pub(super) fn printed(&mut self, stream: Stream, bytes: &[u8]) {
        let [out, err] = &mut self.lines;
        let line = if stream == Stream::Out { out } else { err };
        let rest = match bytes.iter().rposition(|byte| *byte == b'\n' || *byte == b'\r') {
            Some(at) => {
                line.clear();
                bytes.get(at + 1..).unwrap_or_default()
            }
            None => bytes,
        };
        line.extend_from_slice(rest.get(..rest.len().min(LINE.saturating_sub(line.len()))).unwrap_or_default());
        let text = String::from_utf8_lossy(line).into_owned();
        self.lock().unfinished(&text);
    }

    /// Takes what the agent said.
    pub(super) fn said(&self, said: &Said) {
        self.lock().said(said, self.begun.elapsed(), sys::clock::now());
    }

    /// What the agent is doing, as of the last look.
    pub(super) fn standing(&self) -> Vital {
        self.lock().standing().clone()
    }

    fn lock(&self) -> MutexGuard<'_, liveness::Pulse> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look(sample: &Sample) -> Look {
    Look {
        output: sample.output,
        cpu: sample.cpu,
        io: sample.io,
        processes: sample.processes,
        runnable: sample.runnable,
        stopped: sample.stopped,
        reads_terminal: sample.reads_terminal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Liveness;

    fn standing_after(pieces: &[(Stream, &str)]) -> Vital {
        let mut pulse = Pulse::new(Some(Duration::from_secs(80)));
        for (stream, text) in pieces {
            pulse.printed(*stream, text.as_bytes());
        }
        let mut watch = pulse.watch(Duration::from_secs(10), || false);
        (watch.judge)(&Sample { at: Duration::from_secs(10), processes: 1, ..Sample::default() });
        pulse.standing()
    }

    #[test]
    fn a_question_is_what_stands_behind_the_last_line_break() {
        let asks = standing_after(&[(Stream::Out, "working\nOverwrite "), (Stream::Out, "x? [y/N] ")]);
        assert_eq!(asks.state, Liveness::WaitingForPerson, "{asks:?}");
        assert!(asks.reason.contains("Overwrite x? [y/N]"), "{asks:?}");
        let answered = standing_after(&[(Stream::Err, "Overwrite? [y/N] "), (Stream::Err, "\n")]);
        assert_eq!(answered.state, Liveness::Thinking, "{answered:?}");
        let long = "x".repeat(5000);
        assert_eq!(standing_after(&[(Stream::Out, &long)]).state, Liveness::Thinking);
    }
}
