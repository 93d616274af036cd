//! Node.js: the scripts of package.json, with the package manager that the project uses.
//!
//! In a workspace whose root has no such script the members' scripts are used: with one command where the package
//! manager passes over members that lack the script, else one by one in their directories.

use globset::GlobBuilder;

use super::command::Kind;
use super::npm_package::{self, Package, PackageManager, Script};
use super::site::Site;

const MANIFEST: &str = "package.json";

/// Members of a workspace that are looked at.
const MEMBERS: usize = 200;

pub(super) fn look(site: &mut Site<'_>) -> bool {
    let Some(text) = site.read(MANIFEST) else { return false };
    let Some(package) = parsed(site, MANIFEST, &text) else { return true };
    let manager = manager(site, &package);
    for remark in &package.remarks {
        site.remark(MANIFEST, remark);
    }
    if package.has_dependencies && !site.names(".").iter().any(|name| name == "node_modules" || name == ".pnp.cjs") {
        let remark =
            format!("node_modules does not exist: run `{} install` before any of its scripts", manager.program());
        site.remark(MANIFEST, &remark);
    }
    for script in &package.scripts {
        site.add(script.kind, &manager.command(script), &[manager.program()], (MANIFEST, script.line));
    }
    let patterns = patterns(site, &package);
    let members = members(site, &patterns);
    for kind in [Kind::Test, Kind::Lint, Kind::Build] {
        if !package.scripts.iter().any(|script| script.kind == kind) {
            add_members(site, manager, kind, &members);
        }
    }
    true
}

fn parsed(site: &mut Site<'_>, name: &str, text: &str) -> Option<Package> {
    npm_package::parse(text).map_err(|problem| site.remark(name, &problem)).ok()
}

fn manager(site: &mut Site<'_>, package: &Package) -> PackageManager {
    if let Some(manager) = package.manager {
        return manager;
    }
    let found = PackageManager::LOCK_FILES.into_iter().filter(|(file, _)| site.has(file));
    let locks: Vec<(&str, PackageManager)> = found.collect();
    let Some((file, manager)) = locks.first().copied() else { return PackageManager::Npm };
    if let Some((other, _)) = locks.iter().find(|(_, other)| *other != manager) {
        site.remark(
            file,
            &format!("{other} is there too and no packageManager is named; {} is used", manager.program()),
        );
    }
    manager
}

fn patterns(site: &mut Site<'_>, package: &Package) -> Vec<String> {
    let name = "pnpm-workspace.yaml";
    let Some(text) = site.read(name) else { return package.workspaces.clone() };
    npm_package::pnpm_workspaces(&text).unwrap_or_else(|problem| {
        site.remark(name, &problem);
        Vec::new()
    })
}

/// A member of a workspace: its directory, and what its package.json says.
type Member = (String, Package);

/// The members that the patterns name, sorted. `*` stands for one directory, and so does `**`.
fn members(site: &mut Site<'_>, patterns: &[String]) -> Vec<Member> {
    let (excluded, included): (Vec<&str>, Vec<&str>) =
        patterns.iter().map(String::as_str).partition(|pattern| pattern.starts_with('!'));
    let mut directories: Vec<String> = included.iter().flat_map(|pattern| expand(site, pattern)).collect();
    directories.sort();
    directories.dedup();
    let is_excluded =
        |directory: &String| excluded.iter().any(|pattern| matches(pattern.trim_start_matches('!'), directory));
    directories.retain(|directory| !is_excluded(directory));
    if directories.len() > MEMBERS {
        site.remark(MANIFEST, &format!("only the first {MEMBERS} members of the workspace were looked at"));
        directories.truncate(MEMBERS);
    }
    let mut members = Vec::new();
    for directory in directories {
        let manifest = format!("{directory}/{MANIFEST}");
        let Some(text) = site.read(&manifest) else { continue };
        if let Some(package) = parsed(site, &manifest, &text) {
            members.push((directory, package));
        }
    }
    members
}

/// The directories that a pattern means.
fn expand(site: &Site<'_>, pattern: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for part in pattern.trim_start_matches("./").split('/').filter(|part| !part.is_empty()) {
        let is_literal = !part.contains(['*', '?', '[', '{']);
        let mut next = Vec::new();
        for parent in &found {
            let names = if is_literal { vec![part.to_owned()] } else { site.names(or_here(parent)) };
            for name in names {
                let is_meant = is_literal || !name.starts_with('.') && name != "node_modules" && matches(part, &name);
                let path = if parent.is_empty() { name } else { format!("{parent}/{name}") };
                if is_meant && site.has_dir(&path) {
                    next.push(path);
                }
            }
        }
        next.truncate(MEMBERS + 1);
        found = next;
    }
    found.retain(|path| !path.is_empty());
    found
}

fn or_here(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

fn matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
    GlobBuilder::new(pattern).literal_separator(true).build().is_ok_and(|glob| glob.compile_matcher().is_match(text))
}

/// Adds the scripts of one kind that the members have.
fn add_members(site: &mut Site<'_>, manager: PackageManager, kind: Kind, members: &[Member]) {
    let of_kind = |member: &&Member| -> Option<(String, Script)> {
        let script = member.1.scripts.iter().find(|script| script.kind == kind)?;
        Some((member.0.clone(), script.clone()))
    };
    let scripts: Vec<(String, Script)> = members.iter().filter_map(|member| of_kind(&member)).collect();
    let Some((directory, first)) = scripts.first() else { return };
    let program = manager.program();
    let is_uniform = scripts.iter().all(|(_, script)| script.name == first.name && script.option.is_none());
    // A placeholder is a script too, and fails.
    let is_clean = kind != Kind::Test || !members.iter().any(|(_, package)| package.has_placeholder);
    let together = match manager {
        PackageManager::Npm => Some(format!("npm run {} --workspaces --if-present", first.name)),
        PackageManager::Pnpm => Some(format!("pnpm --recursive run {}", first.name)),
        PackageManager::Yarn | PackageManager::Bun => None,
    };
    if let Some(run) = together.filter(|_| is_uniform && is_clean) {
        site.add(kind, &run, &[program], (&format!("{directory}/{MANIFEST}"), first.line));
        return;
    }
    for (directory, script) in &scripts {
        let from = (format!("{directory}/{MANIFEST}"), script.line);
        site.add_in(directory, script.kind, &manager.command(script), &[program], (&from.0, from.1));
    }
}
