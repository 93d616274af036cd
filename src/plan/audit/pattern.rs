//! Path patterns that can prove nothing, or can never match.
//!
//! A hint is compared with whole components of a pattern and with the end of its last one, never with parts of words:
//! `layout/*` and `router.py` are no build output. A directory name deeper in a path counts only when the pattern does
//! not end in a file name of its own: `src/logs/reader.py` is source code.

/// Directories that builds and runs fill.
const DIRECTORIES: [&str; 6] = ["logs", "attempts", "build", "dist", "out", "cmake-build"];
/// Files that autodev writes.
const FILES: [&str; 5] = ["autodev.log", "dashboard.html", "runtime-status.json", "task.json", "progress.txt"];
/// Endings of compiled files.
const ENDINGS: [&str; 7] = [".o", ".obj", ".so", ".a", ".dll", ".dylib", ".pdb"];

/// Returns what is wrong with a task's patterns as a whole.
pub(super) fn problem(patterns: &[String], has_commands: bool) -> Option<&'static str> {
    if patterns.is_empty() {
        return None;
    }
    if !has_commands && patterns.iter().all(|pattern| is_artifact(pattern)) {
        return Some(
            "every pattern names build output or logs, which prove nothing; name source files, or add a command",
        );
    }
    let can_match = |pattern: &String| !["./", "../"].iter().any(|start| pattern.starts_with(start));
    if !patterns.iter().any(can_match) {
        return Some("no pattern can match: paths are relative to the project and have no `./` or `../` in front");
    }
    None
}

/// Whether a pattern names what a build or a run leaves behind.
fn is_artifact(pattern: &str) -> bool {
    let pattern = pattern.trim().to_lowercase();
    let mut components: Vec<&str> = pattern.split('/').filter(|part| !matches!(*part, "" | "." | "*" | "**")).collect();
    let ends_open = pattern.ends_with(['/', '*']) && !components.last().is_some_and(|last| pattern.ends_with(last));
    let last = if ends_open { "" } else { components.pop().unwrap_or_default() };
    if FILES.contains(&last) || has_ending(last) || is_directory(last) {
        return true;
    }
    let is_file = last.trim_start_matches('.').contains('.');
    let first = components.first().is_some_and(|first| is_directory(first));
    first || !is_file && components.iter().any(|component| is_directory(component))
}

fn is_directory(component: &str) -> bool {
    DIRECTORIES.contains(&component) || component.starts_with("cmake-build-")
}

fn has_ending(file: &str) -> bool {
    // `libx.so.1` and `libx.so.*` are the library too.
    ENDINGS.iter().any(|ending| file.ends_with(ending)) || file.contains(".so.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_output_is_told_from_source_code() {
        for pattern in [
            "logs/*",
            "build/**",
            "*.o",
            "**/*.OBJ",
            "dist/bundle.js",
            "./out/x",
            "*/build/*",
            "src/build/**",
            "a/logs/",
            "build",
            "*/dist",
            "cmake-build-debug/*",
            "lib/*.so.1",
            "libx.a",
            "task.json",
            "sub/progress.txt",
            "logs/attempts/*.log",
            "**/logs/*",
            "LOGS/*",
            "x.pdb",
            "src/out/*",
        ] {
            assert!(is_artifact(pattern), "{pattern}");
        }
        for pattern in [
            "src/router.py",
            "page.aspx",
            "layout/*",
            "src/*",
            "*",
            "**",
            "src/logs/reader.py",
            "lib/build/main.c",
            "build.rs",
            "about/*",
            "src/output/*",
            "outline.md",
            "docs/build-guide.md",
            "blog/*",
            "distance.c",
            "my_task.json",
            "a.out.md",
            "src/**/*.ts",
            "",
            "x.abc",
            "catalogs/*",
            "src/build*.py",
        ] {
            assert!(!is_artifact(pattern), "{pattern}");
        }
    }

    #[test]
    fn only_hopeless_lists_are_refused() {
        let patterns = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(problem(&patterns(&["build/*", "src/*"]), false).is_none());
        assert!(problem(&patterns(&["build/*", "*.o"]), false).is_some());
        assert!(problem(&patterns(&["build/*", "*.o"]), true).is_none());
        assert!(problem(&patterns(&["./src/*", "../x"]), true).is_some());
        assert!(problem(&patterns(&["./src/*", "/src/*"]), false).is_none());
        assert!(problem(&[], false).is_none());
    }
}
