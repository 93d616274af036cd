//! Notices: what each service gets, when it is tried again, and that nobody is told twice.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{DILIGENT, ONE_TASK, Project, TWO_TASKS, has_tool, wait_until};
use crate::sink::{Reply, Request, Sink, free_port};

/// A project with one task, an agent, and these channels.
fn project(agent: &str, channels: &str) -> Project {
    let project = Project::without_git();
    project.config(&format!("[run]\ndelay_between_tasks = 0\nmax_retries = 1\n{channels}")).tasks(ONE_TASK);
    project.agent("codex", agent);
    project
}

fn webhook(sink: &Sink, more: &str) -> String {
    format!("[[notify.channels]]\nkind = \"webhook\"\nname = \"hook\"\nurl = \"{}\"\n{more}\n", sink.url("/hook"))
}

/// What the journal's warnings say.
fn warnings(project: &Project) -> Vec<String> {
    let notes = project.events("note").into_iter().filter(|note| note["level"] == "warning");
    notes.map(|note| note["text"].as_str().unwrap().to_owned()).collect()
}

/// The keys of what came, in order.
fn keys(requests: &[Request]) -> Vec<String> {
    requests.iter().map(|request| request.header("idempotency-key").to_owned()).collect()
}

fn events(requests: &[Request]) -> Vec<String> {
    requests.iter().map(|request| request.json()["event"].as_str().unwrap().to_owned()).collect()
}

fn answer(status: u16) -> Reply {
    Reply::Answer(status, "", String::new())
}

/// What `doctor` finds; its exit code is about other things.
fn doctor(project: &Project) -> Value {
    let done = project.run(&["doctor", "--json"]);
    serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{e}: {done:?}"))
}

/// HMAC-SHA256 by another implementation than ours.
fn signature(key: &str, text: &str) -> Option<String> {
    if !has_tool("python3") {
        return None;
    }
    let script =
        "import hmac,sys; print(hmac.new(sys.argv[1].encode(), sys.stdin.buffer.read(), 'sha256').hexdigest())";
    let mut child =
        Command::new("python3").args(["-c", script, key]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    Some(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned())
}

#[test]
fn a_webhook_gets_the_facts_signed() {
    let sink = Sink::new();
    let mut project =
        project("mkdir -p src; echo x > src/other.txt; echo tried", &webhook(&sink, "secret_env = \"SIGNING\""));
    project.env("SIGNING", "a signing key");
    project.expect(&["run"], 2);
    let got = sink.got();
    assert_eq!(events(&got), ["task_blocked", "run_finished"]);
    let blocked = got[0].json();
    assert_eq!(blocked["project"], "Demo");
    assert_eq!(blocked["task"], json!({"id": "T1", "title": "First", "attempts": 1, "commit": null}));
    assert_eq!(blocked["failing_check"], "validate:test -f src/T1.txt: exit_code=1");
    assert_eq!(blocked["counts"], json!({"completed": 0, "blocked": 1, "pending": 0}));
    assert_eq!(blocked["dashboard"], project.path("logs/dashboard.html").display().to_string());
    let end = got[1].json();
    assert_eq!((&end["status"], &end["exit_code"]), (&json!("blocked"), &json!(2)));
    assert_eq!(end["blocked"][0]["id"], "T1");
    let keys: std::collections::BTreeSet<&str> = blocked.as_object().unwrap().keys().map(String::as_str).collect();
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/notifications.md")).unwrap();
    let part = page.split("## The webhook").nth(1).unwrap();
    let cells = part.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let told = cells.flat_map(|cell| cell.split(", ")).map(|key| key.trim_matches('`')).collect();
    assert_eq!(keys, told, "docs/notifications.md tells every key");
    let event = &project.events("task_blocked")[0];
    let key = format!("{}-{}", event["run"].as_str().unwrap(), event["seq"]);
    assert_eq!((got[0].header("idempotency-key"), blocked["id"].as_str().unwrap()), (key.as_str(), key.as_str()));
    for request in &got {
        let time = request.header("x-autodev-timestamp");
        assert!(time.parse::<i64>().unwrap() > 1_700_000_000, "{time}");
        if let Some(want) = signature("a signing key", &format!("{time}.{}", request.body)) {
            assert_eq!(request.header("x-autodev-signature"), format!("sha256={want}"));
        }
    }
    assert_eq!(warnings(&project), [] as [String; 0]);
}

#[test]
fn every_service_gets_its_own_form() {
    let sink = Sink::new();
    let base = sink.url("");
    let events = "events = [\"run_finished\"]";
    let channels = format!(
        "[notify]\ndashboard_url = \"https://ci.example/d?a=1&b=2\"\n\
         [[notify.channels]]\nkind = \"slack\"\nurl_env = \"SLACK_HOOK\"\n{events}\n\
         [[notify.channels]]\nkind = \"discord\"\nurl = \"{base}/discord\"\n{events}\n\
         [[notify.channels]]\nkind = \"telegram\"\nurl = \"{base}\"\ntoken_env = \"BOT\"\nchat_id = \"-42\"\n{events}\n\
         [[notify.channels]]\nkind = \"ntfy\"\nurl = \"{base}/my-topic\"\ntoken_env = \"NTFY\"\n{events}\n\
         [[notify.channels]]\nkind = \"email\"\nto = [\"me@example.com\"]\n{events}\n\
         [[notify.channels]]\nkind = \"desktop\"\nprogram = \"notify-send\"\n{events}\n\
         [[notify.channels]]\nkind = \"desktop\"\nname = \"mac\"\nprogram = \"./osascript\"\n{events}\n"
    );
    let mut project = project(DILIGENT, &channels);
    project.env("SLACK_HOOK", &format!("{base}/slack")).env("BOT", "12:Ab").env("NTFY", "tk_1");
    project.write("task.json", &project.read("task.json").replace("\"Demo\"", "\"<!channel> & @everyone\""));
    let keep = "out=$(dirname $(dirname $0))/out/$(basename $0); printf '%s\\n' \"$@\" > $out.args; cat > $out.in";
    for name in ["notify-send", "sendmail"] {
        project.program(name, &format!("#!/bin/sh\n{keep}\n"));
    }
    fs::copy(project.dir().parent().unwrap().join("bin/notify-send"), project.path("osascript")).unwrap();
    project.expect(&["run"], 0);
    assert_eq!(warnings(&project), [] as [String; 0]);

    let got: BTreeMap<String, Request> = sink.got().into_iter().map(|it| (it.path.clone(), it)).collect();
    assert_eq!(got.len(), 4, "{got:?}");
    let slack = got["/slack"].json();
    assert_eq!(slack["text"], "&lt;!channel&gt; &amp; @everyone: run finished");
    assert_eq!(slack["blocks"][1]["text"]["text"], "<https://ci.example/d?a=1&amp;b=2|Dashboard>");
    let discord = got["/discord"].json();
    assert_eq!(discord["embeds"][0]["title"], "\\<!channel\\> & @\u{200b}everyone: run finished");
    assert_eq!(discord["allowed_mentions"]["parse"], json!([]));
    let telegram = got["/bot12:Ab/sendMessage"].json();
    assert_eq!(telegram["chat_id"], "-42");
    assert!(telegram["text"].as_str().unwrap().starts_with("<b>&lt;!channel&gt; &amp; @everyone: run finished</b>\n"));
    let ntfy = &got["/"];
    assert_eq!(ntfy.header("authorization"), "Bearer tk_1");
    assert_eq!(ntfy.json()["topic"], "my-topic");
    assert_eq!(ntfy.json()["title"], "<!channel> & @everyone: run finished");
    assert!(ntfy.json()["message"].as_str().unwrap().contains("Queue: 1 completed, 0 blocked, 0 pending"));

    assert_eq!(project.left("sendmail.args"), "-i\n--\nme@example.com\n");
    let letter = project.left("sendmail.in");
    assert!(
        letter.starts_with("To: me@example.com\nSubject: [autodev] <!channel> & @everyone: run finished\n"),
        "{letter}"
    );
    let desktop = project.left("notify-send.args");
    assert!(
        desktop.starts_with("--app-name=autodev\n--urgency=normal\n--\n<!channel> & @everyone: run finished\n"),
        "{desktop}"
    );
    let mac = project.left("osascript.args");
    assert!(
        mac.starts_with("-e\non run argv\n") && mac.contains("\n--\n<!channel> & @everyone: run finished\n"),
        "{mac}"
    );
}

#[test]
fn limits_and_problems_of_the_environment_are_told_once() {
    let sink = Sink::new();
    let agent =
        "case $n in 1|2) echo 'Error: 429 too many requests'; exit 1;; *) echo 'invalid api key'; exit 1;; esac";
    let project = project(agent, &webhook(&sink, ""));
    let text = project.read("autodev.toml");
    project.write("autodev.toml", &format!("{text}\n[circuit_breaker]\nrate_limit_cooldown = 1\n"));
    project.expect(&["run"], 1);
    let pauses = project.events("paused").into_iter().filter(|event| event["pause"]["why"] == "limit").count();
    assert_eq!(pauses, 2, "it waited twice");
    let got = sink.got();
    assert_eq!(events(&got), ["limit_wait", "environment_error", "run_finished"], "{got:?}");
    assert!(got[0].json()["until"].as_str().unwrap().ends_with('Z'));
    assert!(got[1].json()["reason"].as_str().unwrap().contains("invalid api key"));
    assert_eq!(got[2].json()["status"], "env_error");
}

#[test]
fn what_a_service_cannot_take_now_is_tried_again() {
    let sink = Sink::new();
    sink.plan([answer(500), Reply::Answer(429, "Retry-After: 3\r\n", String::new())]);
    let project = project(DILIGENT, &webhook(&sink, "events = [\"run_finished\"]"));
    project.expect(&["run"], 0);
    let got = sink.got();
    assert_eq!(got.len(), 3, "{got:?}");
    assert!(keys(&got).iter().all(|key| *key == keys(&got)[0]), "{:?}", keys(&got));
    assert!(got[1].at - got[0].at >= Duration::from_millis(900), "a pause of our own");
    assert!(got[2].at - got[1].at >= Duration::from_millis(2900), "the pause that the service asked for");
    assert_eq!(warnings(&project), [] as [String; 0]);
    project.expect(&["run"], 0);
    assert_eq!(events(&sink.got()).len(), 4, "the next run tells of itself only");
}

#[test]
fn a_service_that_never_answers_keeps_nobody_waiting() {
    let sink = Sink::new();
    sink.plan([Reply::Silence]);
    let timeout = "[notify]\ntimeout_seconds = 600\n";
    let project =
        project(DILIGENT, &format!("{timeout}{}", webhook(&sink, "events = [\"task_completed\", \"run_finished\"]")));
    project.tasks(TWO_TASKS);
    project.spawn(&["run"]).wait_at_most(50);
    assert_eq!(project.calls("codex"), 2);
    let ends = project.events("run_ended");
    assert_eq!(ends[0]["exit_code"], 0);
    let told = warnings(&project);
    assert!(told.len() == 1 && told[0].contains("3 notices are not delivered"), "{told:?}");
    assert_eq!(sink.got().len(), 1);
    // What was on its way may have arrived; the others come with the next run.
    project.expect(&["run"], 0);
    assert_eq!(events(&sink.got()), ["task_completed", "task_completed", "run_finished", "run_finished"]);
    let keys = keys(&sink.got());
    assert!(keys.iter().enumerate().all(|(at, key)| !keys[..at].contains(key)), "{keys:?}");
    let told = warnings(&project);
    assert!(told.iter().any(|text| text.contains("was on its way when autodev was killed")), "{told:?}");
}

#[test]
fn a_request_without_an_answer_is_not_repeated() {
    let sink = Sink::new();
    sink.plan([Reply::HangUp]);
    let project = project(DILIGENT, &webhook(&sink, "events = [\"task_completed\", \"run_finished\"]"));
    project.expect(&["run"], 0);
    assert_eq!(events(&sink.got()), ["task_completed", "run_finished"]);
    let told = warnings(&project);
    assert!(told.len() == 1 && told[0].contains("is not sent again: no answer, it may have arrived"), "{told:?}");
}

#[test]
fn what_is_left_is_sent_by_the_next_run_and_a_new_channel_knows_no_history() {
    let port = free_port();
    let channel = |name: &str, port: u16| {
        format!(
            "[[notify.channels]]\nkind = \"webhook\"\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/{name}\"\n"
        )
    };
    let project = project(DILIGENT, &channel("old", port));
    project.tasks(TWO_TASKS);
    project.expect(&["run", "--max-tasks", "1"], 0);
    let told = warnings(&project);
    assert!(told.iter().any(|text| text.starts_with("channel old: ") && text.contains("refused")), "{told:?}");
    assert!(told.len() <= 2, "once, and once at the end: {told:?}");
    let doctor = doctor(&project);
    let row = doctor["rows"].as_array().unwrap().iter().find(|row| row["label"] == "old").unwrap().clone();
    assert!(row["level"] == "warn" && row["found"].as_str().unwrap().contains("not delivered yet: 2 notices"), "{row}");

    let sink = Sink::at(port);
    let text = project.read("autodev.toml");
    project.write("autodev.toml", &format!("{text}\n{}", channel("new", port)));
    project.expect(&["run"], 0);
    let got = |path: &str| sink.got().into_iter().filter(|it| it.path == path).collect::<Vec<_>>();
    assert_eq!(events(&got("/old")), ["task_completed", "run_finished", "task_completed", "run_finished"]);
    assert_eq!(events(&got("/new")), ["task_completed", "run_finished"]);
    let ids: Vec<Value> = got("/old").iter().map(|it| it.json()["task"]["id"].clone()).collect();
    assert_eq!(ids, [json!("T1"), Value::Null, json!("T2"), Value::Null]);
    assert_eq!(got("/old")[0].json()["counts"], json!({"completed": 1, "blocked": 0, "pending": 1}), "as it was then");
}

#[test]
fn a_run_killed_at_any_point_tells_nobody_twice() {
    let calm = killed_project(&Sink::new());
    let mut calm = calm;
    let log = calm.out("points");
    calm.env("AUTODEV_KILL_LOG", log.to_str().unwrap());
    calm.expect(&["run"], 0);
    let points: Vec<String> = fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    let about = |line: &String| line.contains("notice");
    assert!(points.iter().filter(|line| about(line)).count() >= 9, "{points:?}");
    // Every point about a notice, and every third of the others.
    let places: Vec<usize> =
        (0..points.len()).filter(|at| about(&points[*at]) || at % 3 == 0).map(|at| at + 1).collect();
    let (next, wrong, lost) = (AtomicUsize::new(0), Mutex::new(Vec::new()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(place) = places.get(next.fetch_add(1, Ordering::SeqCst)) {
                    match disturbed(*place) {
                        Ok(unconfirmed) => drop(lost.fetch_add(unconfirmed, Ordering::SeqCst)),
                        Err(text) => wrong.lock().unwrap().push(format!("point {place}: {text}")),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!("kill points with notices: {} tried, {} reported as unconfirmed", places.len(), lost.into_inner());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn killed_project(sink: &Sink) -> Project {
    let project = project(DILIGENT, &webhook(sink, ""));
    project.tasks(TWO_TASKS);
    project
}

/// Kills a run at a place and lets the next one finish. Returns how many notices were reported as unconfirmed.
fn disturbed(place: usize) -> Result<usize, String> {
    let sink = Sink::new();
    let mut project = killed_project(&sink);
    project.env("AUTODEV_KILL_AT", &place.to_string());
    project.run(&["run"]);
    project.env("AUTODEV_KILL_AT", "0");
    let done = project.run(&["run"]);
    if done.code != 0 {
        return Err(format!("{done:?}"));
    }
    let keys = keys(&sink.got());
    let told = warnings(&project);
    let mut unconfirmed = 0;
    for event in project.journal() {
        if !["task_completed", "run_ended"].contains(&event["kind"].as_str().unwrap()) {
            continue;
        }
        let key = format!("{}-{}", event["run"].as_str().unwrap(), event["seq"]);
        let times = keys.iter().filter(|it| **it == key).count();
        let is_reported = told.iter().any(|text| text.contains(&format!("event {} was on its way", event["seq"])));
        unconfirmed += usize::from(is_reported);
        if times > 1 || (times == 0 && !is_reported) {
            return Err(format!("{key} came {times} times, reported: {is_reported}: {keys:?} {told:?}"));
        }
    }
    Ok(unconfirmed)
}

#[test]
fn no_secret_is_shown_or_kept() {
    let sink = Sink::new();
    let secret = "/services/T000/B000/very-secret-path";
    sink.plan([Reply::Answer(404, "", format!("no such hook: {secret} with signing-key-123"))]);
    let agent = format!("{DILIGENT}; echo \"the hook is $HOOK and the key $SIGNING\"");
    let mut project = project(
        &agent,
        "[[notify.channels]]\nkind = \"webhook\"\nname = \"hook\"\nurl_env = \"HOOK\"\nsecret_env = \"SIGNING\"\n\
         events = [\"task_completed\"]\n",
    );
    project.env("HOOK", &sink.url(secret)).env("SIGNING", "signing-key-123");
    let done = project.expect(&["run"], 0);
    let told = warnings(&project);
    assert!(told.len() == 1 && told[0].contains("HTTP 404: no such hook: [redacted:HOOK]"), "{told:?}");
    let tested = project.expect(&["notify", "test"], 0);
    let doctor = project.run(&["doctor"]);
    for text in [&done.out, &done.err, &tested.out, &doctor.out] {
        assert!(!text.contains("very-secret-path") && !text.contains("signing-key-123"), "{text}");
    }
    assert!(doctor.out.contains("http://127.0.0.1"), "{}", doctor.out);
    // The attempt's own log is the agent's output as it came.
    for below in [".autodev", "logs"] {
        for file in project.holding(below, "very-secret-path") {
            assert!(file.starts_with("logs/attempts/"), "{file} holds the secret");
        }
    }
}

#[test]
fn a_channel_that_fails_is_reported_once() {
    let sink = Sink::new();
    sink.plan((0..20).map(|_| answer(403)));
    let project = project(DILIGENT, &webhook(&sink, ""));
    project.tasks(TWO_TASKS);
    project.expect(&["run"], 0);
    assert_eq!(sink.got().len(), 3, "each notice was tried once");
    let told = warnings(&project);
    assert!(told.len() == 1 && told[0].contains("refused: HTTP 403"), "{told:?}");
}

#[test]
fn a_dry_run_tells_nobody() {
    let sink = Sink::new();
    let project = project(DILIGENT, &webhook(&sink, ""));
    project.expect(&["run", "--dry-run"], 0);
    project.expect(&["run"], 0);
    assert_eq!(events(&sink.got()), ["task_completed", "run_finished"]);
}

#[test]
fn mail_that_sendmail_cannot_take_now_is_tried_again() {
    let mut project = project(
        DILIGENT,
        "[[notify.channels]]\nkind = \"email\"\nto = [\"me@example.com\"]\nevents = [\"run_finished\"]\n",
    );
    project.program(
        "sendmail",
        "#!/bin/sh\nn=$(cat \"$OUT.n\" 2>/dev/null || echo 0); echo $((n + 1)) > \"$OUT.n\"\n\
         cat >> \"$OUT.in\"; [ $n -gt 0 ] || { echo queue full; exit 75; }\n",
    );
    let out = project.out("mail").display().to_string();
    project.env("OUT", &out);
    project.expect(&["run"], 0);
    assert_eq!(project.left("mail.n").trim(), "2");
    let mail = project.left("mail.in");
    let ids: Vec<&str> = mail.lines().filter(|line| line.starts_with("Message-ID: ")).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
}

#[test]
fn a_program_that_hangs_is_ended_and_does_not_stay() {
    let mut project = project(
        DILIGENT,
        "[notify]\ntimeout_seconds = 1\n[[notify.channels]]\nkind = \"desktop\"\nprogram = \"notify-send\"\nevents = [\"task_completed\"]\n",
    );
    project.program("notify-send", "#!/bin/sh\necho $$ > \"$OUT\"\nexec sleep 600\n");
    let out = project.out("pid").display().to_string();
    project.env("OUT", &out);
    project.expect(&["run"], 0);
    let pid = project.left_pid("pid");
    wait_until("the program to be ended", || !crate::harness::lives(pid));
    let told = warnings(&project);
    assert!(told.len() == 1 && told[0].contains("took too long"), "{told:?}");
}

#[test]
fn a_test_notice_says_what_came_of_each_channel() {
    let sink = Sink::new();
    let channels = format!(
        "{}[[notify.channels]]\nkind = \"slack\"\nname = \"team\"\nurl_env = \"NO_SUCH_VARIABLE\"\n\
         [[notify.channels]]\nkind = \"discord\"\nurl = \"http://127.0.0.1:{}/x\"\n",
        webhook(&sink, "events = [\"limit_wait\"]"),
        free_port()
    );
    let project = project(DILIGENT, &channels);
    let found = project.output_json(&["notify", "test", "--json"], 1);
    let rows: Vec<(&str, &str)> = found["channels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(rows, [("hook", "delivered"), ("team", "unusable"), ("discord", "not_delivered")]);
    assert_eq!(events(&sink.got()), ["test"], "whatever it chose");
    let one = project.expect(&["notify", "test", "--channel", "hook"], 0);
    assert_eq!(one.out, format!("[delivered] hook (webhook) {}\n", sink.url("")));
    assert_eq!(sink.got().len(), 2);
    let none = project.expect(&["notify", "test", "--channel", "nobody"], 1);
    assert!(none.err.contains("there are hook, team, discord"), "{}", none.err);
    assert!(!project.has(".autodev/journal.db"), "it leaves no trace");
    project.config("");
    let none = project.expect(&["notify", "test"], 1);
    assert!(none.err.contains("[[notify.channels]]"), "{}", none.err);
}

#[test]
fn a_channel_without_its_variable_is_told_and_the_run_goes_on() {
    let channels = "[[notify.channels]]\nkind = \"slack\"\nname = \"team\"\nurl_env = \"NO_SUCH_VARIABLE\"\n";
    let project = project(DILIGENT, channels);
    project.expect(&["run"], 0);
    assert_eq!(
        warnings(&project),
        ["channel team: the variable NO_SUCH_VARIABLE (url_env) is not set; nothing is sent there"]
    );
    let doctor = doctor(&project);
    let row = doctor["rows"].as_array().unwrap().iter().find(|row| row["label"] == "team").unwrap().clone();
    assert_eq!((&row["group"], &row["level"]), (&json!("notices"), &json!("warn")), "{row}");
}

#[test]
fn an_https_service_is_reached_and_its_certificate_checked() {
    if !has_tool("openssl") || !has_tool("python3") {
        return;
    }
    let project = project(DILIGENT, "");
    let dir = project.out("tls");
    fs::create_dir(&dir).unwrap();
    // An authority and a certificate of its own for the service: one that is both is refused.
    let made = project.shell(&format!(
        "set -e; cd {}; ec='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n\
         openssl req -x509 $ec -days 2 -subj /CN=authority -keyout ca-key.pem -out ca.pem\n\
         openssl req $ec -subj /CN=localhost -keyout key.pem -out request.pem\n\
         printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > extensions\n\
         openssl x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile extensions \
         -out cert.pem",
        dir.display()
    ));
    assert_eq!(made.code, 0, "{made:?}");
    let script = "import http.server, ssl, sys\n\
        class Handler(http.server.BaseHTTPRequestHandler):\n    \
            def do_POST(self):\n        \
                body = self.rfile.read(int(self.headers['Content-Length']))\n        \
                open('got', 'ab').write(body + b'\\n')\n        \
                self.send_response(200); self.end_headers()\n\
        server = http.server.HTTPServer(('127.0.0.1', 0), Handler)\n\
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
        context.load_cert_chain('cert.pem', 'key.pem')\n\
        server.socket = context.wrap_socket(server.socket, server_side=True)\n\
        open('port.new', 'w').write(str(server.server_port))\n\
        import os; os.rename('port.new', 'port')\n\
        server.serve_forever()\n";
    let mut server =
        Command::new("python3").args(["-c", script]).current_dir(&dir).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the server to listen", || dir.join("port").exists());
    let port = fs::read_to_string(dir.join("port")).unwrap();
    let channel = |name: &str, more: &str| {
        format!(
            "[[notify.channels]]\nkind = \"webhook\"\nname = \"{name}\"\nurl = \"https://localhost:{port}/x\"\n{more}\n"
        )
    };
    let trusted = channel("trusted", &format!("ca_file = \"{}\"", dir.join("ca.pem").display()));
    project.config(&format!("{trusted}{}", channel("stranger", "")));
    let found = project.output_json(&["notify", "test", "--json"], 1);
    server.kill().unwrap();
    server.wait().unwrap();
    let row = |at: usize| (found["channels"][at]["outcome"].clone(), found["channels"][at]["detail"].to_string());
    assert_eq!(row(0).0, "delivered", "{found:#}");
    assert_eq!(row(1).0, "not_delivered", "{found:#}");
    assert!(row(1).1.contains("certificate"), "{found:#}");
    assert_eq!(fs::read_to_string(dir.join("got")).unwrap().lines().count(), 1);
}
