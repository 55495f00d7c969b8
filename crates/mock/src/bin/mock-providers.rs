//! Mock providers as a process of their own, for tests that are not written in Rust.
//!
//! `mock-providers --script FILE.yml [--listen 127.0.0.1:0]` prints two lines and serves until it is killed or
//! its standard input ends, so that it does not outlive the test that started it:
//!
//! ```text
//! listening on http://127.0.0.1:40001
//! control on http://127.0.0.1:40002
//! ```
//!
//! The control address answers `GET /__requests` (what was received, as a JSON list), `DELETE /__requests`
//! (forget it), `GET /__counters`, and `PUT /__script` (follow the YAML in the body from now on). It is an
//! address of its own so that no path of a provider is taken away.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::error::Error;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tollgate_mock::{MockServer, Recorded, Script};

const USAGE: &str = "usage: mock-providers --script FILE.yml [--listen 127.0.0.1:0]";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = Arguments::read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        std::process::exit(2);
    };
    let text = std::fs::read_to_string(&arguments.script)
        .map_err(|why| format!("cannot read {}: {why}", arguments.script.display()))?;
    let mock = Arc::new(MockServer::bind(arguments.listen, Script::from_yaml(&text)?).await?);
    let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    // One write, so that a reader never sees half of it.
    let lines = format!("listening on {}\ncontrol on http://{}\n", mock.url(), control.local_addr()?);
    std::io::stdout().write_all(lines.as_bytes())?;
    std::io::stdout().flush()?;
    tokio::select! {
        served = serve(control, mock) => served?,
        () = standard_input_ends() => {}
    }
    Ok(())
}

/// What the command line says.
struct Arguments {
    script: PathBuf,
    listen: SocketAddr,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut script = None;
        let mut listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        while let Some(word) = words.next() {
            match word.as_str() {
                "--script" => script = Some(PathBuf::from(words.next()?)),
                "--listen" => listen = words.next()?.parse().ok()?,
                _ => return None,
            }
        }
        Some(Self { script: script?, listen })
    }
}

/// A thread reads it: tokio's own reader of standard input keeps a process from ending.
async fn standard_input_ends() {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        // An unreadable input is an ended one.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = ended.send(());
    });
    let _ = end.await;
}

async fn serve(listener: TcpListener, mock: Arc<MockServer>) -> std::io::Result<()> {
    loop {
        let (connection, _) = listener.accept().await?;
        let mock = Arc::clone(&mock);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let mock = Arc::clone(&mock);
                async move { Ok::<_, Infallible>(control(request, &mock).await) }
            });
            // A caller that leaves concerns nobody else.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

async fn control(request: Request<Incoming>, mock: &MockServer) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/__requests") => {
            let requests: Vec<Value> = mock.requests().iter().map(described).collect();
            answer(StatusCode::OK, &json!(requests))
        }
        (&Method::DELETE, "/__requests") => {
            mock.clear_requests();
            answer(StatusCode::OK, &json!({}))
        }
        (&Method::GET, "/__counters") => {
            let counters = mock.counters();
            let shown = json!({
                "connections_opened": counters.connections_opened,
                "connections_closed": counters.connections_closed,
                "requests": counters.requests,
                "open_streams": counters.open_streams,
                "aborted_streams": counters.aborted_streams,
                "finished_streams": counters.finished_streams,
            });
            answer(StatusCode::OK, &shown)
        }
        (&Method::PUT, "/__script") => replace_script(request, mock).await,
        _ => answer(StatusCode::NOT_FOUND, &json!({"error": "no such control"})),
    }
}

async fn replace_script(request: Request<Incoming>, mock: &MockServer) -> Response<Full<Bytes>> {
    let Ok(body) = request.into_body().collect().await else {
        return answer(StatusCode::BAD_REQUEST, &json!({"error": "the body did not arrive"}));
    };
    let body = body.to_bytes();
    match Script::from_yaml(&String::from_utf8_lossy(&body)) {
        Ok(script) => {
            mock.set_script(script);
            answer(StatusCode::OK, &json!({}))
        }
        Err(why) => answer(StatusCode::BAD_REQUEST, &json!({"error": why.to_string()})),
    }
}

/// A request as tests read it: the body as JSON, or null, and beside it as text.
fn described(request: &Recorded) -> Value {
    json!({
        "connection": request.connection,
        "method": request.method.as_str(),
        "path_and_query": request.path_and_query,
        "version": format!("{:?}", request.version),
        "headers": headers(&request.headers),
        "json": request.json(),
        "text": String::from_utf8_lossy(&request.body),
        "provider": request.provider,
        "surface": request.surface,
        "model": request.model,
        "stream": request.stream,
        "key": request.key,
    })
}

/// Names in lower case; values of the same name joined with a comma, as RFC 9110 section 5.3 allows.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    headers
        .keys()
        .map(|name| {
            let values: Vec<_> =
                headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
            (name.to_string(), Value::from(values.join(", ")))
        })
        .collect()
}

fn answer(status: StatusCode, json: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(json.to_string())));
    *response.status_mut() = status;
    let json_type = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json_type);
    response
}
