//! A new process takes the listeners over while clients send requests.

use crate::support::*;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tollgate_mock::{Behaviour, MockServer, Script};

const CHAT: &str = "/v1/chat/completions";
const NAME: &str = "gateway.test";

/// What all processes of a test share.
struct Stage {
    one: MockServer,
    certificate: Arc<Certificate>,
    folder: tempfile::TempDir,
    plain: SocketAddr,
    tls: SocketAddr,
    admin: SocketAddr,
}

impl Stage {
    async fn new() -> Self {
        let words = ["a ", "b ", "c ", "d ", "e ", "f ", "g ", "h ", "i ", "j "];
        let one = mock(Script::always(Behaviour::chunks(words).chunk_every_ms(400))).await;
        let certificate = Arc::new(Certificate::new(NAME));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cert.pem"), &certificate.cert_pem).unwrap();
        std::fs::write(folder.path().join("key.pem"), &certificate.key_pem).unwrap();
        Self { one, certificate, folder, plain: nobody(), tls: nobody(), admin: nobody() }
    }

    fn sock(&self) -> PathBuf {
        self.folder.path().join("upgrade.sock")
    }

    /// A process whose answers to `/` are this word.
    fn process(&self, word: &str) -> Builder {
        let policy = json!({"on_http_request": [
            {"expressions": ["req.url.path == '/'"], "actions": [{"type": "custom-response", "config": {"body": word}}]},
            {"actions": [{"type": "ai-gateway", "config": {
                "providers": [custom("one", &format!("{}/v1", self.one.url()), &[KEY_ONE])],
            }}]},
        ]});
        let builder = Gateway::builder(&policy.to_string());
        let folder = self.folder.path().display();
        let config = format!(
            "endpoints:\n  - {{name: plain, listen: '{}', traffic_policy_file: DIR/policy.yml}}\n  - {{name: tls, \
             listen: '{}', traffic_policy_file: DIR/policy.yml, tls: {{cert: {folder}/cert.pem, key: {folder}/key.pem}}}}\n",
            self.plain, self.tls
        );
        let sock = self.sock();
        builder.config(&config).at(self.plain, self.admin).args(&["--upgrade-sock", sock.to_str().unwrap()])
    }

    /// Starts a new process and asks the old one to hand over.
    async fn hand_over(&self, old: &Gateway, word: &str) -> Gateway {
        let builder = self.process(word).arg("--upgrade");
        let starting = tokio::spawn(builder.start());
        wait_for(&self.sock()).await;
        old.signal("QUIT").await;
        soon(starting).await.expect("the new process serves")
    }
}

async fn wait_for(sock: &Path) {
    soon(async {
        while !sock.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Clients that ask until they are told to stop. A request that gets no good answer ends its client with a panic.
struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(stage: &Stage) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut load = Self { stop, count, clients: Vec::new() };
        let (plain, tls, certificate) = (stage.plain, stage.tls, Arc::clone(&stage.certificate));
        load.client(move || async move { assert_eq!(get("/").send(plain).await.status, 200) });
        load.client(move || async move { assert_eq!(get("/").h2().send(plain).await.status, 200) });
        load.client(move || {
            let certificate = Arc::clone(&certificate);
            async move {
                for alpn in ["http/1.1", "h2"] {
                    let io = certificate.connect(tls, NAME, alpn).await;
                    let ask = if alpn == "h2" { get("/").h2() } else { get("/") };
                    let answer = ask.over(io, &format!("https://{NAME}")).await.answer().await;
                    assert_eq!(answer.status, 200);
                }
            }
        });
        let (stop, count) = (Arc::clone(&load.stop), Arc::clone(&load.count));
        load.clients.push(tokio::spawn(kept_h1(plain, stop, count)));
        let (stop, count) = (Arc::clone(&load.stop), Arc::clone(&load.count));
        load.clients.push(tokio::spawn(kept_h2(plain, stop, count)));
        load
    }

    fn client<F: Future<Output = ()> + Send>(&mut self, ask: impl Fn() -> F + Send + 'static) {
        let (stop, count) = (Arc::clone(&self.stop), Arc::clone(&self.count));
        self.clients.push(tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                soon(ask()).await;
                count.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }

    /// How many requests were answered, all of them well.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            soon(client).await.expect("a request failed");
        }
        self.count.load(Ordering::SeqCst)
    }
}

/// One connection for many requests, and the next one when the gateway says that it closes.
async fn kept_h1(to: SocketAddr, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) {
    while !stop.load(Ordering::SeqCst) {
        let mut connection = RawConnection::open(to).await;
        loop {
            assert!(connection.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await);
            let answer = connection.answer().await.expect("the connection was closed without a word");
            assert_eq!(answer.status, 200);
            count.fetch_add(1, Ordering::SeqCst);
            if answer.header("connection") == Some("close") || stop.load(Ordering::SeqCst) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The same with HTTP/2: a request that the client's library has not sent (GOAWAY) is sent on the next connection.
async fn kept_h2(to: SocketAddr, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) {
    while !stop.load(Ordering::SeqCst) {
        let tcp = TokioIo::new(TcpStream::connect(to).await.unwrap());
        let (mut sender, connection) =
            http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), tcp).await.unwrap();
        tokio::spawn(connection);
        while sender.ready().await.is_ok() && !stop.load(Ordering::SeqCst) {
            let request = http::Request::get(format!("http://{to}/")).body(Empty::new()).unwrap();
            match soon(sender.send_request(request)).await {
                Ok(answer) => {
                    assert_eq!(answer.status(), 200);
                    soon(answer.into_body().collect()).await.expect("the whole body");
                    count.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) if error.is_canceled() => break,
                Err(error) => panic!("{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn streamed() -> Ask {
    post(CHAT, &merge(names(&["one:m"]), json!({"stream": true})))
}

#[tokio::test]
async fn two_hand_overs_under_load_lose_nothing() {
    let stage = Stage::new().await;
    let mut old = stage.process("0").start().await;
    let load = Load::start(&stage);
    for word in ["1", "2"] {
        let io = stage.certificate.connect(stage.tls, NAME, "h2").await;
        let mut streams = vec![
            old.open(streamed()).await,
            old.open(streamed().h2()).await,
            streamed().h2().over(io, &format!("https://{NAME}")).await,
        ];
        for stream in &mut streams {
            soon(stream.event()).await.unwrap();
        }
        let new = stage.hand_over(&old, word).await;
        assert_eq!((new.addr, new.admin), (stage.plain, stage.admin));
        // The old one lets nobody in any more: answers and pages are the new one's.
        old.err.find("that it stops", |line| line.contains("stopping: serving").then_some(())).await;
        soon(async { while get("/").send(stage.plain).await.text() != word {} }).await;
        soon(async { while new.status().await["draining"] == true {} }).await;
        assert_eq!(new.admin("/readyz").await.status, 200);
        for stream in streams {
            let answer = soon(stream.answer()).await;
            assert!(answer.whole && answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
        }
        let code = tokio::time::timeout(Duration::from_secs(40), old.wait_end()).await.unwrap();
        assert_eq!(code, Some(0));
        old = new;
    }
    assert!(load.end().await > 50);
    assert!(!stage.sock().exists(), "nothing is left behind");
}

#[tokio::test]
async fn a_new_process_that_cannot_start_changes_nothing() {
    let stage = Stage::new().await;
    let mut old = stage.process("old").start().await;
    let load = Load::start(&stage);
    let bad = stage.process("new").arg("--upgrade");
    bad.file("policy.yml", "on_http_request:\n  - type: custom-respones\n");
    let exit = bad.try_start().await.err().expect("it does not start");
    assert_eq!(exit.code, Some(1), "{exit:?}");
    assert!(exit.stderr.contains("custom-respones"), "{exit:?}");
    assert!(!stage.sock().exists(), "it has not asked for anything");
    // Somebody asks the old one all the same: it waits, and serves.
    old.signal("QUIT").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(old.runs());
    assert_eq!(old.admin("/readyz").await.status, 200);
    // A process that takes the listeners and dies.
    let fake = UnixListener::bind(stage.sock()).unwrap();
    let taken = tokio::task::spawn_blocking(move || {
        let (mut given, _) = fake.accept().unwrap();
        given.read_exact(&mut [0; 9]).unwrap();
    });
    soon(taken).await.unwrap();
    let said = |line: &str| line.contains("this process keeps serving").then(|| line.to_owned());
    let said = old.err.find("that it goes on", said).await;
    assert!(said.contains("did not begin to serve"), "{said}");
    assert_eq!(old.send(get("/")).await.text(), "old");
    // And one that can.
    std::fs::remove_file(stage.sock()).unwrap();
    let new = stage.hand_over(&old, "new").await;
    soon(async { while get("/").send(stage.plain).await.text() != "new" {} }).await;
    assert!(load.end().await > 10);
    drop(new);
}

#[tokio::test]
async fn without_a_way_to_hand_over_it_serves_on() {
    let policy = json!({"on_http_request": [{"type": "custom-response", "config": {"body": "here"}}]});
    let mut gateway = Gateway::start(&policy.to_string()).await;
    gateway.signal("QUIT").await;
    let said = |line: &str| line.contains("there is no --upgrade-sock").then_some(());
    gateway.err.find("why it goes on", said).await;
    assert_eq!(gateway.send(get("/")).await.text(), "here");
    gateway.signal("TERM").await;
    assert_eq!(gateway.ended().await, Some(0));
}

#[tokio::test]
async fn what_could_not_be_a_hand_over_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let sock = folder.path().join("s");
    let sock = sock.to_str().unwrap();
    for (args, why) in [
        (vec!["--upgrade"], "needs --upgrade-sock"),
        (vec!["--upgrade-sock", "/tmp/tollgate-test.sock"], "everybody may write in /tmp"),
        (vec!["--upgrade", "--upgrade-sock", sock], "127.0.0.1:0 names none"),
    ] {
        let exit = run(&[&["run", "--listen", "127.0.0.1:0", "--admin", "none"][..], &args].concat()).await;
        assert_eq!(exit.code, Some(1), "{exit:?}");
        assert!(exit.stderr.contains(why), "{why}: {exit:?}");
    }
}
