//! What the configuration calls things, as far as views mention them.

/// Names and paths that views print. Paths are shown as given; nothing is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Shown as long as the state does not know the project.
    pub project: String,
    /// Shown as long as no run has named its backend.
    pub backend: String,
    /// task.json.
    pub task_file: String,
    /// AGENT.md.
    pub guide: String,
    /// progress.txt.
    pub progress: String,
    /// dashboard.html.
    pub dashboard: String,
    /// How many changed files a log names before it only counts them.
    pub changed_files_preview: usize,
}

impl Default for Names {
    /// The default file names, no project, and the built-in preview limit of 20.
    fn default() -> Self {
        Self {
            project: String::new(),
            backend: String::new(),
            task_file: "task.json".to_owned(),
            guide: "AGENT.md".to_owned(),
            progress: "progress.txt".to_owned(),
            dashboard: "logs/dashboard.html".to_owned(),
            changed_files_preview: 20,
        }
    }
}
