//! Looks at a running child now and then: what it and everything below it has done since the last look.
//!
//! Judges nothing: that is up to whoever asked for the looks. Time is given by the caller.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::table::{self, Process};
use super::{Sample, Watch};

/// Length of a clock tick of `/proc`: `USER_HZ` is 100 on every Linux that Rust runs on.
const TICK: Duration = Duration::from_millis(10);

/// The looks at one child.
pub(super) struct Sampler {
    watch: Watch,
    begun: Instant,
    /// When to look next; `None` when that is beyond what the clock can count.
    next: Option<Instant>,
    /// Bytes printed since the last look.
    output: u64,
    /// Processor time (in ticks) and bytes transferred, per process, at the last look.
    seen: HashMap<(i32, u64), (u64, u64)>,
}

impl Sampler {
    pub(super) fn new(watch: Watch, begun: Instant) -> Self {
        let next = begun.checked_add(watch.every);
        Self { watch, begun, next, output: 0, seen: HashMap::new() }
    }

    /// When [`Sampler::is_over`] wants to be asked.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.next
    }

    /// There was output.
    pub(super) fn heard(&mut self, bytes: usize) {
        self.output = self.output.saturating_add(bytes as u64);
    }

    /// Takes a look when it is time to, and returns whether the child is to be ended.
    pub(super) fn is_over(&mut self, now: Instant, members: impl FnOnce() -> Vec<Process>) -> bool {
        if self.next.is_none_or(|next| now < next) {
            return false;
        }
        let sample = self.sample(now, &members());
        // Counted from now: after a suspend one look is enough.
        self.next = now.checked_add(self.watch.every);
        (self.watch.judge)(&sample)
    }

    fn sample(&mut self, now: Instant, members: &[Process]) -> Sample {
        let seen: HashMap<_, _> =
            members.iter().map(|it| ((it.pid, it.start), (it.cpu, table::transferred(it.pid)))).collect();
        // A process that was not there before has used all of its time since. What it read to get started is no work.
        let ticks = seen.iter().map(|(id, is)| is.0.saturating_sub(self.seen.get(id).map_or(0, |was| was.0)));
        let ticks = ticks.fold(0, u64::saturating_add);
        let io = seen.iter().map(|(id, is)| is.1.saturating_sub(self.seen.get(id).map_or(is.1, |was| was.1)));
        let io = io.fold(0, u64::saturating_add);
        let count =
            |is: fn(&Process) -> bool| u32::try_from(members.iter().filter(|it| is(it)).count()).unwrap_or(u32::MAX);
        let sample = Sample {
            at: now.saturating_duration_since(self.begun),
            output: std::mem::take(&mut self.output),
            cpu: TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX)),
            io,
            processes: count(|_| true),
            runnable: count(|it| it.is_runnable),
            // A process group stands for its members where there is no process table; nothing is known of them.
            stopped: count(|it| it.is_stopped && it.pid > 0),
            reads_terminal: members
                .iter()
                .any(|it| it.has_terminal && !it.is_runnable && table::reads_terminal(it.pid)),
        };
        self.seen = seen;
        sample
    }
}
