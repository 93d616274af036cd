//! The skills inside the program, as they are in `skills/` of its source.
//!
//! The list names every file; a test compares it with the directory, also for what is executable.

/// The skills that every project gets, in the order in which they are told of.
pub const DEFAULTS: [&str; 5] = ["autodev-runtime", "coca-spec", "spec-driven-develop", "find-skills", "skill-creator"];

/// A skill inside the program.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// Name, which is also its directory.
    pub name: &'static str,
    /// Its files; SKILL.md is the first.
    pub files: &'static [BundledFile],
}

/// A file of a skill.
#[derive(Clone, Copy, Debug)]
pub struct BundledFile {
    /// Path inside the skill's directory, with `/`.
    pub path: &'static str,
    /// Content.
    pub content: &'static [u8],
    /// Whether it is to be run.
    pub is_executable: bool,
}

/// Returns the skills inside the program, in the order of [`DEFAULTS`].
pub fn bundled() -> &'static [Bundled] {
    ALL
}

macro_rules! file {
    ($skill:literal, $path:literal, $is_executable:expr) => {
        BundledFile {
            path: $path,
            content: include_bytes!(concat!("../../skills/", $skill, "/", $path)),
            is_executable: $is_executable,
        }
    };
}

const ALL: &[Bundled] = &[
    Bundled {
        name: "autodev-runtime",
        files: &[
            file!("autodev-runtime", "SKILL.md", false),
            file!("autodev-runtime", "references/mcp-essentials.md", false),
            file!("autodev-runtime", "references/skills-main-integration.md", false),
            file!("autodev-runtime", "references/task-lifecycle.md", false),
        ],
    },
    Bundled { name: "coca-spec", files: &[file!("coca-spec", "SKILL.md", false)] },
    Bundled {
        name: "spec-driven-develop",
        files: &[
            file!("spec-driven-develop", "SKILL.md", false),
            file!("spec-driven-develop", "references/doc-templates.md", false),
        ],
    },
    Bundled {
        name: "find-skills",
        files: &[file!("find-skills", "SKILL.md", false), file!("find-skills", "scripts/install-skill.sh", true)],
    },
    Bundled {
        name: "skill-creator",
        files: &[
            file!("skill-creator", "SKILL.md", false),
            file!("skill-creator", "references/writing-guide.md", false),
            file!("skill-creator", "scripts/check-skill.sh", true),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use pretty_assertions::assert_eq;

    use super::*;
    use crate::skill::Skill;

    fn walk(dir: &Path, below: &Path, found: &mut BTreeMap<String, (Vec<u8>, bool)>) {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, below, found);
                continue;
            }
            let is_executable = entry.metadata().unwrap().permissions().mode() & 0o111 != 0;
            let name = path.strip_prefix(below).unwrap().to_str().unwrap().to_owned();
            found.insert(name, (fs::read(&path).unwrap(), is_executable));
        }
    }

    #[test]
    fn the_list_is_the_directory() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills");
        let mut found = BTreeMap::new();
        walk(&root, &root, &mut found);
        let mut listed = BTreeMap::new();
        for skill in bundled() {
            for file in skill.files {
                let known =
                    listed.insert(format!("{}/{}", skill.name, file.path), (file.content.to_vec(), file.is_executable));
                assert!(known.is_none(), "{}/{} is there twice", skill.name, file.path);
            }
        }
        assert_eq!(listed.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
        for (path, (content, is_executable)) in &found {
            assert_eq!(listed[path].1, *is_executable, "{path}");
            assert!(listed[path].0 == *content, "{path} is not what was built in");
        }
    }

    #[test]
    fn the_defaults_are_what_is_bundled_and_each_keeps_the_convention() {
        assert_eq!(bundled().iter().map(|skill| skill.name).collect::<Vec<_>>(), DEFAULTS);
        for one in bundled() {
            assert_eq!(one.files[0].path, "SKILL.md");
            let skill = Skill::read(one.name, one.files[0].content);
            assert_eq!((skill.name.as_str(), skill.problems.as_slice()), (one.name, &[] as &[String]));
            assert!(skill.description.contains("Use it"), "{}: says when", one.name);
            assert!(skill.category.is_some() && skill.triggers.len() > 2, "{}", one.name);
            for file in one.files {
                let text = std::str::from_utf8(file.content).unwrap();
                assert!(text.ends_with('\n') && !text.contains('\t') && !text.contains('\r'), "{}", file.path);
                assert!(text.lines().count() <= 200, "{}: an agent pays for it", file.path);
                assert_eq!(file.is_executable, text.starts_with("#!"), "{}", file.path);
            }
        }
    }
}
