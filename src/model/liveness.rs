//! What an agent at work is doing, as far as it can be seen from outside.

use serde::{Deserialize, Serialize};

/// What an agent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// It prints, computes, reads and writes, or changes files.
    Working,
    /// Nothing is seen of it, and nothing is under way that it could wait for but the model.
    Thinking,
    /// Nothing is seen of it, and a tool of it or a program that it started has not ended.
    WaitingForTool,
    /// It waits for somebody who is not there: an answer, or to be continued.
    WaitingForPerson,
    /// The model service refused, and the agent said when it will try again.
    Limited,
    /// It has shown no sign of life for too long and is ended.
    Hung,
}

impl Liveness {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Working, Self::Thinking, Self::WaitingForTool, Self::WaitingForPerson, Self::Limited, Self::Hung];

    /// Returns the word used in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Thinking => "thinking",
            Self::WaitingForTool => "waiting_for_tool",
            Self::WaitingForPerson => "waiting_for_person",
            Self::Limited => "limited",
            Self::Hung => "hung",
        }
    }

    /// Returns the words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Thinking => "thinking",
            Self::WaitingForTool => "waiting for a tool",
            Self::WaitingForPerson => "waiting for a person",
            Self::Limited => "waiting for a limit",
            Self::Hung => "hung",
        }
    }
}

/// What an agent is doing, and by what that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vital {
    /// The state.
    pub state: Liveness,
    /// One line: the signals that say so.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_files() {
        for state in Liveness::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
