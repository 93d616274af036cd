//! The way of a child from start to end: what is to be done when it ends, is to be ended, or has left something behind.
//!
//! Never waits: it says when it wants to be woken and acts when it is told what happened.

use std::time::{Duration, Instant};

use super::sampler::Sampler;
use super::tree::{self, KILL_LOOKS, LONG, SHORT, Tree};
use super::{Cause, Ended, Urgency, Watch};

/// What the child left behind gets this long to end by itself. 200 ms: it is unexpected, but may have a file to close.
const STRAY_GRACE: Duration = Duration::from_millis(200);
/// Whoever still holds a pipe when everything is dead is none of ours: 500 ms of silence, or 2 s, are enough.
const DRAIN_SILENCE: Duration = Duration::from_millis(500);
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
enum Phase {
    /// It works.
    Running,
    /// It was asked to end, or has ended and what it left behind was asked.
    Ending { limit: Option<Instant>, next: Instant, pause: Duration },
    /// It is killed. `looks` counts all looks, `clear` those in a row that found nothing.
    Killing { looks: u32, next: Instant, pause: Duration, clear: u8 },
    /// All is dead; the pipes may hold a rest.
    Draining { limit: Instant, silence: Instant },
    /// Nothing is left to do.
    Over,
}

pub(super) struct Course {
    tree: Tree,
    phase: Phase,
    cause: Cause,
    code: Option<i32>,
    strays: u32,
    wall: Option<Instant>,
    sampler: Option<Sampler>,
    grace: Duration,
}

impl Course {
    pub(super) fn new(
        tree: Tree,
        begun: Instant,
        wall: Option<Duration>,
        watch: Option<Watch>,
        grace: Duration,
    ) -> Self {
        Self {
            tree,
            phase: Phase::Running,
            cause: Cause::Itself,
            code: None,
            strays: 0,
            // A limit beyond what the clock can count is none.
            wall: wall.and_then(|wall| begun.checked_add(wall)),
            sampler: watch.map(|watch| Sampler::new(watch, begun)),
            grace,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.code.is_some()
    }

    pub(super) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. })
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// When [`Course::tick`] is wanted.
    pub(super) fn wake(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running => [self.wall, self.sampler.as_ref().and_then(Sampler::wake)].into_iter().flatten().min(),
            Phase::Ending { next, .. } | Phase::Killing { next, .. } => Some(next),
            Phase::Draining { limit, silence } => Some(limit.min(silence)),
            Phase::Over => None,
        }
    }

    /// There was output.
    pub(super) fn heard(&mut self, bytes: usize) {
        match &mut self.phase {
            Phase::Running => {
                if let Some(sampler) = &mut self.sampler {
                    sampler.heard(bytes);
                }
            }
            Phase::Draining { silence, .. } => *silence = Instant::now() + DRAIN_SILENCE,
            Phase::Ending { .. } | Phase::Killing { .. } | Phase::Over => {}
        }
    }

    /// The child itself has ended.
    pub(super) fn ended(&mut self, code: i32) {
        self.code = Some(code);
        match self.phase {
            Phase::Running if self.tree.is_deserted() => self.drain(),
            Phase::Running => self.end(STRAY_GRACE),
            Phase::Ending { .. } | Phase::Killing { .. } => self.tick(),
            Phase::Draining { .. } | Phase::Over => {}
        }
    }

    /// The run is asked to stop.
    pub(super) fn asked(&mut self, urgency: Urgency) {
        match (urgency, &self.phase) {
            (Urgency::Stop, Phase::Running) => self.end_for(Cause::Stopped),
            (Urgency::Kill, Phase::Running) => {
                self.cause = Cause::Stopped;
                self.kill();
            }
            (Urgency::Kill, Phase::Ending { .. }) => self.kill(),
            (Urgency::None, _)
            | (Urgency::Stop, Phase::Ending { .. })
            | (_, Phase::Killing { .. } | Phase::Draining { .. } | Phase::Over) => {}
        }
    }

    /// A time that [`Course::wake`] named has come. Asked too early, it does nothing that matters.
    pub(super) fn tick(&mut self) {
        let now = Instant::now();
        match self.phase {
            Phase::Running => {
                if self.wall.is_some_and(|wall| now >= wall) {
                    self.end_for(Cause::Wall);
                } else if self.sampler.as_mut().is_some_and(|sampler| sampler.is_over(now, || self.tree.members())) {
                    self.end_for(Cause::Idle);
                }
            }
            Phase::Ending { limit, pause, .. } => {
                let look = self.tree.look();
                if look.is_clear() && self.code.is_some() {
                    self.drain();
                } else if limit.is_some_and(|limit| now >= limit) {
                    self.kill();
                } else {
                    tree::wake(&look.members);
                    let next = limit.map_or(now + pause, |limit| limit.min(now + pause));
                    self.phase = Phase::Ending { limit, next, pause: (pause * 2).min(LONG) };
                }
            }
            Phase::Killing { looks, pause, clear, .. } => self.kill_again(looks, pause, clear),
            Phase::Draining { limit, silence } => {
                if now >= limit.min(silence) {
                    self.phase = Phase::Over;
                }
            }
            Phase::Over => {}
        }
    }

    /// Says how it was.
    pub(super) fn finish(mut self, duration: Duration) -> Ended {
        self.tree.settled();
        // Without a code the child is stuck in the kernel and has a pending kill.
        let code = self.code.unwrap_or(-(nix::sys::signal::Signal::SIGKILL as i32));
        Ended { code, cause: self.cause, duration, lifetime: duration, strays: self.strays, memory: None }
    }

    fn end_for(&mut self, cause: Cause) {
        self.cause = cause;
        self.end(self.grace);
    }

    fn end(&mut self, grace: Duration) {
        let look = self.tree.look();
        if self.code.is_some() {
            if look.is_clear() {
                return self.drain();
            }
            self.strays = u32::try_from(look.members.len()).unwrap_or(u32::MAX);
        }
        tree::ask_to_end(&look.members);
        let now = Instant::now();
        self.phase = Phase::Ending { limit: now.checked_add(grace), next: now + SHORT, pause: SHORT };
    }

    fn kill(&mut self) {
        if self.code.is_some() && self.cause != Cause::Itself {
            self.strays = u32::try_from(self.tree.members().len()).unwrap_or(u32::MAX);
        }
        self.kill_again(0, SHORT, 0);
    }

    fn kill_again(&mut self, looks: u32, pause: Duration, clear: u8) {
        let look = self.tree.look();
        // Two in a row: a process can start another one and end while the table is read.
        let clear = if look.is_clear() { clear.saturating_add(1) } else { 0 };
        if (clear >= 2 && self.code.is_some()) || looks >= KILL_LOOKS {
            return self.drain();
        }
        self.tree.kill(&look.members);
        let next = Instant::now() + pause;
        self.phase = Phase::Killing { looks: looks + 1, next, pause: (pause * 2).min(LONG), clear };
    }

    fn drain(&mut self) {
        let now = Instant::now();
        self.phase = Phase::Draining { limit: now + DRAIN_LIMIT, silence: now + DRAIN_SILENCE };
    }
}
