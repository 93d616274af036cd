//! Service files: a systemd user unit, a launchd property list.
//!
//! Pure text. Paths and names come from outside and are data: what has a meaning in the format is escaped, and what the
//! format cannot hold is refused. Invariant: each file says in one line that autodev wrote it, and for which project.

use super::text::push;

/// Begins the line by which a file of ours is known; the project's own mark follows.
pub const MARK: &str = "autodev-service";

/// What a service file is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service<'a> {
    /// By which the service manager knows it, without ending.
    pub name: &'a str,
    /// By which the file is known to be this project's; letters and digits.
    pub mark: &'a str,
    /// The project's name, for people.
    pub title: &'a str,
    /// The program. Absolute.
    pub program: &'a str,
    /// Its arguments.
    pub arguments: &'a [&'a str],
    /// Where it runs. Absolute.
    pub dir: &'a str,
    /// `PATH`, for agents and checks.
    pub path: &'a str,
    /// Where launchd puts what it prints; systemd has a journal.
    pub log: &'a str,
}

/// Seconds between the request to end and the kill. autodev gives an agent 3 s of grace and is done soon after; a
/// loaded machine and a slow disk are why it is more.
const STOP_SECONDS: u32 = 90;
/// Seconds between a crash and the next start.
const RESTART_SECONDS: u32 = 30;

/// Returns who wrote a service file: the mark of a project, when it was autodev.
pub fn owner(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| line.contains(MARK))?;
    line.split_once(MARK)?.1.split_whitespace().next()
}

/// Returns the systemd user unit.
///
/// # Errors
/// When a path holds what a unit cannot: control characters, or for the directory, a blank or backslash at its end.
pub fn systemd(service: &Service<'_>) -> Result<String, String> {
    let Service { name, mark, title, program, arguments, dir, path, .. } = service;
    for text in [program, dir, path].into_iter().chain(*arguments) {
        refuse_control(text, "a systemd unit")?;
    }
    if dir.ends_with([' ', '\\']) {
        return Err(format!("{dir:?} cannot stand in a systemd unit: it ends in a blank or a backslash"));
    }
    let title: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let title = title.trim_end_matches('\\').replace('%', "%%");
    let mut command = quoted(program);
    for argument in *arguments {
        // In arguments, and only there, a dollar begins a variable.
        push(&mut command, format_args!(" {}", quoted(argument).replace('$', "$$")));
    }
    let (dir, path) = (dir.replace('%', "%%"), quoted(&format!("PATH={path}")));
    Ok(format!(
        "\
# {MARK} {mark}
# Written by `autodev service install`, which also replaces it. Changes of your own belong into a drop-in:
#   systemctl --user edit {name}.service
[Unit]
Description=autodev: {title}
# What does not come up is not tried for ever.
StartLimitIntervalSec=10min
StartLimitBurst=5

[Service]
WorkingDirectory={dir}
ExecStart={command}
Environment={path}
Restart=on-failure
RestartSec={RESTART_SECONDS}
# 2: some task is blocked. 130: stopped. Both are orderly ends.
SuccessExitStatus=2 130
# autodev is asked to end and ends its agents itself; what is left when it is gone is killed.
KillMode=mixed
TimeoutStopSec={STOP_SECONDS}
# A check that needs too much memory fails alone.
OOMPolicy=continue

[Install]
WantedBy=default.target
"
    ))
}

fn refuse_control(text: &str, what: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err(format!("{text:?} cannot stand in {what}: it holds a control character"));
    }
    Ok(())
}

/// One word of a unit, whatever it holds.
fn quoted(text: &str) -> String {
    let mut word = String::with_capacity(text.len() + 2);
    word.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => word.extend(['\\', c]),
            '%' => word.push_str("%%"),
            c => word.push(c),
        }
    }
    word.push('"');
    word
}

/// Returns the launchd property list.
///
/// # Errors
/// When a text holds a control character, which XML cannot.
pub fn launchd(service: &Service<'_>) -> Result<String, String> {
    let Service { name, mark, program, arguments, dir, path, log, .. } = service;
    for text in [program, dir, path, log].into_iter().chain(*arguments) {
        refuse_control(text, "a property list")?;
    }
    let mut words = String::new();
    for word in [*program].iter().chain(*arguments) {
        push(&mut words, format_args!("\n\t\t<string>{}</string>", escaped(word)));
    }
    let [name, dir, path, log] = [name, dir, path, log].map(|text| escaped(text));
    Ok(format!(
        "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<!-- {MARK} {mark} -->
<plist version=\"1.0\">
<dict>
\t<key>Label</key>
\t<string>{name}</string>
\t<key>ProgramArguments</key>
\t<array>{words}
\t</array>
\t<key>WorkingDirectory</key>
\t<string>{dir}</string>
\t<key>EnvironmentVariables</key>
\t<dict>
\t\t<key>PATH</key>
\t\t<string>{path}</string>
\t</dict>
\t<key>RunAtLoad</key>
\t<true/>
\t<key>KeepAlive</key>
\t<dict>
\t\t<key>Crashed</key>
\t\t<true/>
\t</dict>
\t<key>ThrottleInterval</key>
\t<integer>{RESTART_SECONDS}</integer>
\t<key>ExitTimeOut</key>
\t<integer>{STOP_SECONDS}</integer>
\t<key>StandardOutPath</key>
\t<string>{log}</string>
\t<key>StandardErrorPath</key>
\t<string>{log}</string>
</dict>
</plist>
"
    ))
}

/// Text of an XML element. Characters that XML has none of (U+FFFE, U+FFFF) are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Returns a name for the service of a project: letters, digits, `.`, `_` and `-` of the project's own, at most 60.
pub fn name(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            name.push(c);
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    let name: String = name.trim_matches(['-', '.']).chars().take(60).collect();
    if name.is_empty() { "project".to_owned() } else { name.trim_end_matches(['-', '.']).to_owned() }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Service<'_> = Service {
        name: "autodev-demo",
        mark: "0123456789ab",
        title: "Demo App",
        program: "/usr/local/bin/autodev",
        arguments: &["-c", "/home/me/demo/autodev.toml", "run"],
        dir: "/home/me/demo",
        path: "/usr/local/bin:/usr/bin:/bin",
        log: "/home/me/demo/logs/service.log",
    };

    #[test]
    fn a_unit_runs_the_program_in_the_project() {
        let unit = systemd(&PLAIN).unwrap();
        for line in [
            "Description=autodev: Demo App",
            "WorkingDirectory=/home/me/demo",
            "ExecStart=\"/usr/local/bin/autodev\" \"-c\" \"/home/me/demo/autodev.toml\" \"run\"",
            "Environment=\"PATH=/usr/local/bin:/usr/bin:/bin\"",
            "KillMode=mixed",
            "WantedBy=default.target",
        ] {
            assert!(unit.lines().any(|l| l == line), "{line}\n{unit}");
        }
        assert_eq!(owner(&unit), Some("0123456789ab"));
        assert_eq!(owner(&launchd(&PLAIN).unwrap()), Some("0123456789ab"));
        assert_eq!(owner("[Unit]\nDescription=something else\n"), None);
    }

    #[test]
    fn what_has_a_meaning_in_a_unit_is_escaped() {
        let odd = Service {
            title: "50 % $HOME\nExecStartPre=/bin/rm \\",
            program: "/opt/a b/$x%h\"q\\auto",
            arguments: &["-c", "/p %h/$HOME/${X}/\"q\\.toml", "run"],
            dir: "/p %h/$HOME/\"q",
            path: "/a b:/%u:/\"q",
            ..PLAIN
        };
        let unit = systemd(&odd).unwrap();
        for line in [
            "Description=autodev: 50 %% $HOME ExecStartPre=/bin/rm ",
            "WorkingDirectory=/p %%h/$HOME/\"q",
            r#"ExecStart="/opt/a b/$x%%h\"q\\auto" "-c" "/p %%h/$$HOME/$${X}/\"q\\.toml" "run""#,
            r#"Environment="PATH=/a b:/%%u:/\"q""#,
        ] {
            assert!(unit.lines().any(|l| l == line), "{line}\n{unit}");
        }
    }

    #[test]
    fn what_a_file_cannot_hold_is_refused() {
        for dir in ["/a\nb", "/a\u{7}", "/ends in \\", "/ends in "] {
            assert!(systemd(&Service { dir, ..PLAIN }).is_err(), "{dir:?}");
        }
        assert!(systemd(&Service { program: "/a\tb", ..PLAIN }).is_err());
        assert!(launchd(&Service { log: "/a\u{1}", ..PLAIN }).unwrap_err().contains("control character"));
    }

    #[test]
    fn a_name_is_made_of_plain_characters() {
        for (title, wanted) in [
            ("Demo App", "Demo-App"),
            ("a//b  c", "a-b-c"),
            ("--x--", "x"),
            ("日本語", "project"),
            ("", "project"),
            ("../..", "project"),
            ("v1.2_final", "v1.2_final"),
        ] {
            assert_eq!(name(title), wanted);
        }
        assert_eq!(name(&"x".repeat(100)).len(), 60);
    }

    proptest! {
        #[test]
        fn no_text_adds_a_line_or_an_element(title in any::<String>(), text in "[^\\p{C}]{0,40}") {
            let text = format!("/{text}");
            let service = Service { title: &title, program: &text, dir: "/p", path: &text, log: &text, arguments: &[&text], ..PLAIN };
            let plain = systemd(&PLAIN).unwrap();
            let unit = systemd(&service).unwrap();
            prop_assert_eq!(unit.lines().count(), plain.lines().count(), "{}", unit);
            let list = launchd(&service).unwrap();
            let count = |text: &str, what: char| text.matches(what).count();
            let same = launchd(&Service { arguments: &["x"], ..PLAIN }).unwrap();
            prop_assert_eq!((count(&list, '<'), count(&list, '>')), (count(&same, '<'), count(&same, '>')));
        }
    }
}
