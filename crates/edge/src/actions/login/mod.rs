//! What `openid-connect` and `oauth` share: sending browsers to a provider, taking them back, and sessions.

mod asking;
mod attempt;
mod build;
mod callback;
mod cookies;
mod endpoints;
mod failure;
pub(super) mod fields;
mod form;
mod id_token;
mod known;
mod local_path;
mod page;
pub(super) mod providers;
mod renewal;
mod reserved;
mod result;
mod seal;
mod session;
#[cfg(test)]
mod tests;

pub(super) use build::build;
pub use cookies::Names as LoginCookies;
pub(super) use endpoints::{description_of as issuer, safe as endpoint};
pub use known::Logins;
use reserved::Place;
pub(super) use result::RESULTS;

use crate::action::{Action, Flow, RequestCx};
use crate::answer::{Answer, Fault};
use crate::exchange::Exchange;
use crate::jwks::Jwks;
use crate::outbound::{Outbound, Said};
use crate::upstream::Upstream;
use asking::{Asking, Client};
use async_trait::async_trait;
use attempt::{Asked, Attempt};
use cookies::{Brought, Jar, Names};
use endpoints::Endpoints;
use failure::Failure;
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use known::Renewed;
use providers::Provider;
use result::Shown;
use seal::Seal;
use session::{Due, Ended, Limits, Session};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use tollgate_dialect::url::JoinedUrl;
use tollgate_expr::Template;

/// Where somebody logs in.
enum Way {
    /// At an issuer that describes itself.
    OpenId { issuer: String, description: Arc<JoinedUrl> },
    /// At one of the providers of the table.
    OAuth { provider: &'static Provider, endpoints: Box<Endpoints> },
}

/// A configured `openid-connect` or `oauth`.
pub(super) struct Login {
    result_name: &'static str,
    way: Way,
    /// What names the provider in results and in the keys of cookies.
    source: String,
    names: Arc<Names>,
    client_id: Template,
    client_secret: Template,
    /// With spaces between.
    scopes: String,
    parameters: Vec<(String, String)>,
    limits: Limits,
    allow_preflight: bool,
    cookie_domain: Option<String>,
    /// Scheme and host, without a slash at the end; `None`: as the request says.
    public_url: Option<String>,
    /// A hash of what decides who somebody is.
    config: String,
    /// Whether addresses may be asked for beside the user.
    emails: bool,
    logins: Arc<Logins>,
    jwks: Arc<Jwks>,
    outbound: Arc<Outbound>,
}

/// What is known while one request is looked at.
struct Turn {
    client: Client,
    seal: Seal,
    context: String,
    /// Seconds since 1970.
    now: u64,
    /// Scheme and host that the browser sees.
    origin: String,
    brought: Vec<(String, String)>,
}

/// What a request gets.
enum Decided {
    /// It goes on, with this session; these cookies go with its answer.
    Pass { session: Box<Session>, refreshed: bool, cookies: Vec<HeaderValue> },
    /// It goes on without one: a browser's question whether it may ask.
    Preflight,
    /// It is answered.
    Answer(Box<Answer>),
    /// Nobody is logged in, perhaps because a session has ended.
    Nobody(Ended),
    /// It cannot be said who it is.
    Failed(Failure),
}

/// Whatever a request or a provider says, a browser stays on this server, and nobody's session is opened.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(text: &str, bytes: &[u8]) {
    let path = local_path::local_path(text);
    let stays = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
    assert!(stays && path.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?} led to {path}");
    let _ = (form::parameter(text, "state"), endpoints::description_of(text));
    let issuer = "https://id.example.com";
    if let Ok(read) = endpoints::read_description(bytes, issuer) {
        let all = [Some(&read.authorize), Some(&read.token), read.userinfo.as_ref()];
        assert!(all.into_iter().flatten().all(|url| url.https), "a secret would be sent in the clear");
    }
    let seal = Seal::new("a client's secret", "a context");
    assert!(Session::open(&seal, text).is_none(), "a session that was not sealed here");
}

/// A request comes to a policy: takes out what belongs to its login, and says whether the path does too.
pub(crate) fn arrives(engine: &crate::engine::Engine, exchange: &mut Exchange) -> bool {
    let Some(names) = &engine.login else { return false };
    cookies::withhold(names, exchange);
    reserved::place(names, &exchange.request).is_some()
}

/// A request goes on that another endpoint has looked at, and is as it was before: what belongs to that endpoint's login
/// stays out of it.
pub(crate) fn keep_out(engine: &crate::engine::Engine, exchange: &mut Exchange) {
    if let Some(names) = &engine.login {
        let known = exchange.login_cookies.len();
        cookies::withhold(names, exchange);
        exchange.login_cookies.truncate(known);
    }
}

impl Login {
    fn provider(&self) -> Option<&'static Provider> {
        match &self.way {
            Way::OpenId { .. } => None,
            Way::OAuth { provider, .. } => Some(provider),
        }
    }

    fn turn(&self, exchange: &Exchange) -> Result<Turn, Fault> {
        let activation = exchange.activation();
        let text = |field: &str, template: &Template| {
            template
                .render(&activation)
                .map(|text| text.into_owned())
                .map_err(|e| Fault::interpolation(field, &e))
        };
        let client = Client {
            id: text("client_id", &self.client_id)?,
            secret: text("client_secret", &self.client_secret)?,
        };
        if client.id.is_empty() || client.secret.is_empty() {
            return Err(Fault::policy(3125, "the client id or the client secret of the login is empty"));
        }
        let context =
            serde_json::json!([self.result_name, self.names.auth_id, self.source, client.id]).to_string();
        let request = &exchange.request;
        let origin = match &self.public_url {
            Some(url) => url.clone(),
            None => format!("{}://{}", request.scheme, request.host),
        };
        let now = exchange.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let seal = Seal::new(&client.secret, &context);
        Ok(Turn { client, seal, context, now, origin, brought: exchange.login_cookies.clone() })
    }

    fn jar(&self, turn: &Turn) -> Jar<'_> {
        let secure = turn.origin.starts_with("https://");
        Jar { names: &self.names, domain: self.cookie_domain.as_deref(), secure }
    }

    async fn endpoints(&self, upstream: &dyn Upstream) -> Result<Endpoints, Failure> {
        match &self.way {
            Way::OAuth { endpoints, .. } => Ok((**endpoints).clone()),
            Way::OpenId { issuer, description } => {
                let addresses = self.outbound.rule(&description.host, Said::Policy);
                let addresses =
                    addresses.ok_or_else(|| Failure::description("the issuer's host may not be called"))?;
                self.logins.endpoints(issuer, description, &addresses, upstream).await
            }
        }
    }

    async fn asking<'a>(&'a self, turn: &'a Turn, upstream: &'a dyn Upstream) -> Result<Asking<'a>, Failure> {
        Ok(Asking {
            endpoints: self.endpoints(upstream).await?,
            client: &turn.client,
            provider: self.provider(),
            emails: self.emails,
            outbound: &self.outbound,
            upstream,
            now: turn.now,
        })
    }

    /// Sends a browser to the provider.
    async fn start(
        &self,
        turn: &Turn,
        path: String,
        again: bool,
        before: Ended,
        upstream: &dyn Upstream,
    ) -> Result<Answer, Failure> {
        self.reachable(turn)?;
        let endpoints = self.endpoints(upstream).await?;
        let redirect_uri = format!("{}{}", turn.origin, reserved::CALLBACK);
        let attempt = Attempt::new(path, redirect_uri, before, turn.now).map_err(|_| Failure::no_random())?;
        let of_provider = self.provider().map_or(Some(("prompt", "login")), |provider| provider.again);
        let asked = Asked {
            client_id: &turn.client.id,
            scopes: &self.scopes,
            parameters: &self.parameters,
            again: of_provider.filter(|_| again),
            pkce: self.provider().is_none_or(|provider| provider.pkce),
        };
        let cookies = attempt.cookies(&turn.seal, &self.jar(turn), &Brought(&turn.brought))?;
        let answer = page::redirect(&attempt.url(&endpoints, &asked)?).ok_or_else(|| {
            Failure::answer("the provider's page for logins has an address that cannot be used")
        })?;
        Ok(with_cookies(answer, cookies))
    }

    /// Whether a browser that asks like this keeps the cookies of a login at all; else it would go round in circles.
    fn reachable(&self, turn: &Turn) -> Result<(), Failure> {
        let host = turn.origin.split_once("://").map_or("", |(_, host)| host);
        let wrong = |message| Err(Failure::new(2241, StatusCode::BAD_REQUEST, message));
        if host.is_empty() || host.contains(['/', '@', '\\', ' ', '?', '#']) {
            return wrong("the request's host is none that a login can come back to");
        }
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        match &self.cookie_domain {
            Some(domain)
                if name != domain
                    && !name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.')) =>
            {
                wrong(
                    "the request's host does not belong to `auth_cookie_domain`, so a browser would keep no session",
                )
            }
            _ => Ok(()),
        }
    }

    fn result(
        &self,
        exchange: &mut Exchange,
        session: Option<&Session>,
        refreshed: bool,
        failure: Option<&Failure>,
        ended: Ended,
    ) {
        let (source, openid) = (self.source.as_str(), self.provider().is_none());
        exchange.set_result(self.result_name, || {
            Shown { session, source, openid, refreshed, failure, ended }.value()
        });
    }

    /// What somebody without a session gets.
    async fn nobody(
        &self,
        exchange: &mut Exchange,
        turn: &Turn,
        ended: Ended,
        upstream: &dyn Upstream,
    ) -> Result<Answer, Failure> {
        let request = &exchange.request;
        if reserved::is_navigation(request) {
            let path = request.raw_uri.path_and_query().map_or("/", |path| path.as_str());
            return self.start(turn, local_path::local_path(path), false, ended, upstream).await;
        }
        let message = match ended {
            Ended::No => "nobody is logged in; log in with a browser first",
            Ended::Idle | Ended::Age => "the session has ended; log in again with a browser",
        };
        Err(Failure::new(3150, StatusCode::UNAUTHORIZED, message))
    }

    /// Looks at the session that came with a request.
    async fn session(&self, turn: &Turn, upstream: &dyn Upstream) -> Decided {
        let brought = Brought(&turn.brought);
        let sealed = brought.session(&self.names);
        let Some(session) = sealed.and_then(|sealed| Session::open(&turn.seal, &sealed)) else {
            return Decided::Nobody(Ended::No);
        };
        match self.limits.ended(&session, turn.now) {
            Ended::No => {}
            ended => return Decided::Nobody(ended),
        }
        let due = self.limits.due(&session, &self.config, turn.now);
        let (mut session, refreshed, changed) = if (due == Due { user: false, tokens: false }) {
            (session, false, false)
        } else {
            match self.renewed(turn, session, due, upstream).await {
                Renewed::Session(session) => (*session, due.user, true),
                Renewed::Lost => return Decided::Nobody(Ended::No),
                Renewed::Failed(failure) => return Decided::Failed(failure),
            }
        };
        if !changed && !self.limits.touches(&session, turn.now) {
            return Decided::Pass { session: Box::new(session), refreshed, cookies: Vec::new() };
        }
        session.used = turn.now;
        match self.session_cookies(turn, &session) {
            Ok(cookies) => Decided::Pass { session: Box::new(session), refreshed, cookies },
            Err(failure) => Decided::Failed(failure),
        }
    }

    fn session_cookies(&self, turn: &Turn, session: &Session) -> Result<Vec<HeaderValue>, Failure> {
        let sealed = session.seal(&turn.seal).map_err(|_| Failure::no_random())?;
        let age = self.limits.left(session, turn.now);
        self.jar(turn).session(&sealed, age, &Brought(&turn.brought)).map_err(|long| {
            let message = format!(
                "the session has {} bytes, and a browser keeps {} of it: the provider's tokens are too long; ask for fewer `scopes`, or \
                 have it put less into its tokens",
                long.bytes, long.most
            );
            Failure::new(3150, StatusCode::INTERNAL_SERVER_ERROR, message)
        })
    }

    async fn decide(&self, exchange: &Exchange, turn: &Turn, upstream: &dyn Upstream) -> Decided {
        let request = &exchange.request;
        if self.allow_preflight && reserved::is_preflight(request) {
            return Decided::Preflight;
        }
        let answered = match reserved::place(&self.names, request) {
            None => return self.session(turn, upstream).await,
            Some(Place::Login { path }) => self.start(turn, path, true, Ended::No, upstream).await,
            Some(Place::Logout { path }) => Ok(self.log_out(exchange, turn, path)),
            Some(Place::Callback) => self.come_back(exchange, turn, upstream).await,
        };
        answered.map_or_else(Decided::Failed, |answer| Decided::Answer(Box::new(answer)))
    }

    fn log_out(&self, exchange: &Exchange, turn: &Turn, path: Option<String>) -> Answer {
        let login = reserved::login_url(&self.names, path.as_deref().unwrap_or("/"));
        let answer = path.and_then(|path| page::redirect(&path));
        let answer = answer.unwrap_or_else(|| page::logged_out(exchange, &login));
        with_cookies(answer, self.jar(turn).end_session(&Brought(&turn.brought)))
    }

    fn refuse(&self, exchange: &mut Exchange, turn: &Turn, failure: &Failure) -> Flow {
        let request = &exchange.request;
        // After a login the address has a code in it that is of no more use.
        let path = match reserved::place(&self.names, request) {
            None => request.raw_uri.path_and_query().map_or("/", |path| path.as_str()),
            Some(_) => "/",
        };
        let attempt = reserved::came_back(&self.names, request);
        let ended = attempt.as_deref().and_then(|name| self.jar(turn).end(name));
        let retry = reserved::login_url(&self.names, &local_path::local_path(path));
        let answer = page::failed(exchange, failure, Some(&retry));
        Flow::Respond(with_cookies(answer, ended.into_iter().collect()))
    }
}

fn with_cookies(mut answer: Answer, cookies: Vec<HeaderValue>) -> Answer {
    for cookie in cookies {
        answer.headers.append(SET_COOKIE, cookie);
    }
    answer
}

#[async_trait]
impl Action for Login {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let turn = self.turn(cx.exchange)?;
        let decided = Box::pin(self.decide(cx.exchange, &turn, cx.upstream)).await;
        let exchange = &mut *cx.exchange;
        match decided {
            Decided::Pass { session, refreshed, cookies } => {
                self.result(exchange, Some(&session), refreshed, None, Ended::No);
                exchange.cookies.extend(cookies);
                Ok(Flow::Continue)
            }
            Decided::Preflight => {
                self.result(exchange, None, false, None, Ended::No);
                Ok(Flow::Continue)
            }
            Decided::Answer(answer) => {
                self.result(exchange, None, false, None, Ended::No);
                Ok(Flow::Respond(*answer))
            }
            Decided::Nobody(ended) => {
                let answered = Box::pin(self.nobody(exchange, &turn, ended, cx.upstream)).await;
                let exchange = &mut *cx.exchange;
                self.result(exchange, None, false, answered.as_ref().err(), ended);
                Ok(match answered {
                    Ok(answer) => Flow::Respond(answer),
                    Err(failure) => self.refuse(exchange, &turn, &failure),
                })
            }
            Decided::Failed(failure) => {
                self.result(exchange, None, false, Some(&failure), Ended::No);
                Ok(self.refuse(exchange, &turn, &failure))
            }
        }
    }

    fn as_login(&self) -> Option<&Arc<Names>> {
        Some(&self.names)
    }
}
