//! What a run that ended in the middle of something left behind, and what is to be done about it.

use crate::model::{Active, EffectId, Phase, State, Step};

/// One thing to settle before work goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// An agent was at work: what it did counts, the attempt is not charged.
    EndAttempt {
        /// Which attempt.
        effect: EffectId,
        /// Manifest of the tree before it.
        before: String,
    },
    /// Checks were being made, or had been made for a commit that did not come about. What was proved then need not
    /// hold for the tree of now: they are made again.
    RepeatGate {
        /// Identity of the gate or of the commit.
        effect: EffectId,
    },
    /// A commit was being made: git knows by the trailer whether it exists.
    FindCommit {
        /// Identity.
        effect: EffectId,
    },
}

/// Returns what the active task needs, if anything. `Ready`, `Attempted`, `Integrated`, `Blocking` and `Cleared` go on
/// by themselves: a salvage is idempotent, and so is putting a change back.
pub fn recover(state: &State) -> Option<Recovery> {
    let active = state.active.as_ref()?;
    match &active.phase {
        Phase::Attempting { effect, before, .. } => {
            Some(Recovery::EndAttempt { effect: effect.clone(), before: before.clone() })
        }
        Phase::Verifying { effect, .. }
        | Phase::Comparing { effect, .. }
        | Phase::Baselining { effect }
        | Phase::Revalidating { effect } => Some(Recovery::RepeatGate { effect: effect.clone() }),
        // Judged and to be put back: no check changes that.
        Phase::Verified { .. } if is_to_be_put_back(active) => None,
        Phase::Verified { .. } | Phase::Baselined { .. } => Some(Recovery::RepeatGate { effect: EffectId::default() }),
        Phase::Committing { effect, .. } => Some(Recovery::FindCommit { effect: effect.clone() }),
        Phase::Ready
        | Phase::Attempted { .. }
        | Phase::Integrated { .. }
        | Phase::Reverting { .. }
        | Phase::Reverted { .. }
        | Phase::Blocking { .. }
        | Phase::Cleared { .. } => None,
    }
}

fn is_to_be_put_back(active: &Active) -> bool {
    let candidate = active.campaign.as_ref().and_then(|campaign| campaign.candidate.as_ref());
    candidate.and_then(|candidate| candidate.judged.as_ref()).is_some_and(|(_, step)| *step == Step::Revert)
}
