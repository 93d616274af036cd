//! The null study: what the rules keep when nothing changes, and what they find when something does.
//!
//! `cargo test --release --lib null_study -- --ignored --nocapture` prints the tables; `docs/measuring.md` shows them.

use std::fmt::Write as _;

use super::*;
use crate::model::Samples::{Auto, Fixed};

/// Iterations of a campaign.
const ITERATIONS: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Gaussian,
    /// Student's t with 3 degrees of freedom, scaled to the same variance.
    HeavyTails,
    /// One run in twenty takes three times as long.
    Spikes,
    /// A fifth of the noise more with every run, for ever.
    LinearDrift,
    /// A random step of half the noise with every run.
    RandomWalk,
    /// The first runs of every comparison are up to 30 % slower.
    WarmUp,
    /// Somebody else works on the machine for some runs: ten times the noise slower.
    Bursts,
    /// Gaussian, told in steps of the noise.
    CoarseClock,
}

const KINDS: [(Kind, &str); 8] = [
    (Kind::Gaussian, "Gaussian"),
    (Kind::HeavyTails, "Student t3"),
    (Kind::Spikes, "5 % spikes of 3x"),
    (Kind::LinearDrift, "linear drift"),
    (Kind::RandomWalk, "random walk"),
    (Kind::WarmUp, "warm-up"),
    (Kind::Bursts, "bursts of load"),
    (Kind::CoarseClock, "coarse clock"),
];

/// A machine that measures.
struct Machine {
    kind: Kind,
    noise: f64,
    state: u64,
    runs: u32,
    since_start: i32,
    level: f64,
    is_loaded: bool,
}

impl Machine {
    fn new(kind: Kind, noise: f64, seed: u64) -> Self {
        let state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678_9ABC_DEF0;
        Self { kind, noise, state, runs: 0, since_start: 0, level: 0.0, is_loaded: false }
    }

    /// SplitMix64.
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (one, other) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    }

    fn run(&mut self, truth: f64) -> f64 {
        let z = self.normal();
        let slower = match self.kind {
            Kind::Gaussian | Kind::CoarseClock => self.noise * z,
            Kind::HeavyTails => {
                let chi: f64 = (0..3).map(|_| self.normal().powi(2)).sum();
                self.noise * z / chi.sqrt()
            }
            Kind::Spikes => self.noise * z + if self.uniform() < 0.05 { 3.0_f64.ln() } else { 0.0 },
            Kind::LinearDrift => self.noise * z + (1.0 + 0.2 * self.noise * f64::from(self.runs)).ln(),
            Kind::RandomWalk => {
                self.level += 0.5 * self.noise * self.normal();
                self.noise * z + self.level
            }
            Kind::WarmUp => self.noise * z + 0.3 * (-f64::from(self.since_start) / 2.0).exp(),
            Kind::Bursts => {
                let switch = if self.is_loaded { 0.2 } else { 0.05 };
                self.is_loaded ^= self.uniform() < switch;
                self.noise * (z + if self.is_loaded { 10.0 } else { 0.0 })
            }
        };
        self.runs += 1;
        self.since_start += 1;
        let value = truth * slower.exp();
        if self.kind == Kind::CoarseClock {
            let step = 100.0 * self.noise;
            return (value / step).round() * step;
        }
        value
    }

    /// Compares 100 with `truth`; lower is better.
    fn compare(&mut self, settings: &Settings, truth: f64, alpha: f64) -> Comparison {
        self.since_start = 0;
        let mut pairs = Vec::new();
        loop {
            let more = match next(settings, &pairs, alpha) {
                Step::Decide(comparison) => return comparison,
                Step::Measure { more } => more,
            };
            for _ in 0..more {
                let values = order(pairs.len()).map(|side| match side {
                    Side::Champion => (side, self.run(100.0)),
                    Side::Candidate => (side, self.run(truth)),
                });
                let of = |wanted| values.iter().find(|(side, _)| *side == wanted).unwrap().1;
                pairs.push(Pair::new(of(Side::Champion), of(Side::Candidate)).unwrap());
            }
        }
    }
}

fn settings(samples: Samples) -> Settings {
    super::tests::settings(samples)
}

/// How many of `campaigns` without any effect kept something, and the runs per iteration.
fn null(kind: Kind, noise: f64, campaigns: u32, samples: Samples) -> (u32, f64) {
    let settings = settings(samples);
    let (mut kept, mut runs) = (0, 0_u64);
    for seed in 0..campaigns {
        let mut machine = Machine::new(kind, noise, u64::from(seed));
        let mut has_kept = false;
        for iteration in 1..=ITERATIONS {
            let found = machine.compare(&settings, 100.0, alpha(iteration, ITERATIONS, settings.confidence));
            has_kept |= found.finding == Finding::Improved;
        }
        runs += u64::from(machine.runs);
        kept += u32::from(has_kept);
    }
    (kept, runs as f64 / f64::from(campaigns * ITERATIONS))
}

/// The same for one sample of the candidate against the best value so far, without a tolerance.
fn null_of_one_sample(kind: Kind, noise: f64, campaigns: u32) -> u32 {
    let is_fooled = |seed: u32| {
        let mut machine = Machine::new(kind, noise, u64::from(seed));
        let best = machine.run(100.0);
        (0..ITERATIONS).any(|_| {
            machine.since_start = 0;
            judge::compare(Direction::LowerIsBetter, 0.0, 0.0, best, machine.run(100.0)) == Outcome::Improved
        })
    };
    (0..campaigns).map(|seed| u32::from(is_fooled(seed))).sum()
}

/// How many of `tries` comparisons in a campaign found an effect, and the runs per comparison.
fn power(kind: Kind, noise: f64, effect: f64, tries: u32, samples: Samples) -> (u32, f64) {
    let settings = settings(samples);
    let (mut found, mut runs) = (0, 0_u64);
    for seed in 0..tries {
        let mut machine = Machine::new(kind, noise, u64::from(seed) + 1_000_000);
        let comparison = machine.compare(&settings, 100.0 * (1.0 - effect), alpha(1, ITERATIONS, settings.confidence));
        found += u32::from(comparison.finding == Finding::Improved);
        runs += u64::from(machine.runs);
    }
    (found, runs as f64 / f64::from(tries))
}

#[test]
fn noise_is_not_kept() {
    for (kind, name) in KINDS {
        let (kept, runs) = null(kind, 0.05, 60, Auto);
        // 3 of 60 are allowed; more than 10 would have a probability of 1 in 3 000 at 5 %.
        assert!(kept <= 10, "{name}: {kept} of 60 campaigns kept noise");
        assert!(runs < 40.0, "{name}: {runs} runs an iteration without effect");
    }
    assert!(null_of_one_sample(Kind::Gaussian, 0.05, 60) > 50, "what is to be better than is as bad as it is");
}

#[test]
fn what_is_clearly_better_is_found() {
    for kind in [Kind::Gaussian, Kind::HeavyTails, Kind::LinearDrift, Kind::CoarseClock] {
        let (found, _) = power(kind, 0.01, 0.05, 60, Auto);
        assert!(found >= 55, "{kind:?}: {found} of 60");
    }
}

#[test]
#[ignore = "takes a minute; prints the tables of docs/measuring.md"]
fn null_study() {
    const CAMPAIGNS: u32 = 1_000;
    // 5 % and four standard errors.
    let most = f64::from(CAMPAIGNS) * (0.05 + 4.0 * (0.05_f64 * 0.95 / f64::from(CAMPAIGNS)).sqrt());
    let percent = |count: u32| 100.0 * f64::from(count) / f64::from(CAMPAIGNS);
    let mut told = "| noise | | one sample | auto | runs | 5 samples | runs | 10 samples | runs |\n\
                    |---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for noise in [0.01, 0.05] {
        for (kind, name) in KINDS {
            let one = percent(null_of_one_sample(kind, noise, CAMPAIGNS));
            write!(told, "| {name} | {:.0} % | {one:.1} %", 100.0 * noise).unwrap();
            for samples in [Auto, Fixed(5), Fixed(10)] {
                let (kept, runs) = null(kind, noise, CAMPAIGNS, samples);
                write!(told, " | {:.1} % | {runs:.1}", percent(kept)).unwrap();
                assert!(f64::from(kept) <= most, "{name} {noise} {samples:?}: {kept} campaigns kept noise");
            }
            told.push_str(" |\n");
        }
    }
    told.push_str("\n| noise | | effect | auto | runs | 5 samples | runs | 10 samples | runs |\n");
    told.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for noise in [0.01, 0.05] {
        for (kind, name) in KINDS {
            for effect in [0.02, 0.05, 0.10] {
                write!(told, "| {name} | {:.0} % | {:.0} %", 100.0 * noise, 100.0 * effect).unwrap();
                for samples in [Auto, Fixed(5), Fixed(10)] {
                    let (found, runs) = power(kind, noise, effect, CAMPAIGNS, samples);
                    write!(told, " | {:.1} % | {runs:.1}", percent(found)).unwrap();
                }
                told.push_str(" |\n");
            }
        }
    }
    println!("{told}");
}
