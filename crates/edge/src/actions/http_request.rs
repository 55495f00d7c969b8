//! `http-request`: asks another server, and leaves its answer to the rules that follow.

mod attempt;
mod report;
#[cfg(test)]
mod tests;
mod trouble;

use super::header_names::{HeaderTemplate, check as check_names, templates};
use crate::action::{
    Action, ActionType, BuildContext, BuildError, Flow, RequestCx, ResponseCx, ResponseFlow,
};
use crate::answer::Fault;
use crate::exchange::Exchange;
use crate::internal::Directory;
use crate::outbound::Outbound;
use crate::upstream::Upstream;
use crate::web_url::{names_its_host, parse, with_parameters};
use async_trait::async_trait;
use attempt::{Attempt, Request, Way};
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use report::Hidden;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_expr::{Activation, Program, ResponseFacts, Template};
use tollgate_policy::{
    ActionSpec, CelScope, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating,
};
use trouble::Trouble;

pub(super) static ACTION: ActionType = ActionType { spec: &SPEC, build };

/// Attempts after the first.
const RETRIES: usize = 3;
/// How often a request may come back here by requests of this action.
const HOPS: usize = 3;
/// Says how often; whoever guesses the value can only shorten his own way.
const HOPS_HEADER: HeaderName = HeaderName::from_static("x-tollgate-hops");
/// The most query parameters.
const MOST_PARAMETERS: usize = 32;
/// The longest name and value of a query parameter, in characters.
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 8192;

static SPEC: ActionSpec = ActionSpec {
    name: "http-request",
    result_name: "http_request",
    summary: "Asks another server and leaves its answer in `actions.ngrok.http_request` for the rules that follow.",
    phases: &[Phase::HttpRequest, Phase::HttpResponse],
    terminating: Terminating::Never,
    results: &[ResultVar::new("error.code", Holds::Text, "Why there is no answer, as `ERR_NGROK_…`; else empty."), ResultVar::new("error.message", Holds::Text, "The same for people; else empty."), ResultVar::new("attempts", Holds::List, "Every attempt, in order."), ResultVar::new("attempts[].resolved_ip", Holds::Text, "The address that was called."), ResultVar::new("attempts[].response_header", Holds::Map, "Headers of its answer; a list of values each."), ResultVar::new("attempts[].response_status_code", Holds::Int, "Status of its answer; 0 without one."), ResultVar::new("attempts[].response_time_ms", Holds::Text, "How long it took, in milliseconds."), ResultVar::new("req", Holds::Map, "What was asked; where redirects were followed, the first of it.").or_absent(), ResultVar::new("req.method", Holds::Text, "The method."), ResultVar::new("req.header", Holds::Map, "The headers; a list of values each, secrets blotted out."), ResultVar::new("req.url", Holds::Text, "The URL."), ResultVar::new("req.body", Holds::Text, "The body."), ResultVar::new("res", Holds::Map, "The last answer."), ResultVar::new("res.resolved_ip", Holds::Text, "The address that was called."), ResultVar::new("res.header", Holds::Map, "Its headers; a list of values each."), ResultVar::new("res.status_code", Holds::Int, "Its status; 0 without an answer."), ResultVar::new("res.statusCode", Holds::Int, "The same; some examples write it so."), ResultVar::new("res.time_ms", Holds::Text, "How long it took, in milliseconds."), ResultVar::new("res.body", Holds::Text, "Its body, as text.")],
    differences: &["A host that is computed must be in the operator's list `http_request_targets`; metadata services and link-local addresses must be in `reserved_targets`. ngrok's requests leave its own network, these leave yours.", "`max_redirects` may be from 0 to 100, and is 0 by default: ngrok's page says both 0 and 10."],
    fields: &[
        Field::required(
            "url",
            Shape::Template,
            "An `http` or `https` URL. Its host may be computed, as in `https://${...}/`; then the operator's list \
             `http_request_targets` in the configuration file must have it. A host that is written out needs no \
             entry, except where a name leads to this machine. Metadata services of clouds and link-local addresses \
             are called only when `reserved_targets` has them, and the process itself only when the host is written out. A host that is an internal endpoint of the configuration is that endpoint: its policy runs, and \
             nothing leaves the process.",
        ),
        Field::optional(
            "method",
            Shape::Enum(&["GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"]),
            "The method.",
        )
        .or("GET"),
        Field::optional(
            "query_params",
            Shape::List { item: &PARAMETER, min: 0, max: MOST_PARAMETERS },
            "Parameters that are added to the URL's query, encoded.",
        ),
        Field::optional("headers", Shape::HEADERS, "Headers of the request, at most ten."),
        Field::optional("body", Shape::Template, "The body, with `PUT`, `POST` and `PATCH`.").or(""),
        Field::optional(
            "max_redirects",
            Shape::Int { min: 0, max: 100 },
            "How many redirects are followed; with 0 the redirect is the answer. A redirect to another host needs an \
             entry in `http_request_targets`. Another server gets none of `headers`.",
        )
        .or("0"),
        Field::optional(
            "timeout",
            Shape::Duration { min: Duration::from_secs(1), max: Duration::from_secs(30) },
            "Time for all of it: redirects, retries, the answer's body.",
        )
        .or("3s"),
        Field::optional(
            "retry_condition",
            Shape::Cel(CelScope::Retry),
            "Asked after an attempt without an answer, or with a status of 400 or more: whether to try again, three times \
             at most. It sees `attempts`, their number, and `last_attempt` with `req`, `res` and `error`.",
        )
        .or("false"),
        Field::optional(
            "on_error",
            Shape::Enum(&["continue", "halt"]),
            "What happens when there is no answer, or one longer than 256 KB. `continue`: the error is in the result, and \
             the rules go on. `halt`: the client gets an error. An answer with an error status is no error.",
        )
        .or("continue"),
    ],
    check: Some(check),
    example: "- type: http-request\n  config:\n    url: https://auth.example.com/check\n    method: POST\n    \
              headers: {content-type: application/json}\n    body: '{\"path\": \"${req.url.path}\"}'\n    \
              retry_condition: attempts < 3 && last_attempt.res.status_code >= 500\n    on_error: halt\n",
};

const PARAMETER: Shape = Shape::Object(&[
    Field::required("key", Shape::Template, "Its name, at most 128 characters."),
    Field::required("value", Shape::Template, "Its value, at most 8192 characters."),
]);

fn check(config: &Config<'_>, checker: &mut Checker) {
    let names = config.get("headers").map(|headers| headers.entries()).unwrap_or_default();
    check_names(&names, &["host", "accept-encoding", "x-forwarded-for"], checker);
    if let Some(url) = config.get("url")
        && url.as_str().is_some_and(|text| !text.contains("${"))
        && let Err(wrong) = parse(url.as_str().unwrap_or_default())
    {
        checker.error(url, "ERR_NGROK_2226", format!("`url` is no URL that can be called: {wrong}"), None);
    }
    let method = config.get("method").and_then(|method| method.as_str()).unwrap_or("GET");
    if let Some(body) = config.get("body").filter(|body| body.as_str() != Some(""))
        && !matches!(method, "PUT" | "POST" | "PATCH")
    {
        let message = format!("a request with the method {method} has no body");
        let help = "add `method: POST`, or leave `body` out".to_owned();
        checker.error(body, "ERR_NGROK_2204", message, Some(help));
    }
    if let Some(all) = config.get("query_params").filter(|all| all.as_list().len() > MOST_PARAMETERS) {
        checker.recode(all, "ERR_NGROK_2244");
    }
    for parameter in config.get("query_params").map(|list| list.as_list()).unwrap_or_default() {
        for (field, code, most) in
            [("key", "ERR_NGROK_2245", LONGEST_KEY), ("value", "ERR_NGROK_2246", LONGEST_VALUE)]
        {
            let Some(text) = parameter.get(field).filter(|text| !text.as_str().unwrap_or("").contains("${"))
            else {
                continue;
            };
            if text.as_str().unwrap_or("").chars().count() > most {
                checker.error(text, code, format!("`{field}` may have at most {most} characters"), None);
            }
        }
    }
}

fn build(config: &Config<'_>, cx: &BuildContext<'_>) -> Result<Box<dyn Action>, BuildError> {
    let template = |name| config.get(name).and_then(|text| text.template());
    let empty = || Template::literal("");
    let url = template("url").unwrap_or_else(empty);
    let parameters = config.get("query_params").map(|list| list.as_list()).unwrap_or_default();
    let parameter = |entry: &Config<'_>| {
        let part = |name| entry.get(name).and_then(|text| text.template()).unwrap_or_else(empty);
        (part("key"), part("value"))
    };
    let method = config.get("method").and_then(|method| method.as_str()).unwrap_or("GET");
    Ok(Box::new(HttpRequest {
        named: names_its_host(url.source()),
        url,
        method: Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET),
        parameters: parameters.iter().map(parameter).collect(),
        headers: templates(config.get("headers"))?,
        body: template("body").unwrap_or_else(empty),
        max_redirects: config
            .get("max_redirects")
            .and_then(|n| n.as_u64())
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
        timeout: config.get("timeout").and_then(|t| t.as_duration()).unwrap_or(Duration::from_secs(3)),
        retry: config.get("retry_condition").and_then(|text| text.cel(CelScope::Retry)),
        halts: config.get("on_error").and_then(|word| word.as_str()) == Some("halt"),
        outbound: Arc::clone(&cx.shared.outbound),
        internal: Arc::clone(&cx.shared.internal),
        instance: HeaderValue::try_from(cx.shared.instance()).unwrap_or(HeaderValue::from_static("0")),
    }))
}

struct HttpRequest {
    url: Template,
    /// Whether the URL's host is written out.
    named: bool,
    method: Method,
    parameters: Vec<(Template, Template)>,
    headers: Vec<HeaderTemplate>,
    body: Template,
    max_redirects: u32,
    timeout: Duration,
    retry: Option<Program>,
    halts: bool,
    outbound: Arc<Outbound>,
    internal: Arc<Directory>,
    instance: HeaderValue,
}

/// Whether a value is computed from secrets.
fn secret(template: &Template) -> bool {
    template.programs().any(|program| program.source().contains("secrets"))
}

impl HttpRequest {
    fn render(&self, activation: &Activation<'_>, exchange: &Exchange) -> Result<Request, Fault> {
        let text = |field: &str, template: &Template| {
            template
                .render(activation)
                .map(std::borrow::Cow::into_owned)
                .map_err(|e| Fault::interpolation(field, &e))
        };
        let url = |wrong| Fault::policy(2226, format!("the URL of http-request cannot be called: {wrong}"));
        let mut parameters = Vec::with_capacity(self.parameters.len());
        for (key, value) in &self.parameters {
            let (key, value) = (text("query_params.key", key)?, text("query_params.value", value)?);
            for (what, code, length, most) in [
                ("key", 2245, key.chars().count(), LONGEST_KEY),
                ("value", 2246, value.chars().count(), LONGEST_VALUE),
            ] {
                if length > most {
                    let message =
                        format!("the {what} of a query parameter has {length} characters, over {most}");
                    return Err(Fault::policy(code, message));
                }
            }
            parameters.push((key, value));
        }
        let target = parse(&text("url", &self.url)?).map_err(url)?;
        let target = with_parameters(target, &parameters).map_err(url)?;
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for header in &self.headers {
            let mut value = header.render(activation)?;
            let known = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(&header.name);
            value.set_sensitive(known || secret(&header.value));
            headers.append(header.name.clone(), value);
        }
        Ok(Request {
            method: self.method.clone(),
            url: Arc::new(target),
            named: self.named,
            own: self.own_headers(&headers, exchange),
            headers,
            body: Bytes::from(text("body", &self.body)?),
        })
    }

    /// The gateway's own headers; the policy may replace the first two.
    fn own_headers(&self, given: &HeaderMap, exchange: &Exchange) -> HeaderMap {
        const AGENT: &str = concat!("tollgate/", env!("CARGO_PKG_VERSION"));
        let mut own = HeaderMap::new();
        for (name, value) in [(USER_AGENT, AGENT), (ACCEPT, "*/*"), (ACCEPT_ENCODING, "gzip")] {
            if !given.contains_key(&name) {
                own.insert(name, HeaderValue::from_static(value));
            }
        }
        own.insert("x-tollgate-request-type", HeaderValue::from_static("http-request"));
        let id = HeaderValue::try_from(&*crate::proxy::request::request_id());
        own.extend(id.ok().map(|id| (HeaderName::from_static("x-tollgate-request-id"), id)));
        let client = HeaderValue::try_from(exchange.connection.client.ip().to_string());
        own.extend(client.ok().map(|ip| (HeaderName::from_static("x-forwarded-for"), ip)));
        for _ in 0..=self.hops(exchange) {
            own.append(HOPS_HEADER, self.instance.clone());
        }
        own
    }

    fn hops(&self, exchange: &Exchange) -> usize {
        let seen = exchange.request.headers.get_all(HOPS_HEADER);
        seen.iter().filter(|value| **value == self.instance).count()
    }

    async fn run(
        &self,
        exchange: &mut Exchange,
        response: Option<&ResponseFacts>,
        upstream: &dyn Upstream,
    ) -> Result<(), Fault> {
        if self.hops(exchange) >= HOPS {
            return self.finish(exchange, None, &[], Some(Trouble::Loop));
        }
        let asked = self.render(&activation(exchange, response), exchange)?;
        let connection = Arc::clone(&exchange.connection);
        let way = Way {
            upstream,
            outbound: &self.outbound,
            internal: &self.internal,
            connection: &connection,
            max_redirects: self.max_redirects,
            deadline: Instant::now() + self.timeout,
        };
        let mut attempts: Vec<Attempt> = Vec::new();
        loop {
            if let Some(before) = attempts.last_mut() {
                before.body = Bytes::new(); // only the last is kept
            }
            let attempt = way.attempt(&asked).await;
            attempts.push(attempt);
            if !self.again(exchange, response, &asked, &attempts)? {
                break;
            }
        }
        let trouble = attempts.last().and_then(|last| last.trouble.clone());
        self.finish(exchange, Some(&asked), &attempts, trouble)
    }

    /// Whether there is to be another attempt.
    fn again(
        &self,
        exchange: &Exchange,
        response: Option<&ResponseFacts>,
        asked: &Request,
        attempts: &[Attempt],
    ) -> Result<bool, Fault> {
        let (Some(condition), Some(last)) = (&self.retry, attempts.last()) else { return Ok(false) };
        if last.succeeded() || attempts.len() > RETRIES || last.trouble == Some(Trouble::Timeout) {
            return Ok(false);
        }
        let retry = report::for_condition(asked, self.hidden(), attempts.len(), last);
        let activation = Activation { retry: Some(&retry), ..activation(exchange, response) };
        condition
            .test(&activation)
            .map_err(|e| Fault::policy(2253, format!("`retry_condition` of http-request failed: {e}")))
    }

    fn hidden(&self) -> Hidden {
        let parameters = self.parameters.iter().any(|(key, value)| secret(key) || secret(value));
        Hidden { url: secret(&self.url) || parameters, body: secret(&self.body) }
    }

    fn finish(
        &self,
        exchange: &mut Exchange,
        asked: Option<&Request>,
        attempts: &[Attempt],
        trouble: Option<Trouble>,
    ) -> Result<(), Fault> {
        let hidden = self.hidden();
        exchange.set_result(SPEC.result_name, || {
            report::result(asked.map(|asked| (asked, hidden)), attempts, trouble.as_ref())
        });
        let Some(trouble) = trouble else { return Ok(()) };
        let message = format!("http-request failed: {}", trouble.message());
        if self.halts {
            return Err(Fault { code: trouble.code(), status: trouble.status(), message });
        }
        tracing::warn!(request_id = %exchange.request.id, code = trouble.code(), "{message}");
        Ok(())
    }
}

fn activation<'a>(exchange: &'a Exchange, response: Option<&'a ResponseFacts>) -> Activation<'a> {
    match response {
        Some(response) => exchange.activation_with(response),
        None => exchange.activation(),
    }
}

#[async_trait]
impl Action for HttpRequest {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        self.run(cx.exchange, None, cx.upstream).await?;
        Ok(Flow::Continue)
    }

    async fn on_response(&self, cx: &mut ResponseCx<'_, '_>) -> Result<ResponseFlow, Fault> {
        self.run(cx.exchange, Some(cx.response), cx.upstream).await?;
        Ok(ResponseFlow::Continue)
    }
}
