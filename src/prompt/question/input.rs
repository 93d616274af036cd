//! What goes into the questions.

/// For a specification.
#[derive(Clone, Copy, Debug)]
pub struct SpecInput<'a> {
    /// `[project].name`.
    pub project_name: &'a str,
    /// What the user wants, any length.
    pub intent: &'a str,
    /// The feature's name for the first heading; empty leaves it to the agent.
    pub feature_hint: &'a str,
    /// What is known about the project, one line each: languages, how it is built and tested.
    pub hints: &'a [String],
}

/// For a plan.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// `[project].name`.
    pub project_name: &'a str,
    /// What to plan, any length.
    pub text: &'a str,
    /// Whether the text is a COCA specification.
    pub is_coca: bool,
    /// Where the text, or what it was made from, comes from.
    pub source_doc: Option<&'a str>,
    /// The file that holds the specification, for the tasks' `docs`.
    pub spec_doc: Option<&'a str>,
    /// Commands for building, testing and checking that were found, Markdown; may be empty.
    pub checks_hint: &'a str,
    /// Where things are, one line each; may be empty.
    pub path_hints: &'a [String],
    /// Ids and titles that are taken, when tasks are added to a queue.
    pub existing: &'a [(String, String)],
    /// The form of the answer as JSON text.
    pub example: &'a str,
}

/// For what remains after an epoch.
#[derive(Clone, Copy, Debug)]
pub struct ReplanInput<'a> {
    /// `[project].name`.
    pub project_name: &'a str,
    /// What the first plan was made from.
    pub planning_text: &'a str,
    /// Where that, or what it was made from, comes from.
    pub source_doc: Option<&'a str>,
    /// The file that holds the specification.
    pub spec_doc: Option<&'a str>,
    /// The epoch that has ended, from 1.
    pub epoch: u32,
    /// `id: title` each.
    pub completed: &'a [String],
    /// `id: title`, and why.
    pub blocked: &'a [(String, String)],
    /// `id: title` each.
    pub pending: &'a [String],
    /// Summaries of the learning journal, newest last; the last 12 are shown.
    pub journal: &'a [String],
    /// Titles that a first answer repeated; empty at first.
    pub repeated: &'a [String],
    /// Commands for building, testing and checking that were found, Markdown; may be empty.
    pub checks_hint: &'a str,
    /// Where things are, one line each; may be empty.
    pub path_hints: &'a [String],
    /// The form of the answer as JSON text.
    pub example: &'a str,
}

/// For a reflection. Output of programs is cleaned and its end is shown.
#[derive(Clone, Copy, Debug)]
pub struct ReflectInput<'a> {
    /// The task as JSON text.
    pub task_json: &'a str,
    /// From 1.
    pub attempt: u32,
    /// How many there may be.
    pub max_attempts: u32,
    /// Of the agent; 99 when it ended well and the checks failed.
    pub exit_code: i32,
    /// What will be checked, from [`super::super::contract_lines`].
    pub contract: &'a [String],
    /// What the task has changed; 40 are shown.
    pub changed_files: &'a [String],
    /// One line per failed check.
    pub gate_errors: &'a [String],
    /// Name and output of failed checks, 6 000 characters together.
    pub check_output_tails: &'a [(String, String)],
    /// The end of the attempt's log, 10 000 characters.
    pub log_tail: &'a str,
}

/// For a second answer.
#[derive(Clone, Copy, Debug)]
pub struct RepairInput<'a> {
    /// What is wrong with the first answer, one line each.
    pub problems: &'a [String],
    /// The first answer; its first 2 000 characters are shown.
    pub first_reply_head: &'a str,
}
