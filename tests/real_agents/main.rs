//! The real agent programs, end to end: `autodev run` starts them, a scripted model server on loopback answers them.
//!
//! What is true of one scripted program is known from `tests/it`; here it is shown for the programs that people use,
//! in the pinned versions of `agents.txt`. `.ci/agents` installs them below `AUTODEV_AGENTS_DIR`; a program that is
//! absent is skipped with a visible line, or is a failure when `AUTODEV_REQUIRE` names it. No model, no account and no
//! network beyond loopback is needed.
#![expect(clippy::disallowed_methods, reason = "tests start processes and write files as users do")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(unreachable_pub, reason = "the harness is shared with the other test binary")]

mod agent;
mod cases;
#[expect(dead_code, reason = "the harness serves two test programs, each uses a part of it")]
#[path = "../it/harness.rs"]
mod harness;
mod planning;
mod server;
mod setup;
mod stage;

use agent::Agent;

/// One test per program and case.
macro_rules! agents {
    ($($module:ident => $agent:expr;)*) => { $(
        mod $module {
            use super::*;

            #[test]
            fn does_a_task_on_the_first_attempt() {
                cases::first_attempt($agent);
            }

            #[test]
            fn is_told_what_failed_and_mends_it() {
                cases::second_attempt($agent);
            }

            #[test]
            fn is_waited_for_when_it_met_a_rate_limit() {
                cases::rate_limit($agent);
            }

            #[test]
            fn is_waited_for_when_the_service_is_overloaded() {
                cases::overload($agent);
            }

            #[test]
            fn is_ended_when_its_stream_hangs() {
                cases::hanging_stream($agent);
            }

            #[test]
            fn ends_the_run_when_its_key_is_refused() {
                cases::refused_key($agent);
            }

            #[test]
            fn is_recognised_by_doctor() {
                cases::doctor($agent);
            }

            #[test]
            fn leaves_no_process_behind_when_stopped_in_a_tool_call() {
                cases::stopped_in_a_tool_call($agent);
            }

            #[test]
            fn makes_a_specification_and_tasks_of_an_intent_and_changes_nothing() {
                planning::intent_to_tasks($agent);
            }

            #[test]
            fn is_told_of_the_rules_and_the_skills_once_after_init() {
                setup::rules_and_skills($agent);
            }
        }
    )* };
}

agents! {
    claude => Agent::Claude;
    codex => Agent::Codex;
    gemini => Agent::Gemini;
    opencode => Agent::Opencode;
}

/// What a question is like does not depend on the program beyond the above: two of them show the rest.
macro_rules! askers {
    ($($module:ident => $agent:expr;)*) => { $(
        mod $module {
            use super::*;

            #[test]
            fn tries_what_a_number_judges_and_is_told_what_came_of_it() {
                cases::experiments($agent);
            }

            #[test]
            fn is_told_what_is_wrong_with_its_plan_and_mends_it() {
                planning::repair($agent);
            }

            #[test]
            fn is_asked_without_a_form_when_it_cannot_keep_to_one() {
                planning::no_form($agent);
            }

            #[test]
            fn reflects_on_a_failed_attempt_and_the_next_one_is_told() {
                planning::reflection($agent);
            }

            #[test]
            fn plans_the_next_epoch_and_is_waited_for_when_it_may_not() {
                planning::next_epoch($agent);
            }

            #[test]
            fn ends_a_plan_when_it_met_a_rate_limit() {
                planning::limit($agent);
            }

            #[test]
            fn leaves_no_process_behind_when_stopped_while_asked() {
                planning::interrupt($agent);
            }
        }
    )* };
}

askers! {
    claude_asked => Agent::Claude;
    codex_asked => Agent::Codex;
}
