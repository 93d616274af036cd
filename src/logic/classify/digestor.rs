//! Folds what an agent says into the few facts that matter afterwards.
//!
//! Keeps bounded text only, however much is said. Invariant: order matters only through "the last one".

use crate::model::{AgentError, Final, Said, Usage};

/// How many characters of a message are kept for reports.
const MESSAGE_CHARS: usize = 2_000;
/// How much spoken text is kept at least: more than any plan, 4 MiB. At most twice as much is held.
const SPOKEN_BYTES: usize = 4 << 20;
/// How many errors are kept; only the last one decides.
const ERRORS: usize = 8;

/// What is left of an agent's output.
#[derive(Clone, Debug, Default)]
pub struct Digestor {
    /// The last final event.
    pub last_final: Option<Final>,
    /// The last few errors, oldest first.
    pub errors: Vec<AgentError>,
    /// The error for which the agent is waiting and trying again; gone as soon as it goes on.
    pub waiting: Option<AgentError>,
    /// Whether any typed event was seen. Text and remarks are none.
    pub saw_events: bool,
    /// The agent's session id, empty when it did not name one.
    pub session: String,
    /// The model it named, empty when it did not.
    pub model: String,
    /// Tokens and money so far.
    pub usage: Usage,
    /// How often the agent waited and tried again.
    pub retries: u32,
    spoken: String,
    last: String,
    is_open: bool,
}

impl Digestor {
    /// Adds the next thing said.
    pub fn add(&mut self, said: &Said) {
        self.saw_events |= !matches!(said, Said::Text { .. } | Said::Notice { .. });
        match said {
            Said::Session { id, model } => {
                self.session.clone_from(id);
                self.model.clone_from(model);
            }
            Said::Text { text, partial } => self.speak(text, *partial),
            Said::Usage { usage, is_total: true } => self.usage = *usage,
            Said::Usage { usage, is_total: false } => self.usage = self.usage.plus(*usage),
            Said::Retry { error, .. } => {
                self.retries = self.retries.saturating_add(1);
                self.waiting = Some(error.clone());
            }
            Said::Error(error) => {
                if self.errors.len() == ERRORS {
                    self.errors.remove(0);
                }
                self.errors.push(error.clone());
            }
            Said::Final(last) => {
                self.waiting = None;
                self.last_final = Some(last.clone());
            }
            Said::Thinking { .. } | Said::ToolStarted { .. } | Said::ToolEnded { .. } => self.waiting = None,
            Said::Notice { .. } => {}
        }
    }

    /// Returns the agent's last message for reports, shortened to 2 000 characters.
    /// For a program without typed events: the end of what it printed.
    pub fn message(&self) -> String {
        match &self.last_final {
            Some(last) if !last.message.trim().is_empty() => shortened(&last.message),
            _ if self.saw_events => shortened(&self.last),
            _ => tail(self.spoken.trim_end(), MESSAGE_CHARS).to_owned(),
        }
    }

    /// Returns the answer to a one-shot prompt: the final message, else the last message; for a program without
    /// typed events all it printed. Never shortened below 4 MiB.
    pub fn reply(&self) -> &str {
        match &self.last_final {
            Some(last) if last.is_ok && !last.message.trim().is_empty() => &last.message,
            _ if self.saw_events && !self.last.trim().is_empty() => &self.last,
            _ => &self.spoken,
        }
    }

    /// Returns all text said, messages on lines of their own; of more than 4 MiB the end.
    pub fn spoken(&self) -> &str {
        &self.spoken
    }

    fn speak(&mut self, text: &str, partial: bool) {
        self.waiting = None;
        if !self.is_open {
            self.last.clear();
        }
        self.last.push_str(text);
        self.spoken.push_str(text);
        self.is_open = partial;
        if !partial {
            self.spoken.push('\n');
        }
        bound(&mut self.last);
        bound(&mut self.spoken);
    }
}

fn bound(text: &mut String) {
    if text.len() > 2 * SPOKEN_BYTES {
        let cut = text.ceil_char_boundary(text.len() - SPOKEN_BYTES);
        text.drain(..cut);
    }
}

/// Returns the start of a text, at most 2 000 characters.
pub(super) fn shortened(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn tail(text: &str, chars: usize) -> &str {
    let start = text.char_indices().rev().nth(chars.saturating_sub(1)).map_or(0, |(start, _)| start);
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, partial: bool) -> Said {
        Said::Text { text: text.into(), partial }
    }

    #[test]
    fn pieces_of_a_message_are_joined() {
        let mut digest = Digestor::default();
        for said in [text("one", false), text("tw", true), text("o", false)] {
            digest.add(&said);
        }
        assert_eq!(digest.spoken(), "one\ntwo\n");
        assert_eq!(digest.reply(), "one\ntwo\n", "without typed events all of it is the answer");
        digest.add(&Said::Session { id: "s".into(), model: String::new() });
        assert_eq!(digest.reply(), "two");
        digest.add(&Said::Final(Final { is_ok: true, message: "done".into(), error: None }));
        assert_eq!(digest.reply(), "done");
        assert_eq!(digest.message(), "done");
    }

    #[test]
    fn a_total_replaces_the_usage_and_a_part_adds_to_it() {
        let usage = |input| Usage { input, ..Usage::default() };
        let mut digest = Digestor::default();
        digest.add(&Said::Usage { usage: usage(3), is_total: false });
        digest.add(&Said::Usage { usage: usage(4), is_total: false });
        assert_eq!(digest.usage.input, 7);
        digest.add(&Said::Usage { usage: usage(5), is_total: true });
        assert_eq!(digest.usage.input, 5);
    }

    #[test]
    fn memory_stays_bounded_however_much_is_said() {
        let mut digest = Digestor::default();
        let line = "ä".repeat(40_000);
        for _ in 0..300 {
            digest.add(&text(&line, true));
            digest.add(&Said::Error(AgentError {
                class: crate::model::ErrorClass::Other,
                message: "x".into(),
                until: None,
            }));
        }
        assert!(digest.spoken().len() <= 2 * SPOKEN_BYTES && digest.spoken().len() >= SPOKEN_BYTES - 80_000);
        assert_eq!(digest.errors.len(), ERRORS);
        assert!(digest.message().chars().count() <= MESSAGE_CHARS + 1);
    }

    #[test]
    fn the_message_of_a_plain_program_is_the_end_of_its_output() {
        let mut digest = Digestor::default();
        digest.add(&text(&"a".repeat(5_000), false));
        digest.add(&text("the end", false));
        let message = digest.message();
        assert_eq!(message.chars().count(), MESSAGE_CHARS);
        assert!(message.ends_with("a\nthe end"));
    }
}
