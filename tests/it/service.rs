//! Service files: written once, never over something else, and such that a service manager takes them.

use std::path::PathBuf;

use crate::harness::{Project, has_tool};

const UNIT: &str = ".config/systemd/user/autodev-Demo.service";

fn home(project: &Project) -> PathBuf {
    project.dir().parent().unwrap().join("home")
}

/// A project beside service managers that write down what they are asked, and answer as told.
fn project(systemctl: &str, loginctl: &str) -> Project {
    let project = Project::new();
    let log = format!("echo \"$(basename $0) $*\" >> '{}'", project.out("asked").display());
    for (name, answer) in [("systemctl", systemctl), ("loginctl", loginctl), ("launchctl", "exit 0")] {
        project.program(name, &format!("#!/bin/sh\n{log}\n{answer}\n"));
    }
    project
}

fn asked(project: &Project) -> Vec<String> {
    project.left("asked").lines().map(str::to_owned).collect()
}

#[test]
fn a_service_is_installed_once_started_and_removed() {
    let project = project("[ $2 != is-active ] || echo active; [ $2 != is-enabled ] || echo enabled", "echo no");
    let unit = home(&project).join(UNIT);
    let done = project.expect(&["service", "install"], 0);
    for line in [
        &format!("Wrote {}", unit.display()) as &str,
        "Done: systemctl --user daemon-reload",
        "Done: systemctl --user enable --now autodev-Demo.service",
        "Left to do: loginctl enable-linger",
    ] {
        assert!(done.out.lines().any(|l| l == line), "{line}\n{}", done.out);
    }
    let text = std::fs::read_to_string(&unit).unwrap();
    let autodev = env!("CARGO_BIN_EXE_autodev");
    let config = project.path("autodev.toml");
    let command = format!("ExecStart=\"{autodev}\" \"-c\" \"{}\" \"run\"", config.display());
    assert!(text.lines().any(|line| line == command), "{command}\n{text}");
    assert!(text.contains(&format!("WorkingDirectory={}\n", project.dir().display())), "{text}");
    assert!(
        text.contains(&format!("Environment=\"PATH={}/bin:", home(&project).parent().unwrap().display())),
        "{text}"
    );
    assert_eq!(project.expect(&["service", "install", "--print"], 0).out, text, "--print shows what is written");

    let status = project.output_json(&["service", "status", "--json"], 0);
    assert_eq!(status["found"], "current");
    assert_eq!(
        (&status["state"], &status["enabled"], &status["lingers"]),
        (&"active".into(), &true.into(), &false.into())
    );
    let page = project.expect(&["service", "status"], 0).out;
    assert!(page.contains("installed and up to date\nState: active\nStarts by itself: yes\n"), "{page}");

    let again = project.output_json(&["service", "install", "--json"], 0);
    assert_eq!((&again["changed"], &again["file"]), (&false.into(), &unit.to_str().unwrap().into()));
    // Another name of the project is another unit; another PATH renews it.
    project.write("autodev.toml", &project.read("autodev.toml").replace("Demo", "Demo 2"));
    let done = project.expect(&["service", "install", "--no-start", "--name", "Demo"], 0);
    assert!(done.out.contains("systemctl --user restart autodev-Demo.service"), "{}", done.out);
    let status = project.output_json(&["service", "status", "--json", "--name", "Demo"], 0);
    assert_eq!(status["found"], "current");
    assert!(std::fs::read_to_string(&unit).unwrap().contains("Description=autodev: Demo 2\n"));

    std::fs::remove_file(project.out("asked")).unwrap();
    let done = project.expect(&["service", "uninstall", "--name", "Demo"], 0);
    assert!(done.out.starts_with(&format!("Removed {}\n", unit.display())) && !unit.exists(), "{}", done.out);
    let calls = ["systemctl --user disable --now autodev-Demo.service", "systemctl --user daemon-reload"];
    assert_eq!(asked(&project), calls);
    let done = project.expect(&["service", "uninstall", "--name", "Demo"], 0);
    assert!(done.out.starts_with("Not installed: "), "{}", done.out);
    assert_eq!(project.output_json(&["service", "status", "--json"], 0)["found"], "nothing");
}

#[test]
fn a_file_that_autodev_did_not_write_is_left_alone() {
    let project = project("exit 0", "echo yes");
    let unit = home(&project).join(UNIT);
    std::fs::create_dir_all(unit.parent().unwrap()).unwrap();
    let refused = |args: &[&str], why: &str| {
        let before = std::fs::read_link(&unit).map(|path| path.to_string_lossy().into_owned().into_bytes());
        let before = before.or_else(|_| std::fs::read(&unit)).unwrap();
        let done = project.expect(args, 1);
        assert!(done.err.contains(why) && done.err.contains("--name"), "{}", done.err);
        let after = std::fs::read_link(&unit).map(|path| path.to_string_lossy().into_owned().into_bytes());
        assert_eq!(after.or_else(|_| std::fs::read(&unit)).unwrap(), before);
    };
    std::fs::write(&unit, "[Service]\nExecStart=/bin/mine\n").unwrap();
    for command in ["install", "uninstall"] {
        refused(&["service", command], "was not written by autodev");
    }
    assert_eq!(project.output_json(&["service", "status", "--json"], 0)["found"], "foreign");
    // Masked by the user.
    std::fs::remove_file(&unit).unwrap();
    std::os::unix::fs::symlink("/dev/null", &unit).unwrap();
    refused(&["service", "install"], "was not written by autodev");
    std::fs::remove_file(&unit).unwrap();
    // Of another project of the same name.
    std::fs::write(&unit, "# autodev-service 000000000000\n[Service]\n").unwrap();
    for command in ["install", "uninstall"] {
        refused(&["service", command], "is the service of another project");
    }
    project.expect(&["service", "install", "--name", "demo of mine"], 0);
    assert!(home(&project).join(".config/systemd/user/autodev-demo-of-mine.service").is_file());
}

#[test]
fn without_a_manager_the_file_is_written_and_the_steps_are_told() {
    let project = project("echo 'Failed to connect to bus: No medium found' >&2; exit 1", "exit 1");
    let done = project.expect(&["service", "install"], 0);
    let steps = "Left to do: systemctl --user daemon-reload\n    (it failed: Failed to connect to bus: No medium found)\n\
                 Left to do: systemctl --user enable --now autodev-Demo.service\n";
    assert!(done.out.contains(steps), "{}", done.out);
    assert!(home(&project).join(UNIT).is_file());
    let status = project.output_json(&["service", "status", "--json"], 0);
    assert_eq!((&status["found"], &status["state"]), (&"current".into(), &serde_json::Value::Null));
    let done = project.expect(&["service", "uninstall"], 0);
    assert!(!home(&project).join(UNIT).exists(), "{}", done.out);

    let done = project.expect(&["service", "install", "--no-start"], 0);
    assert!(done.out.contains("enable --now autodev-Demo.service\n    (not started, as asked for)"), "{}", done.out);
    // Not even the program: only the directory with the fakes is left of PATH.
    let mut bare = Project::new();
    let bin = home(&bare).parent().unwrap().join("bin");
    bare.env("PATH", bin.to_str().unwrap());
    let done = bare.expect(&["service", "install"], 0);
    assert!(
        done.out.contains("(this machine has no systemctl, so that nothing starts the service here)"),
        "{}",
        done.out
    );
}

#[test]
fn a_place_without_a_home_or_a_path_that_is_no_text_is_an_error() {
    let mut project = project("exit 0", "exit 0");
    project.unset("HOME");
    let done = project.expect(&["service", "install"], 1);
    assert!(done.err.contains("HOME is not set"), "{}", done.err);
    let home = home(&project);
    project.env("HOME", home.to_str().unwrap());
    let odd = home.join("a\nb");
    std::fs::create_dir(&odd).unwrap();
    std::fs::write(odd.join("autodev.toml"), "").unwrap();
    let config = odd.join("autodev.toml");
    let done = project.expect(&["-c", config.to_str().unwrap(), "service", "install"], 1);
    assert!(done.err.contains("cannot stand in a systemd unit"), "{}", done.err);
}

#[test]
fn the_files_are_such_as_the_managers_read() {
    let project = project("exit 0", "exit 0");
    // Everything that has a meaning in one of the formats.
    let odd = home(&project).join("50% $HOME ${X} 'q' \"d\" & <b> \\t ü %h ;x");
    std::fs::create_dir(&odd).unwrap();
    std::fs::write(odd.join("autodev.toml"), "[project]\nname = \"50% & <b>\"\n").unwrap();
    let config = odd.join("autodev.toml").to_str().unwrap().to_owned();
    if has_tool("systemd-analyze") {
        let unit = project.expect(&["-c", &config, "service", "install", "--print"], 0).out;
        let path = project.out("autodev-odd.service");
        std::fs::write(&path, &unit).unwrap();
        let mut command = project.command("systemd-analyze", &["verify", "--user", path.to_str().unwrap()]);
        let done = command.env("XDG_RUNTIME_DIR", project.out("")).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.trim().is_empty(), "{said}\n{unit}");
        // The same look finds a mistake.
        std::fs::write(&path, unit.replace("OOMPolicy=continue", "OOMPolicy=sometimes")).unwrap();
        let done = command.output().unwrap();
        assert!(String::from_utf8_lossy(&done.stderr).contains("OOM"), "{done:?}");
    }
    if has_tool("python3") {
        let list = project.expect(&["-c", &config, "service", "install", "--kind", "launchd"], 0).out;
        let path = home(&project).join("Library/LaunchAgents/dev.autodev.50-b.plist");
        assert!(list.contains(path.to_str().unwrap()), "{list}");
        let script = "import json,plistlib,sys; print(json.dumps(plistlib.load(open(sys.argv[1],'rb'))))";
        let done = project.command("python3", &["-c", script, path.to_str().unwrap()]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let list: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(list["Label"], "dev.autodev.50-b");
        assert_eq!(list["ProgramArguments"], serde_json::json!([env!("CARGO_BIN_EXE_autodev"), "-c", config, "run"]));
        assert_eq!(list["WorkingDirectory"], odd.to_str().unwrap());
        assert!(list["StandardOutPath"].as_str().unwrap().starts_with(odd.to_str().unwrap()));
        assert!(odd.join("logs").is_dir(), "launchd does not make it");
        assert!(asked(&project).last().unwrap().starts_with("launchctl load -w "), "{:?}", asked(&project));
    }
}
