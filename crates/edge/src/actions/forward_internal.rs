//! `forward-internal`: sends the request on to another endpoint of the same configuration.

use super::login;
use crate::action::{Action, ActionType, BuildContext, BuildError, ConnectCx, ConnectFlow, Flow, RequestCx};
use crate::answer::Fault;
use crate::exchange::{Ending, Exchange};
use crate::forward::{Forward, forward, nobody, refused};
use crate::internal::{BadInternalUrl, Directory, InternalUrl};
use crate::listener::{Listener, Protocol};
use crate::phase::{self, Onward, Outcome};
use crate::proxy::passing::reach;
use crate::proxy::plain::mark_forwarded;
use crate::upstream::{Addresses, Call};
use async_trait::async_trait;
use http::{HeaderMap, Method, StatusCode};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;
use tollgate_dialect::url::JoinedUrl;
use tollgate_expr::{EndpointFacts, Map, Scope, Template, Value, nearest};
use tollgate_policy::{ActionSpec, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType { spec: &SPEC, build };

/// How many endpoints may send a request on, one after the other.
const MOST_FORWARDS: usize = 5;
/// There is no such endpoint, or none of its servers is healthy.
const OFFLINE: u16 = 3200;
/// The request was sent on too often.
const TOO_MANY: u16 = 3501;

static SPEC: ActionSpec = ActionSpec {
    name: "forward-internal",
    result_name: "forward_internal",
    summary: "Sends the request, or the connection, on to an endpoint of the same configuration, whose own policy then runs. \
              What that endpoint answers to a request goes through the response phase here as well.",
    phases: &[Phase::TcpConnect, Phase::HttpRequest],
    terminating: Terminating::OnSuccess,
    results: &[
        ResultVar::new("url", Holds::Text, "Where the request was to go, as `scheme://host:port`; there after a failure with `on_error: continue`.").or_absent(),
        ResultVar::new("error.code", Holds::Text, "Why it failed, as `ERR_NGROK_…`; there then.").or_absent(),
        ResultVar::new("error.message", Holds::Text, "The same for people; there then.").or_absent(),
    ],
    differences: &[
        "Endpoints are those of one configuration file, and nothing is encrypted between them: `http` and `https` differ by name only.",
        "`x-forwarded-for` has the client's address once, however often the request is forwarded.",
    ],
    fields: &[
        Field::required(
            "url",
            Shape::Template,
            "The endpoint: `http://` or `https://`, for connections `tcp://` or `tls://`; a name that ends in `.internal`; \
             and perhaps a port. It may be computed, as in `https://${req.host.split('.')[0]}.internal`; only endpoints of the configuration file can be reached so.",
        ),
        Field::optional(
            "on_error",
            Shape::Enum(&["halt", "continue"]),
            "What happens when the endpoint does not exist, has no healthy server, or no server that can be connected to and \
             answers. `halt`: the client gets the error. `continue`: the error is in the result and the next action runs; \
             the request's body is held in memory meanwhile, within the limits of the listener. An answer with an error status is \
             no error.",
        )
        .or("halt"),
    ],
    check: Some(check),
    example: "- type: forward-internal\n  config:\n    url: https://api.internal\n    on_error: continue\n",
};

fn check(config: &Config<'_>, checker: &mut Checker) {
    let Some(url) = config.get("url") else { return };
    let text = url.as_str().unwrap_or_default();
    if text.contains("${") {
        return;
    }
    let connection = matches!(config.scope(), Scope::Connect | Scope::Terminated);
    let wrong = match text.parse::<InternalUrl>() {
        Ok(url) if !connection && !url.scheme.is_http() => {
            "requests can be sent to http and https endpoints only".to_owned()
        }
        Ok(url) if connection && url.scheme.is_http() => {
            "connections can be sent to tcp and tls endpoints only".to_owned()
        }
        Ok(url) if url.is_wildcard() => {
            "name one endpoint; a `*` is for the endpoint's own address".to_owned()
        }
        Ok(_) => return,
        Err(wrong) => wrong.to_string(),
    };
    let help = Some("write the address of an internal endpoint, such as https://api.internal".to_owned());
    checker.error(url, "ERR_NGROK_2204", format!("`url` cannot be forwarded to: {wrong}"), help);
}

fn build(config: &Config<'_>, cx: &BuildContext<'_>) -> Result<Box<dyn Action>, BuildError> {
    let url = config.get("url");
    let directory = Arc::clone(&cx.shared.internal);
    if let Some(url) = &url
        && let Some(wanted) = url.as_str().and_then(|text| text.parse::<InternalUrl>().ok())
        && directory.is_known()
        && !directory.declares(&wanted)
    {
        let names: Vec<String> = directory.urls().iter().map(ToString::to_string).collect();
        let near = nearest(&wanted.to_string(), names.iter().map(String::as_str)).map(str::to_owned);
        let help = match near {
            Some(near) => format!("did you mean {near}?"),
            None if names.is_empty() => {
                "internal endpoints are entries of `endpoints` with a `url`".to_owned()
            }
            None => format!("the internal endpoints are {}", names.join(", ")),
        };
        cx.warnings.add(url.location(), "ERR_NGROK_3200", format!("there is no endpoint {wanted}"), help);
    }
    Ok(Box::new(ForwardInternal {
        url: url.and_then(|url| url.template()).unwrap_or_else(|| Template::literal("")),
        continues: config.get("on_error").and_then(|word| word.as_str()) == Some("continue"),
        directory,
    }))
}

struct ForwardInternal {
    url: Template,
    continues: bool,
    directory: Arc<Directory>,
}

impl ForwardInternal {
    fn target(&self, exchange: &Exchange, connection: bool) -> Result<InternalUrl, Fault> {
        let text = self.url.render(&exchange.activation()).map_err(|e| Fault::interpolation("url", &e))?;
        let bad = |wrong: BadInternalUrl| offline(format!("the request cannot be forwarded: {wrong}"));
        let url: InternalUrl = text.parse().map_err(bad)?;
        if url.is_wildcard() || url.scheme.is_http() == connection {
            return Err(offline(format!("{url} is no address of an endpoint that it can be forwarded to")));
        }
        Ok(url)
    }

    /// The endpoint of an address, if what is forwarded has not come through too many already.
    fn find(&self, exchange: &Exchange, url: &InternalUrl) -> Result<&Arc<Listener>, Fault> {
        let found = self.directory.find(url).ok_or_else(|| offline(format!("there is no endpoint {url}")))?;
        if exchange.enclosing.len() >= MOST_FORWARDS {
            let message = format!("it was forwarded {MOST_FORWARDS} times; {url} would be one more");
            return Err(Fault { code: TOO_MANY, status: StatusCode::LOOP_DETECTED, message });
        }
        Ok(found)
    }

    async fn forward(&self, cx: &mut RequestCx<'_>, url: &InternalUrl) -> Result<Flow, Fault> {
        if !self.directory.is_known() {
            return outside(cx, url).await;
        }
        let listener = self.find(cx.exchange, url)?;
        let inner = listener.engine.load_full();
        let endpoint =
            EndpointFacts { host: url.host.as_str().into(), ..EndpointFacts::clone(&listener.endpoint) };
        let waiting = cx.exchange.watches.len();
        let before = self.continues.then(|| cx.exchange.request.clone());
        if cx.exchange.enclosing.is_empty() {
            mark_forwarded(cx.exchange);
        }
        cx.exchange.enter(Arc::clone(cx.engine), Arc::new(endpoint), inner.wants_results);
        let passed = self.inside(cx, listener, Arc::clone(&inner), waiting).await;
        if passed.is_err() {
            cx.exchange.leave();
            if let Some(request) = before {
                cx.exchange.request = request;
                login::keep_out(&inner, cx.exchange);
                cx.exchange.watches.give_up_since(waiting);
            }
        }
        passed
    }

    /// Sends a connection on: the endpoint's rules run, then one of its servers is connected to.
    async fn connect(&self, cx: &mut ConnectCx<'_>, url: &InternalUrl) -> Result<ConnectFlow, Fault> {
        let listener = self.find(cx.exchange, url)?;
        let inner = listener.engine.load_full();
        let endpoint =
            EndpointFacts { host: url.host.as_str().into(), ..EndpointFacts::clone(&listener.endpoint) };
        cx.exchange.enter(Arc::clone(cx.engine), Arc::new(endpoint), inner.wants_results);
        let flow = Box::pin(phase::run_connect(&inner, cx.exchange, cx.tls)).await;
        cx.exchange.leave();
        if !matches!(flow, ConnectFlow::Continue) {
            return Ok(flow);
        }
        let Some(pool) = &listener.plain else {
            let id = &listener.endpoint.id;
            return Err(offline(format!(
                "no rule of {id} has sent the connection on, and it has no upstream"
            )));
        };
        let refused = |why| Fault {
            code: 3006,
            status: StatusCode::BAD_GATEWAY,
            message: format!("no server of {url} could be connected to: {why}"),
        };
        reach(pool).await.map(|reached| ConnectFlow::Pass(Box::new(reached))).map_err(refused)
    }

    /// What a failure comes to: the next action, or the end.
    fn failed(&self, exchange: &mut Exchange, url: Result<&InternalUrl, &Fault>, fault: &Fault) {
        tracing::warn!(request_id = %exchange.request.id, code = fault.code, "{}", fault.message);
        let url = url.map(|url| format!("{}://{}:{}", url.scheme.name(), url.host, url.port));
        exchange.set_result(SPEC.result_name, || result(url.as_deref().unwrap_or(""), fault));
    }

    /// Runs the endpoint's policy, and carries out what comes of it as far as it can be done here.
    async fn inside(
        &self,
        cx: &mut RequestCx<'_>,
        listener: &Arc<Listener>,
        engine: Arc<crate::engine::Engine>,
        waiting: usize,
    ) -> Result<Flow, Fault> {
        let mut inner = RequestCx {
            exchange: &mut *cx.exchange,
            client: &mut *cx.client,
            upstream: cx.upstream,
            engine: &engine,
        };
        let (outcome, _) = Box::pin(phase::run_request(&engine.request, &mut inner)).await;
        match outcome {
            Outcome::Respond(answer) => {
                let mut answer = phase::settled(&engine, cx.exchange, answer, cx.upstream).await;
                cx.exchange.leave();
                // Whatever it is, out here it is what the upstream has said.
                cx.exchange.watches.answered_until(waiting, answer.status);
                answer.response_phase = true;
                Ok(Flow::Respond(answer))
            }
            Outcome::Answered => {
                cx.exchange.leave();
                Ok(Flow::Answered)
            }
            Outcome::Close => Ok(Flow::Close),
            Outcome::Upstream(onward) => Ok(Flow::Upstream(onward)),
            Outcome::Fallthrough => {
                let Some(pool) = &listener.plain else {
                    let id = &listener.endpoint.id;
                    return Err(offline(format!(
                        "no rule of {id} answered the request, and it has no upstream"
                    )));
                };
                if !self.continues || cx.exchange.asks_for_websocket() {
                    if !pool.has_another(&[]) {
                        return Err(nobody());
                    }
                    let endpoint = Some(Arc::clone(listener));
                    return Ok(Flow::Upstream(Arc::new(Onward { endpoint, engine })));
                }
                let to = Forward {
                    pool,
                    engine: &engine,
                    exchange: &mut *cx.exchange,
                    client: &mut *cx.client,
                    upstream: cx.upstream,
                };
                forward(to).await?;
                cx.exchange.leave();
                Ok(Flow::Answered)
            }
        }
    }
}

/// In commands that look at one policy, nobody knows the endpoint: the script says what it does, or else it takes the
/// request.
async fn outside(cx: &mut RequestCx<'_>, url: &InternalUrl) -> Result<Flow, Fault> {
    if let Some(trace) = &mut cx.exchange.trace {
        if let Err(fault) = cx.upstream.open(scripted(url)).await {
            return Err(refused(&fault));
        }
        trace.forwarded_to = Some(url.to_string());
    }
    Ok(Flow::Upstream(Arc::new(Onward { endpoint: None, engine: Arc::clone(cx.engine) })))
}

/// A call that a script can answer, under the name of the endpoint. It would reach no address.
fn scripted(url: &InternalUrl) -> Call {
    struct Nowhere;
    impl Addresses for Nowhere {
        fn allows(&self, _address: std::net::SocketAddr) -> bool {
            false
        }
    }
    let to = JoinedUrl {
        https: url.scheme == Protocol::Https,
        host: url.host.clone(),
        port: url.port,
        authority: url.host.clone(),
        full: url.to_string(),
        path_and_query: "/".to_owned(),
    };
    Call {
        provider: url.host.as_str().into(),
        model: "".into(),
        url: to.into(),
        method: Method::GET,
        headers: HeaderMap::new(),
        body: SmallVec::new(),
        connect_timeout: Duration::ZERO,
        head_timeout: Duration::ZERO,
        resend: false,
        addresses: Some(Arc::new(Nowhere)),
    }
}

fn offline(message: String) -> Fault {
    Fault { code: OFFLINE, status: StatusCode::NOT_FOUND, message }
}

fn result(url: &str, fault: &Fault) -> Value {
    let mut error = Map::new();
    error.insert("code".into(), format!("ERR_NGROK_{}", fault.code).into());
    error.insert("message".into(), fault.message.clone().into());
    let mut result = Map::new();
    result.insert("url".into(), url.to_owned().into());
    result.insert("error".into(), Value::Map(Arc::new(error)));
    Value::Map(Arc::new(result))
}

#[async_trait]
impl Action for ForwardInternal {
    async fn on_connect(&self, cx: &mut ConnectCx<'_>) -> Result<ConnectFlow, Fault> {
        let url = self.target(cx.exchange, true);
        let forwarded = match &url {
            Ok(url) => self.connect(cx, url).await,
            Err(fault) => Err(fault.clone()),
        };
        match forwarded {
            Err(fault) if self.continues => {
                self.failed(cx.exchange, url.as_ref(), &fault);
                Ok(ConnectFlow::Continue)
            }
            done => done,
        }
    }

    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let url = self.target(cx.exchange, false);
        if self.continues && url.is_ok() && !cx.exchange.asks_for_websocket() {
            cx.body().await?; // the next action may need it
        }
        let forwarded = match &url {
            Ok(url) => self.forward(cx, url).await,
            Err(fault) => Err(fault.clone()),
        };
        match forwarded {
            Err(fault) if self.continues && cx.exchange.record.outcome != Ending::ClientGone => {
                self.failed(cx.exchange, url.as_ref(), &fault);
                Ok(Flow::Continue)
            }
            Err(fault) => {
                // An endpoint that does not exist is no upstream that failed: whoever can make up names must not open a
                // breaker for others.
                if fault.status.is_server_error() && fault.code != TOO_MANY {
                    cx.exchange.watches.gave_up();
                }
                Err(fault)
            }
            done => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::loads;

    fn with(config: &str) -> String {
        format!("on_http_request:\n  - type: forward-internal\n    config: {config}\n")
    }

    #[test]
    fn mistakes_are_refused_where_they_stand() {
        for (config, said) in [
            ("{}", "`url` is missing"),
            ("{url: 3}", "3:"),
            ("{url: 'https://api.example.com'}", "its name must end in .internal"),
            ("{url: 'tcp://api.internal:1'}", "http and https endpoints only"),
            ("{url: 'https://*.internal'}", "name one endpoint"),
            ("{url: 'https://api.internal/v1'}", "without path, query or user"),
            ("{url: 'https://api.internal', on_error: retry}", "halt"),
            ("{url: 'https://api.internal', binding: internal}", "binding"),
        ] {
            let error = loads(&with(config)).expect_err(config);
            assert!(error.contains(said) && error.contains("test.yml:3:"), "{config}: {error}");
        }
        let wrong_phase =
            "on_http_response:\n  - type: forward-internal\n    config: {url: 'https://a.internal'}\n";
        assert!(loads(wrong_phase).is_err());
    }

    #[test]
    fn a_policy_alone_does_not_know_which_endpoints_there_are() {
        assert_eq!(loads(&with("{url: 'https://api.internal'}")), Ok(String::new()));
    }
}
