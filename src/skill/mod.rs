//! Skills: the ones we bring, the ones of a project, which of them fits, and how an agent gets to see them.
//!
//! A skill is a directory with a SKILL.md whose front matter says what it is for. This room reads skills, scores them
//! against a question, looks whether a project has everything in place, and links skills into a user's directory. It
//! runs no program and writes nothing into a project. Invariant: a broken skill is shown with its problem and never
//! keeps the others from being seen; nothing but a symbolic link is ever replaced.

mod bundled;
mod catalogue;
mod doctor;
mod document;
mod link;
mod recommend;
mod tool;

pub use bundled::{Bundled, BundledFile, DEFAULTS, bundled};
pub use catalogue::{Catalogue, DIRECTORY, SkillError, Source};
pub use doctor::{Level, Place, Row, doctor_rows};
pub use document::Skill;
pub use link::{Link, LinkOutcome, link_all};
pub use recommend::{Recommendation, recommend};
pub use tool::{CLAUDE_MANIFESTS, GEMINI_EXTENSION, Manifest, Tool, user_skills};
