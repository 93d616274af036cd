//! A web service in this process: it keeps what it gets and answers as it is told.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Path and query.
    pub path: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: String,
    /// When it was complete.
    pub at: Instant,
}

/// What the service does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers: status, further header lines, body.
    Answer(u16, &'static str, String),
    /// Keeps the connection and never answers.
    Silence,
    /// Reads the request and ends the connection.
    HangUp,
}

/// The service.
pub struct Sink {
    port: u16,
    got: Arc<Mutex<Vec<Request>>>,
    plan: Arc<Mutex<VecDeque<Reply>>>,
}

impl Sink {
    /// Listens on a port of the system's choice and answers 200.
    pub fn new() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Listens on a port on which nobody listens.
    pub fn at(port: u16) -> Self {
        Self::on(TcpListener::bind(("127.0.0.1", port)).unwrap())
    }

    fn on(listener: TcpListener) -> Self {
        let sink = Self { port: listener.local_addr().unwrap().port(), got: Arc::default(), plan: Arc::default() };
        let (got, plan) = (Arc::clone(&sink.got), Arc::clone(&sink.plan));
        // Lives as long as the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (got, plan) = (Arc::clone(&got), Arc::clone(&plan));
                std::thread::spawn(move || serve(stream, &got, &plan));
            }
        });
        sink
    }

    /// Says what happens to the next requests, in this order; after them it is 200 again.
    pub fn plan(&self, replies: impl IntoIterator<Item = Reply>) {
        self.plan.lock().unwrap().extend(replies);
    }

    /// Everything that has come, oldest first.
    pub fn got(&self) -> Vec<Request> {
        self.got.lock().unwrap().clone()
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// A port on which nobody listens.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Request {
    /// A header's value; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

fn serve(mut stream: TcpStream, got: &Mutex<Vec<Request>>, plan: &Mutex<VecDeque<Reply>>) {
    let Some(request) = read(&mut stream) else { return };
    got.lock().unwrap().push(request);
    let reply = plan.lock().unwrap().pop_front().unwrap_or_else(|| Reply::Answer(200, "", "ok".to_owned()));
    match reply {
        Reply::Answer(status, more, body) => {
            let head =
                format!("HTTP/1.1 {status} x\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // The other side may be killed by now.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
        Reply::Silence => std::thread::sleep(Duration::from_mins(10)),
        Reply::HangUp => {}
    }
}

/// Reads one request; `None` when it is cut off.
fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let mut lines = head.lines();
        let path = lines.next()?.split(' ').nth(1)?.to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
        if body.len() >= length {
            return Some(Request { path, headers, body: body.to_owned(), at: Instant::now() });
        }
    }
}
