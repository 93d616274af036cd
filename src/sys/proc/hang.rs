//! Judges silence: a child hangs when for a while nothing showed that it works.
//!
//! Processor time is looked at only while there is no output, a few times per window, so watching costs nothing to speak
//! of. Time is given by the caller.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Idle;
use super::table::Process;

/// Looks at processor time per window. 8: the verdict comes at most an eighth of the limit too late.
const LOOKS: u32 = 8;
/// A program that waits still wakes up now and then. This share of the window (in ppm) is not yet work: 5 % of one
/// processor. While their stream hangs, agents use 0.1 % (claude), 0.6 % (gemini), 1.2 % (opencode), 2.5 % (codex).
const WAKING_PPM: u128 = 50_000;
/// Length of a clock tick of `/proc`: `USER_HZ` is 100 on every Linux that Rust runs on.
const TICK_MICROS: u128 = 10_000;

/// The watch over one child.
pub(super) struct Hang {
    idle: Idle,
    /// When it last showed life.
    active: Instant,
    /// When to look next.
    next: Instant,
    /// Processor time per process at the last look; `None` when there was output since.
    seen: Option<HashMap<(i32, u64), u64>>,
    /// Processor time since `active`.
    gained: u64,
}

impl Hang {
    pub(super) fn new(idle: Idle, now: Instant) -> Self {
        let mut hang = Self { idle, active: now, next: now, seen: Some(HashMap::new()), gained: 0 };
        hang.next = hang.look_after(now);
        hang
    }

    /// When [`Hang::is_hung`] wants to be asked.
    pub(super) fn wake(&self) -> Instant {
        self.next
    }

    /// There was output.
    pub(super) fn heard(&mut self, now: Instant) {
        self.active = now;
        self.seen = None;
        self.gained = 0;
    }

    /// Takes a look. `members` is asked for only when there was no output since the last one.
    pub(super) fn is_hung(&mut self, now: Instant, members: impl FnOnce() -> Vec<Process>) -> bool {
        if now < self.next {
            return false;
        }
        self.look(&members());
        if self.gained >= self.work() {
            self.active = now;
            self.gained = 0;
        }
        if now.saturating_duration_since(self.active) >= self.idle.limit {
            if !(self.idle.probe)() {
                return true;
            }
            self.active = now;
            self.gained = 0;
        }
        self.next = self.look_after(now);
        false
    }

    fn look(&mut self, members: &[Process]) {
        let seen: HashMap<_, _> = members.iter().map(|it| ((it.pid, it.start), it.cpu)).collect();
        if let Some(before) = &self.seen {
            // A process that was not there before has used all of its time since.
            let gain = |(id, cpu): (&(i32, u64), &u64)| cpu.saturating_sub(before.get(id).copied().unwrap_or(0));
            self.gained = seen.iter().map(gain).fold(self.gained, u64::saturating_add);
        }
        self.seen = Some(seen);
    }

    /// How many ticks count as work.
    fn work(&self) -> u64 {
        let ticks = self.idle.limit.as_micros() * WAKING_PPM / 1_000_000 / TICK_MICROS;
        u64::try_from(ticks).unwrap_or(u64::MAX).max(1)
    }

    fn look_after(&self, now: Instant) -> Instant {
        // 20 ms: below that a clock tick of 10 ms says little. 15 s: a look costs about 2 ms.
        let pause = (self.idle.limit / LOOKS).clamp(Duration::from_millis(20), Duration::from_secs(15));
        let end = self.active.checked_add(self.idle.limit).filter(|end| *end > now);
        let next = now + pause;
        end.map_or(next, |end| end.min(next))
    }
}
