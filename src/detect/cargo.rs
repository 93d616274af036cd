//! Rust: `cargo test`, `build`, `clippy` and `fmt`; cargo-nextest where `.config/nextest.toml` asks for it.
//!
//! clippy is told to fail on warnings: otherwise it proves nothing.

use toml::Table;

use super::command::Kind;
use super::line;
use super::site::Site;

const MANIFEST: &str = "Cargo.toml";

pub(super) fn look(site: &mut Site<'_>) -> bool {
    let Some(text) = site.read(MANIFEST) else { return false };
    let manifest = match parse(&text) {
        Ok(manifest) => manifest,
        Err(problem) => {
            site.remark(MANIFEST, &problem);
            return true;
        }
    };
    let (all, each) = if manifest.is_workspace { (" --workspace", " --all") } else { ("", "") };
    let from = (MANIFEST, manifest.line);
    let nextest = ".config/nextest.toml";
    if site.has(nextest) {
        site.add(Kind::Test, &format!("cargo nextest run{all}"), &["cargo", "cargo-nextest"], (nextest, 1));
    }
    site.add(Kind::Test, &format!("cargo test{all}"), &["cargo"], from);
    let clippy = format!("cargo clippy{all} --all-targets -- -D warnings");
    site.add(Kind::Lint, &clippy, &["cargo", "cargo-clippy"], from);
    site.add(Kind::Lint, &format!("cargo fmt{each} --check"), &["cargo", "cargo-fmt"], from);
    site.add(Kind::Build, &format!("cargo build{all}"), &["cargo"], from);
    true
}

struct Manifest {
    is_workspace: bool,
    line: u32,
}

fn parse(text: &str) -> Result<Manifest, String> {
    let table: Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    let is_workspace = table.get("workspace").is_some_and(toml::Value::is_table);
    if !is_workspace && !table.contains_key("package") {
        return Err("neither [package] nor [workspace]".to_owned());
    }
    let name = if is_workspace { "workspace" } else { "package" };
    Ok(Manifest { is_workspace, line: line::header(text, name).unwrap_or(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_known_by_its_table() {
        let found = parse("[package]\nname = 'a'\n\n[workspace]\nmembers = ['b']\n").unwrap();
        assert_eq!((found.is_workspace, found.line), (true, 4));
        let found = parse("# a\n[package]\nname = 'a'\n").unwrap();
        assert_eq!((found.is_workspace, found.line), (false, 2));
        let found = parse("[workspace.package]\nedition = '2024'\n").unwrap();
        assert_eq!((found.is_workspace, found.line), (true, 1));
    }

    #[test]
    fn what_is_no_manifest_says_why() {
        assert!(parse("[package").is_err());
        assert!(parse("[dependencies]\n").is_err_and(|problem| problem.contains("neither")));
    }
}
