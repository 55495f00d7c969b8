//! The providers of a run: servers that follow the plan of whatever request they get.

use super::answers::{good, number_in, piece, prompt_is_whole};
use super::plan::{Fault, Kind, PROVIDERS, Plan};
use crate::failure::Result;
use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tollgate_mock::{
    Act, Director, FaultServer, Heard, Http1Fault, Http2Fault, Speaks, Step, http1_steps, http2_steps,
};

/// All providers of a run. Dropping it closes every connection.
pub(crate) struct Providers {
    servers: Vec<FaultServer>,
    /// Keeps the port on which nobody listens.
    _nobody: TcpListener,
    pub(crate) urls: Vec<String>,
    pub(crate) book: Arc<Book>,
}

/// What the providers have seen.
#[derive(Default)]
pub(crate) struct Book {
    /// By request and provider.
    attempts: Mutex<HashMap<(u64, usize), Seen>>,
    violations: Mutex<Vec<String>>,
}

/// An attempt as its provider saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// How often the request came.
    pub(crate) times: u32,
    /// Its connection was ended by another request's fault.
    pub(crate) broken_off: bool,
}

impl Book {
    pub(crate) fn seen(&self, number: u64, provider: usize) -> Seen {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.get(&(number, provider)).copied().unwrap_or_default()
    }

    /// Forgets a request that is tried again.
    pub(crate) fn forget(&self, number: u64) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|(known, _), _| *known != number);
    }

    /// What no provider may get: half a prompt, another provider's key.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests that came to providers.
    pub(crate) fn requests(&self) -> u64 {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.values().map(|seen| u64::from(seen.times)).sum()
    }

    fn note(&self, number: u64, provider: usize, change: impl FnOnce(&mut Seen)) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        change(attempts.entry((number, provider)).or_default());
    }

    fn violated(&self, what: String) {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

impl Providers {
    /// Starts all of them.
    pub(crate) async fn start(seed: u64) -> Result<Self> {
        let book = Arc::new(Book::default());
        let nobody = TcpListener::bind("127.0.0.1:0")?;
        let (mut servers, mut urls) = (Vec::new(), Vec::new());
        for (provider, (_, kind)) in PROVIDERS.iter().enumerate() {
            let speaks = match kind {
                Kind::Plain | Kind::ChatOnly => Speaks::Http1,
                Kind::Secure => Speaks::TlsHttp1,
                Kind::Two(streams) => Speaks::TlsHttp2(*streams),
                Kind::Rude { .. } => Speaks::Nothing(rude()),
                Kind::Nobody => {
                    urls.push(format!("http://{}", closed_port()?));
                    continue;
                }
            };
            let desk = Desk { seed, provider, book: Arc::clone(&book) };
            let server = FaultServer::start(speaks, Arc::new(desk)).await?;
            let url = match kind {
                Kind::Rude { tls: true } => format!("https://localhost:{}", server.addr().port()),
                _ => server.url(),
            };
            urls.push(url);
            servers.push(server);
        }
        Ok(Self { servers, _nobody: nobody, urls, book })
    }

    /// The certificates to trust.
    pub(crate) fn trust(&self) -> String {
        self.servers.iter().filter_map(FaultServer::ca_pem).collect()
    }

    /// Connections that were opened.
    pub(crate) fn connections(&self) -> u64 {
        self.servers.iter().map(|server| server.counts().opened()).sum()
    }
}

/// A port on which nobody listens: it was free a moment ago.
fn closed_port() -> Result<std::net::SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// What happens to connections of servers that read no request: also in the middle of a handshake, where they get TLS.
fn rude() -> Vec<Vec<Step>> {
    let pause = Step::Wait(Duration::from_millis(20));
    let half_record = Step::Send((&[0x16, 3, 3, 0, 0x7a, 2, 0, 0][..]).into());
    let alert = Step::Send((&[0x15, 3, 3, 0, 2, 2, 40][..]).into());
    vec![
        vec![Step::Cut],
        vec![Step::Reset],
        vec![pause.clone(), Step::Reset],
        vec![half_record.clone(), pause.clone(), Step::Cut],
        vec![half_record.clone(), pause.clone(), Step::Reset],
        vec![alert, pause, Step::Close],
        vec![Step::Send("220 mail.example ESMTP\r\n".into()), Step::Hold],
        vec![half_record, Step::Hold],
        vec![Step::Hold],
    ]
}

/// Decides for one provider.
struct Desk {
    seed: u64,
    provider: usize,
    book: Arc<Book>,
}

impl Director for Desk {
    fn heard(&self, heard: &Heard<'_>) -> Act {
        let number =
            header(heard.head, "x-chaos").and_then(|n| n.parse().ok()).or_else(|| number_in(heard.body));
        let Some(number) = number else {
            if heard.whole {
                self.book.violated(format!("a request without a number: {:?}", heard.head));
                return Act::Play(0, vec![Step::Cut]);
            }
            return Act::ReadOn;
        };
        let plan = Plan::of(self.seed, number);
        let Some((at, candidate)) = plan.candidate(self.provider) else {
            self.book.violated(format!(
                "request {number} came to provider {}, which is no candidate",
                self.provider
            ));
            return Act::Play(0, vec![Step::Cut]);
        };
        let early = match candidate.fault {
            Fault::One(fault) => fault == Http1Fault::RefusesEarly,
            Fault::Two(fault) => fault == Http2Fault::StallWindow,
            Fault::Connection => false,
        };
        if !heard.whole && !early {
            return Act::ReadOn;
        }
        self.check(heard, number);
        self.book.note(number, self.provider, |seen| seen.times += 1);
        let texts: Vec<String> = (0..plan.pieces).map(|n| piece(number, at, n, plan.piece_length)).collect();
        let good = good(plan.wire(self.provider), plan.stream, &texts);
        let steps = match candidate.fault {
            Fault::One(fault) => http1_steps(fault, &good, candidate.dice, heard.before > 0),
            Fault::Two(fault) => http2_steps(fault, &good, candidate.dice, heard.stream.unwrap_or(1)),
            Fault::Connection => vec![Step::Cut],
        };
        Act::Play(number * 16 + self.provider as u64, steps)
    }

    fn broken_off(&self, play: u64) {
        self.book.note(play / 16, self.provider, |seen| seen.broken_off = true);
    }
}

impl Desk {
    fn check(&self, heard: &Heard<'_>, number: u64) {
        let id = PROVIDERS.get(self.provider).map_or("", |(id, _)| *id);
        if heard.whole && !prompt_is_whole(heard.body, number) {
            self.book.violated(format!("the prompt of request {number} came spoilt to {id}"));
        }
        if heard.stream.is_some() {
            return;
        }
        let key = header(heard.head, "authorization").or_else(|| header(heard.head, "x-api-key"));
        if key.is_none_or(|key| key.trim_start_matches("Bearer ") != format!("chaos-key-{id}")) {
            self.book.violated(format!("request {number} came to {id} with another key"));
        }
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
