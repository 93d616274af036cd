//! Asks for a plan, and shows the model once what is wrong with its answer.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::ask::{Answer, Asker, Question};
use super::store::Store;
use super::tree::Tree;
use crate::logic::reply::{self, Choice};
use crate::model::Inquiry;
use crate::model::config::PromptConfig;
use crate::prompt::question::RepairInput;

/// The first answer, and one more that has been told what was wrong.
const ROUNDS: u32 = 2;
/// How much of an answer the repair prompt and messages quote (section 7 of the reference's description).
const QUOTE: usize = 500;

/// A plan that is wanted.
pub(super) struct Wish<'a> {
    pub inquiry: Inquiry,
    pub prompt: &'a str,
    pub limit: Option<Duration>,
    pub schema: Option<&'a str>,
    pub config: &'a PromptConfig,
}

/// What became of it.
pub(super) enum Proposed<T> {
    /// A sound plan.
    Plan(T),
    /// The backend gave no answer.
    NoAnswer(Answer),
    /// Both answers are unsound.
    Unsound {
        /// Everything that is wrong with the last one.
        problems: Vec<String>,
        /// The last one.
        answer: Answer,
    },
}

/// Asks until `judge` finds an answer sound, twice at most. `judge` is given a JSON value of the answer and whether it
/// is the last answer, and says what is wrong with it.
///
/// # Errors
/// As [`Asker::ask`].
pub(super) async fn propose<T>(
    asker: &Asker,
    store: &mut Store,
    tree: &mut Tree,
    wish: &Wish<'_>,
    mut judge: impl FnMut(&Value, bool) -> Result<T, Vec<String>>,
) -> Result<Proposed<T>> {
    let mut prompt = wish.prompt.to_owned();
    let mut schema = wish.schema;
    let mut round = 1;
    loop {
        let question = Question { inquiry: wish.inquiry.clone(), prompt: &prompt, limit: wish.limit, schema };
        let answer = asker.ask(store, tree, &question).await?;
        if !answer.report.is_ok {
            if schema.is_some() && blames_schema(&answer) {
                schema = None;
                continue;
            }
            return Ok(Proposed::NoAnswer(answer));
        }
        let is_last = round == ROUNDS;
        let choice = reply::choose(&answer.reply, |candidate| judge(&candidate.value, is_last).map_err(Problems));
        let problems = match choice {
            Ok(plan) => return Ok(Proposed::Plan(plan)),
            Err(Choice::Refused { error, .. }) => error.0,
            Err(other) => vec![other.to_string()],
        };
        if is_last || asker.stop.signal().is_some() {
            return Ok(Proposed::Unsound { problems, answer });
        }
        round += 1;
        let input = RepairInput { problems: &problems, first_reply_head: head(&answer.reply) };
        prompt = input.append_to(wish.prompt, wish.config)?;
    }
}

/// Whether the service refused the form of the answer: not every provider knows every JSON Schema.
fn blames_schema(answer: &Answer) -> bool {
    let said = answer.report.message.to_lowercase();
    ["schema", "response_format", "structured output"].iter().any(|word| said.contains(word))
}

/// What is wrong with an answer, item by item.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
struct Problems(Vec<String>);

impl<T> Proposed<T> {
    /// Why there is no plan, for people: every problem on a line of its own, and where the answers are.
    pub(super) fn trouble(&self) -> String {
        match self {
            Self::Plan(_) => String::new(),
            Self::NoAnswer(answer) => answer.trouble(),
            Self::Unsound { problems, answer } => format!(
                "the plan cannot be used:\n  {}\nit began with:\n  {}\nall that was answered is kept: {}",
                problems.join("\n  "),
                head(&answer.reply).trim().replace('\n', "\n  "),
                answer.log.display()
            ),
        }
    }
}

fn head(text: &str) -> &str {
    let text = text.trim_start();
    text.get(..text.floor_char_boundary(QUOTE)).unwrap_or_default()
}
