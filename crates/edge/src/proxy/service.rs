//! The Pingora service of one listener: AI traffic is answered inside the request filter by our own attempt
//! loop; everything a policy lets through goes on Pingora's plain proxy path.

use crate::action::RequestCx;
use crate::answer::{Answer, Fault, OVERLOADED};
use crate::exchange::{Ending, Exchange};
use crate::forward::{Forward, forward};
use crate::late_costs;
use crate::listener::Listener;
use crate::lists;
use crate::load::{Gate, Held, NoPlace, admitted, retry_after};
use crate::phase::{self, Onward, Outcome};
use crate::pool::Pool;
use crate::proxy::framing;
use crate::proxy::plain;
use crate::proxy::provider::is_ours;
use crate::proxy::pulse::{Serving, serving};
use crate::proxy::request::{exchange_for, head_too_large, host_missing};
use crate::proxy::session::SessionClient;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_observe::Queue;

/// One listener's proxy.
pub struct EdgeProxy {
    /// Everything the listener needs.
    pub listener: Arc<Listener>,
}

/// The state of one request, from its head to its log line.
pub struct RequestState {
    /// The policy the request began with.
    pub engine: Arc<crate::engine::Engine>,
    /// Counts the request as in flight until it is dropped.
    pub in_flight: tollgate_observe::InFlightGuard,
    /// Its place among all requests.
    pub place: Option<Held<Arc<Gate>>>,
    /// Tells its connection that no head is awaited.
    pub serving: Option<Serving>,
    /// When the head had been read.
    pub started: Instant,
    /// The request as rules see it; absent until the head was read.
    pub exchange: Option<Exchange>,
    /// The internal endpoint whose servers get the request; `None`: it is this one's.
    pub onward: Option<Arc<Onward>>,
    /// The servers that were tried, by their places in the pool.
    pub tried: SmallVec<[usize; 4]>,
    /// The body that replaces the upstream's, on the plain path.
    pub replaced: Option<Bytes>,
    /// Body bytes received and sent.
    pub received: u64,
    /// See `received`.
    pub sent: u64,
    /// The client left.
    pub client_gone: bool,
}

impl RequestState {
    /// The endpoint whose servers get the request.
    fn served_by(&self, called: &Arc<Listener>) -> Arc<Listener> {
        let onward = self.onward.as_ref().and_then(|onward| onward.endpoint.as_ref());
        Arc::clone(onward.unwrap_or(called))
    }

    /// The policy of that endpoint.
    fn last_engine(&self) -> Arc<crate::engine::Engine> {
        Arc::clone(self.onward.as_ref().map_or(&self.engine, |onward| &onward.engine))
    }

    /// Whether a rule has closed the connection: then it is not the client that left.
    fn closed(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.record.outcome == Ending::Closed)
    }
}

#[async_trait]
impl ProxyHttp for EdgeProxy {
    type CTX = RequestState;

    fn new_ctx(&self) -> RequestState {
        RequestState {
            engine: self.listener.engine.load_full(),
            in_flight: self.listener.in_flight.enter(),
            place: None,
            serving: serving(),
            started: Instant::now(),
            exchange: None,
            onward: None,
            tried: SmallVec::new(),
            replaced: None,
            received: 0,
            sent: 0,
            client_gone: false,
        }
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut RequestState) -> Result<bool> {
        ctx.started = Instant::now();
        let mut exchange = exchange_for(session, &self.listener, &ctx.engine);
        let limits = self.listener.limits;
        let downstream = session.as_downstream_mut();
        if downstream.is_http2() {
            // Of one stream's window only the library knows; writes to the connection have a clock below it.
            downstream.set_write_timeout(Some(limits.write_timeout));
        }
        // Pingora takes a client of HTTP/1.1 that says nothing of it for one that may stay for ever.
        if downstream.get_keepalive().is_some() {
            downstream.set_keepalive(Some(limits.idle_timeout.as_secs().max(1)));
        }
        let ambiguous = framing::refusal(session);
        if ambiguous.is_some() {
            session.as_downstream_mut().set_keepalive(None);
        }
        let refused = ambiguous
            .or_else(|| host_missing(session))
            .or_else(|| head_too_large(session, limits.max_headers));
        if let Some(fault) = refused {
            let answer = fault.answer(exchange.request.uri.path(), &exchange.request.id);
            exchange.record.error_code = Some(fault.code);
            exchange.record.outcome = Ending::Refused;
            return self.finish(session, ctx, exchange, Outcome::Respond(answer)).await;
        }
        let mut client = SessionClient::new(session, &self.listener);
        match self.enter(&mut client).await {
            Ok(place) => ctx.place = Some(place),
            Err(none) => return self.turn_away(session, ctx, exchange, none).await,
        }
        let mut cx = RequestCx {
            exchange: &mut exchange,
            client: &mut client,
            upstream: &*self.listener.upstream,
            engine: &ctx.engine,
        };
        let (outcome, _) = phase::run_request(&ctx.engine.request, &mut cx).await;
        (ctx.sent, ctx.received) = (client.sent, client.received);
        if let Some(provider) = exchange.list_wanted.take() {
            lists::refresh(&self.listener.shared, &self.listener.upstream, &provider);
        }
        let unsettled = std::mem::take(&mut exchange.unsettled);
        late_costs::ask(&self.listener.shared, &self.listener.upstream, unsettled);
        self.finish(session, ctx, exchange, outcome).await
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut RequestState) -> Result<Box<HttpPeer>> {
        let listener = ctx.served_by(&self.listener);
        let Some(pool) = &listener.plain else {
            return Error::e_explain(ErrorType::InternalError, "no upstream");
        };
        plain::peer(pool, &mut ctx.tried).await
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut RequestState,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let listener = ctx.served_by(&self.listener);
        if is_ours(&error) {
            // Nothing that another server would make better.
            listener.shared.metrics.connections_not_opened.inc();
        } else if let (Some(pool), Some(last)) = (&listener.plain, ctx.tried.last()) {
            pool.unreachable(*last);
            // Nothing was sent, so another one may have it.
            error.set_retry(pool.has_another(&ctx.tried));
        }
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        ctx: &mut RequestState,
        client_reused: bool,
    ) -> Box<Error> {
        let again = session.req_header().method.is_idempotent() && !session.as_ref().retry_buffer_truncated();
        if again {
            error.retry.decide_reuse(client_reused);
        } else {
            error.set_retry(false);
        }
        if error.retry() {
            // A connection of the pool that the server had closed: the same server gets it again.
            ctx.tried.pop();
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut RequestState,
    ) -> Result<()> {
        let asked = &session.req_header().headers;
        let listener = ctx.served_by(&self.listener);
        let member =
            listener.plain.as_ref().zip(ctx.tried.last()).and_then(|(pool, last)| pool.member(*last));
        let upstream = member.map(|member| &member.upstream);
        let exchange = ctx.exchange.as_ref();
        exchange.map_or(Ok(()), |exchange| plain::request(upstream, exchange, asked, request))
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        ctx: &mut RequestState,
    ) -> Result<()> {
        ctx.received += body.as_ref().map_or(0, |part| part.len() as u64);
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut RequestState,
    ) -> Result<()> {
        if self.listener.in_flight.is_last() {
            session.as_downstream_mut().set_keepalive(None);
        }
        let Some(exchange) = ctx.exchange.as_mut() else { return Ok(()) };
        let engine = ctx.onward.as_ref().map_or(&ctx.engine, |onward| &onward.engine);
        ctx.replaced = plain::response(&*self.listener.upstream, engine, exchange, response).await?;
        // Anybody can ask for a WebSocket. An answer that is none has come past the rules that look at bodies.
        let looked_at = ctx.replaced.is_some() || response.status == StatusCode::SWITCHING_PROTOCOLS;
        if !looked_at && ctx.exchange.as_ref().is_some_and(|exchange| works_on_bodies(ctx, exchange)) {
            plain::without_body(response)?;
            ctx.replaced = Some(Bytes::new());
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut RequestState,
    ) -> Result<Option<Duration>> {
        if let Some(replacement) = &mut ctx.replaced {
            *body = end.then(|| std::mem::take(replacement));
        }
        ctx.sent += body.as_ref().map_or(0, |part| part.len() as u64);
        Ok(None)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut RequestState,
    ) -> FailToProxy {
        let begun = session.response_written().is_some();
        ctx.client_gone |= client_left(error) && !ctx.closed();
        let answered = ctx.client_gone || ctx.closed();
        let Some(exchange) = ctx.exchange.as_mut().filter(|_| !answered) else {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        };
        if begun {
            exchange.record.outcome = Ending::Truncated;
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        }
        exchange.watches.gave_up();
        let fault = plain::fault(error);
        exchange.record.error_code = Some(fault.code);
        exchange.record.outcome = Ending::Refused;
        let answer = fault.answer(exchange.request.uri.path(), &exchange.request.id);
        let status = answer.status.as_u16();
        let _ = self.send(session, ctx, answer).await;
        FailToProxy { error_code: status, can_reuse_downstream: false }
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &RequestState, _error: &Error) -> bool {
        true // the access log and the record say it
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut RequestState) {
        ctx.client_gone |= error.is_some_and(client_left) && !ctx.closed();
        super::log::write(&self.listener, session, ctx);
    }
}

/// Whether it is the client that broke off; headers of it that cannot be forwarded are answered.
fn client_left(error: &Error) -> bool {
    *error.esource() == pingora_error::ErrorSource::Downstream
        && *error.etype() != ErrorType::InvalidHTTPHeader
}

/// Whether a request goes on Pingora's own path: nobody has read its body, and nobody wants that of its answer.
fn passes(ctx: &RequestState, exchange: &Exchange) -> bool {
    exchange.body.is_none() && (!works_on_bodies(ctx, exchange) || exchange.asks_for_websocket())
}

/// Whether some rule may want the body of the answer.
fn works_on_bodies(ctx: &RequestState, exchange: &Exchange) -> bool {
    ctx.last_engine().works_on_bodies || exchange.enclosing.iter().any(|outer| outer.engine.works_on_bodies)
}

fn gone() -> Result<bool> {
    Err(Error::explain(ErrorType::ConnectionClosed, "the client left").into_down())
}

impl EdgeProxy {
    /// A place among all requests, or why there is none.
    async fn enter(&self, client: &mut SessionClient<'_>) -> Result<Held<Arc<Gate>>, NoPlace> {
        let load = &self.listener.load;
        let metrics = &self.listener.shared.metrics;
        admitted(load.requests.ask(), load.patience, client, metrics, Some(Queue::Requests)).await
    }

    /// Answers a request for which there is no place.
    async fn turn_away(
        &self,
        session: &mut Session,
        ctx: &mut RequestState,
        mut exchange: Exchange,
        why: NoPlace,
    ) -> Result<bool> {
        if why == NoPlace::Gone {
            exchange.record.outcome = Ending::ClientGone;
            return self.finish(session, ctx, exchange, Outcome::Answered).await;
        }
        let fault = Fault {
            code: OVERLOADED,
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: "the gateway is serving as many requests as it can; try again".into(),
        };
        exchange.record.error_code = Some(fault.code);
        exchange.record.outcome = Ending::Refused;
        let mut answer = fault.answer(exchange.request.uri.path(), &exchange.request.id);
        answer.headers.insert(RETRY_AFTER, HeaderValue::from(retry_after(self.listener.load.patience)));
        self.finish(session, ctx, exchange, Outcome::Respond(answer)).await
    }

    /// Carries out how the request phase ended. `Ok(true)`: answered; `Ok(false)`: on to the plain path.
    async fn finish(
        &self,
        session: &mut Session,
        ctx: &mut RequestState,
        mut exchange: Exchange,
        outcome: Outcome,
    ) -> Result<bool> {
        let answer = match outcome {
            Outcome::Answered => {
                ctx.client_gone = exchange.record.outcome == Ending::ClientGone;
                let told = exchange.record.told;
                if exchange.record.outcome != Ending::Complete && !told {
                    session.as_downstream_mut().set_keepalive(None);
                }
                let truncated = exchange.record.outcome == Ending::Truncated && !told;
                ctx.exchange = Some(exchange);
                // With `Ok`, Pingora would write the end of the body: a part would pass for the whole, and a client
                // that takes nothing would be waited for without end.
                if ctx.client_gone {
                    return gone();
                }
                if truncated {
                    return Err(
                        Error::explain(ErrorType::ConnectionClosed, "the provider broke off").into_up()
                    );
                }
                return Ok(true);
            }
            Outcome::Respond(answer) => answer,
            Outcome::Close => {
                exchange.record.outcome = Ending::Closed;
                ctx.exchange = Some(exchange);
                session.as_downstream_mut().set_keepalive(None);
                session.as_downstream_mut().shutdown().await;
                return gone();
            }
            Outcome::Upstream(onward) => {
                ctx.onward = Some(onward);
                return Box::pin(self.pass_on(session, ctx, exchange)).await;
            }
            Outcome::Fallthrough if self.listener.plain.is_some() => {
                return Box::pin(self.pass_on(session, ctx, exchange)).await;
            }
            Outcome::Fallthrough => {
                let fault = Fault {
                    code: 6029,
                    status: StatusCode::NOT_FOUND,
                    message: "no rule of the policy answered this request, and there is no upstream to send it to; \
                              start with --upstream URL, or end the policy with an action that answers"
                        .into(),
                };
                exchange.record.error_code = Some(fault.code);
                exchange.record.outcome = Ending::Refused;
                fault.answer(exchange.request.uri.path(), &exchange.request.id)
            }
        };
        let answer = phase::settled(&ctx.engine, &mut exchange, answer, &*self.listener.upstream).await;
        ctx.exchange = Some(exchange);
        self.send(session, ctx, answer).await;
        if ctx.client_gone { gone() } else { Ok(true) }
    }

    /// Sends a request on to a server behind its endpoint: `Ok(false)` has Pingora do it.
    async fn pass_on(
        &self,
        session: &mut Session,
        ctx: &mut RequestState,
        mut exchange: Exchange,
    ) -> Result<bool> {
        let listener = ctx.served_by(&self.listener);
        let pool: Option<&Pool> = listener.plain.as_ref();
        let Some(pool) = pool.filter(|_| !passes(ctx, &exchange)) else {
            ctx.exchange = Some(exchange);
            return Ok(false);
        };
        let engine = ctx.last_engine();
        let mut client = SessionClient::new(session, &self.listener);
        let to = Forward {
            pool,
            engine: &engine,
            exchange: &mut exchange,
            client: &mut client,
            upstream: &*self.listener.upstream,
        };
        let done = forward(to).await;
        ctx.sent += client.sent;
        if let Err(fault) = done {
            exchange.watches.gave_up();
            exchange.record.error_code = Some(fault.code);
            exchange.record.outcome = Ending::Refused;
            let answer = fault.answer(exchange.request.uri.path(), &exchange.request.id);
            ctx.exchange = Some(exchange);
            self.send(session, ctx, answer).await;
            return Ok(true);
        }
        self.finish(session, ctx, exchange, Outcome::Answered).await
    }

    async fn send(&self, session: &mut Session, ctx: &mut RequestState, answer: Answer) {
        let Answer { status, mut headers, body, .. } = answer;
        if let Some(exchange) = &ctx.exchange {
            super::headers::stamp(&mut headers, exchange, &ctx.engine);
        }
        let mut client = SessionClient::new(session, &self.listener);
        let sent = client.answer(status, headers, body).await;
        ctx.sent += client.sent;
        if sent.is_err() {
            ctx.client_gone = true;
        }
    }
}
