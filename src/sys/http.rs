//! One call to a web service: a body goes there, a status and the beginning of an answer come back.
//!
//! Blocking, for a thread that may wait. No redirects are followed (a body with a secret goes where it was sent to and
//! nowhere else), no connection is kept, every phase has a limit. Proxies are those of the usual variables
//! (`HTTPS_PROXY`, `NO_PROXY`). Invariant: an error says whether the service may have got the call, and never
//! repeats its address, which may be secret.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, SendBody};

use super::fs::read_capped;

/// So much of an answer is kept: enough for a complaint of the service.
const ANSWER: u64 = 16 << 10;
/// A file of certificates is smaller than this.
const CERTIFICATES: u64 = 4 << 20;

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `https://` or `http://`.
    pub url: String,
    /// Names and values; `Content-Type` is one of them.
    pub headers: Vec<(String, String)>,
    /// Sent by POST. Not empty.
    pub body: Vec<u8>,
    /// Certificates to trust instead of the built-in ones, a PEM file.
    pub ca_file: Option<PathBuf>,
    /// Limit of each phase: connecting, sending, waiting for the answer.
    pub limit: Duration,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The beginning of the body, at most 16 KiB, lossy UTF-8.
    pub body: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The service certainly did not get it.
    #[error("{0}")]
    NotSent(String),
    /// It was on its way: the service may have got it, or not.
    #[error("no answer, it may have arrived: {0}")]
    Unanswered(String),
}

/// Sends a call and waits for the answer.
///
/// # Errors
/// When there is no answer; see [`CallError`].
pub fn post(call: &Call) -> Result<Answer, CallError> {
    let agent = agent(call)?;
    let mut body = Watched { rest: &call.body, is_begun: false };
    let mut request = agent.post(&call.url).header("Content-Length", call.body.len().to_string());
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let sent = request.send(SendBody::from_reader(&mut body));
    let mut response = match sent {
        Ok(response) => response,
        // The body is not read before the connection stands and the head is sent.
        Err(error) if body.is_begun => return Err(CallError::Unanswered(told(&error))),
        Err(error) => return Err(CallError::NotSent(told(&error))),
    };
    let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut bytes = Vec::new();
    // The status is the answer; a body that is cut off is only shorter.
    let _ = response.body_mut().as_reader().take(ANSWER).read_to_end(&mut bytes);
    Ok(Answer { status: response.status().as_u16(), retry_after, body: String::from_utf8_lossy(&bytes).into_owned() })
}

fn agent(call: &Call) -> Result<Agent, CallError> {
    let mut tls = TlsConfig::builder();
    if let Some(path) = &call.ca_file {
        let pem = read_capped(path, CERTIFICATES).map_err(|error| CallError::NotSent(error.to_string()))?;
        let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                Ok(_) | Err(_) => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err(CallError::NotSent(format!("read {}: no certificates in it", path.display())));
        }
        tls = tls.root_certs(RootCerts::Specific(Arc::new(certificates)));
    }
    let limit = Some(call.limit);
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .user_agent(concat!("autodev/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(limit)
        .timeout_connect(limit)
        .timeout_send_request(limit)
        .timeout_send_body(limit)
        .timeout_recv_response(limit)
        .timeout_recv_body(limit);
    Ok(config.build().new_agent())
}

/// Words for an error; some of the library's repeat the address.
fn told(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "the address or a header cannot be used".to_owned(),
        ureq::Error::HostNotFound => "the host is not known".to_owned(),
        ureq::Error::Timeout(phase) => format!("it took too long ({phase})"),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::ConnectProxyFailed(_) => "the proxy refused".to_owned(),
        other => other.to_string(),
    }
}

/// The body, and whether anybody has begun to read it.
struct Watched<'a> {
    rest: &'a [u8],
    is_begun: bool,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_begun = true;
        self.rest.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;

    fn call(url: &str) -> Call {
        Call {
            url: url.to_owned(),
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: b"{\"a\": 1}".to_vec(),
            ca_file: None,
            limit: Duration::from_secs(20),
        }
    }

    /// A service that reads one request and does this with the connection. Returns its address and what it read.
    fn service(answer: impl FnOnce(TcpStream) + Send + 'static) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut text, mut piece) = (String::new(), [0; 4096]);
            while !text.ends_with("{\"a\": 1}") {
                let count = stream.read(&mut piece).unwrap();
                assert!(count > 0, "cut off: {text}");
                text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
            }
            answer(stream);
            text
        });
        (url, thread)
    }

    #[test]
    fn a_body_goes_there_and_an_answer_comes_back() {
        let (url, thread) = service(|mut stream| {
            stream.write_all(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nwait").unwrap();
        });
        let answer = post(&call(&url)).unwrap();
        assert_eq!(answer, Answer { status: 429, retry_after: Some("7".to_owned()), body: "wait".to_owned() });
        let request = thread.join().unwrap().to_lowercase();
        assert!(request.starts_with("post /secret-path http/1.1\r\n"), "{request}");
        for header in ["content-length: 8\r\n", "content-type: application/json\r\n", "user-agent: autodev/"] {
            assert!(request.contains(header), "{request}");
        }
        assert!(!request.contains("transfer-encoding"), "{request}");
    }

    #[test]
    fn a_redirect_is_an_answer() {
        let (url, thread) = service(|mut stream| {
            stream
                .write_all(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
                .unwrap();
        });
        assert_eq!(post(&call(&url)).unwrap().status, 302);
        thread.join().unwrap();
    }

    #[test]
    fn a_connection_that_ends_after_the_body_leaves_it_open() {
        let (url, thread) = service(drop);
        let error = post(&call(&url)).unwrap_err();
        assert!(matches!(error, CallError::Unanswered(_)), "{error:?}");
        thread.join().unwrap();
    }

    #[test]
    fn a_service_that_never_answers_leaves_it_open() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let (url, thread) = service(move |_stream| {
            let _ = receiver.recv();
        });
        let error = post(&Call { limit: Duration::from_millis(200), ..call(&url) }).unwrap_err();
        assert!(matches!(error, CallError::Unanswered(_)), "{error:?}");
        drop(sender);
        thread.join().unwrap();
    }

    #[test]
    fn nobody_there_means_that_it_was_not_sent() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for url in [format!("http://127.0.0.1:{port}/secret-path"), "http://secret-path .example/".to_owned()] {
            let error = post(&call(&url)).unwrap_err();
            assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error =
            post(&Call { ca_file: Some(file.path().to_path_buf()), ..call("https://127.0.0.1:1/") }).unwrap_err();
        assert!(error.to_string().contains("no certificates"), "{error}");
    }
}
