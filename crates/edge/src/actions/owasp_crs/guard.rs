//! The two actions at work.

use super::judge::judge;
use crate::action::{Action, BuildContext, BuildError, Flow, RequestCx, ResponseCx, ResponseFlow};
use crate::actions::gate;
use crate::answer::Fault;
use crate::events::is_event_stream;
use crate::exchange::Exchange;
use crate::response::Read;
use async_trait::async_trait;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST};
use http::{HeaderMap, StatusCode, Version};
use std::path::PathBuf;
use std::sync::Arc;
use tollgate_expr::Value;
use tollgate_policy::Config;
use tollgate_waf::{CoreRules, MatchedRule, Request, Response, SAMPLE, Sample, Verdict};

/// Where Debian's package `modsecurity-crs` has the rules.
const RULES: &str = "/usr/share/modsecurity-crs/rules";
/// Names another folder.
const RULES_VARIABLE: &str = "TOLLGATE_CRS_RULES";
/// The firewall failed, or could not read a body.
const FAILED: u16 = 3701;

/// Makes an `owasp-crs-request`.
pub(crate) fn build_request(
    config: &Config<'_>,
    cx: &BuildContext<'_>,
) -> Result<Box<dyn Action>, BuildError> {
    Ok(Box::new(RequestGuard(Guard::new(config, cx, 3700, CoreRules::INBOUND_THRESHOLD)?)))
}

/// Makes an `owasp-crs-response`.
pub(crate) fn build_response(
    config: &Config<'_>,
    cx: &BuildContext<'_>,
) -> Result<Box<dyn Action>, BuildError> {
    Ok(Box::new(ResponseGuard(Guard::new(config, cx, 3702, CoreRules::OUTBOUND_THRESHOLD)?)))
}

struct RequestGuard(Guard);
struct ResponseGuard(Guard);

/// What both have.
struct Guard {
    rules: Arc<CoreRules>,
    halt: bool,
    process_body: bool,
    /// Where its results are.
    result_name: &'static str,
    /// The code of a refusal.
    code: u16,
    threshold: u32,
}

/// What became of it: a verdict, or why there is none.
type Judged = Result<Verdict, Fault>;

impl Guard {
    fn new(
        config: &Config<'_>,
        cx: &BuildContext<'_>,
        code: u16,
        threshold: u32,
    ) -> Result<Self, BuildError> {
        let ids = config.get("exclude_rule_ids").map(|ids| ids.as_list()).unwrap_or_default();
        let excluded: Vec<u32> =
            ids.iter().filter_map(|id| id.as_u64().and_then(|id| id.try_into().ok())).collect();
        let folder = std::env::var_os(RULES_VARIABLE).map_or_else(|| PathBuf::from(RULES), PathBuf::from);
        let rules = CoreRules::load(&folder, &excluded).map_err(|why| BuildError {
            at: cx.def.at,
            code: "ERR_NGROK_3701",
            message: format!("the core rule set for `{}` cannot be loaded: {why}", cx.def.spec.name),
            help: Some(format!(
                "install the core rule set (Debian: apt-get install modsecurity-crs), or name the folder with its \
                 REQUEST-*.conf and RESPONSE-*.conf in the variable {RULES_VARIABLE}"
            )),
        })?;
        Ok(Self {
            rules,
            halt: config.get("on_error").and_then(|c| c.as_str()) != Some("continue"),
            process_body: config.get("process_body").and_then(|c| c.as_bool()).unwrap_or(false),
            result_name: cx.def.spec.result_name,
            code,
            threshold,
        })
    }

    /// Records what came of it; a refusal and a failure end the run where the policy says so.
    fn settle(&self, exchange: &mut Exchange, judged: Judged) -> Result<(), Fault> {
        let fault = match &judged {
            Ok(verdict) if verdict.score >= self.threshold => {
                let rules: Vec<u32> = verdict.matched.iter().map(|rule| rule.id).collect();
                let (id, score, enforced) = (&exchange.request.id, verdict.score, self.halt);
                tracing::info!(request_id = %id, score, ?rules, enforced, "{} says deny", self.result_name);
                Some(self.refusal())
            }
            Ok(_) => None,
            Err(fault) => {
                tracing::warn!(request_id = %exchange.request.id, enforced = self.halt, "{}", fault.message);
                Some(fault.clone())
            }
        };
        exchange.set_result(self.result_name, || self.result(&judged));
        fault.filter(|_| self.halt).map_or(Ok(()), Err)
    }

    /// Says nothing of the rules: whoever tries to get past them should not be helped.
    fn refusal(&self) -> Fault {
        let message = match self.code {
            3700 => "The request was refused by the web application firewall",
            _ => "The response was held back by the web application firewall",
        };
        Fault { code: self.code, status: StatusCode::FORBIDDEN, message: message.into() }
    }

    fn result(&self, judged: &Judged) -> Value {
        let nothing = Verdict::default();
        let verdict = judged.as_ref().unwrap_or(&nothing);
        let denied = judged.as_ref().map_or(true, |verdict| verdict.score >= self.threshold);
        gate::results([
            ("decision", Value::from(if denied { "deny" } else { "allow" })),
            ("anomaly_score", Value::from(i64::from(verdict.score))),
            ("anomaly_score_threshold", Value::from(i64::from(self.threshold))),
            ("matched_rules", Value::List(verdict.matched.iter().map(rule).collect())),
            gate::error(judged.as_ref().err()),
        ])
    }
}

fn rule(rule: &MatchedRule) -> Value {
    gate::results([
        ("id", Value::from(i64::from(rule.id))),
        ("message", Value::from(rule.message.as_str())),
        ("severity", Value::from(rule.severity)),
        ("data", Value::from(rule.data.as_str())),
    ])
}

fn failure(message: impl Into<String>) -> Fault {
    Fault::policy(FAILED, message)
}

#[async_trait]
impl Action for RequestGuard {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let mut request = request_of(cx.exchange);
        let coded = is_coded(&cx.exchange.request.headers);
        if self.0.process_body && !coded {
            // A body that is too long, too slow or not whole ends the request as it does everywhere: no failure of the
            // firewall that `on_error` could be about.
            let body = cx.body().await?;
            request.body = Some(Sample::new(content_type(&cx.exchange.request.headers), &body));
        }
        let judged = self.judge(request, coded).await;
        self.0.settle(cx.exchange, judged)?;
        Ok(Flow::Continue)
    }
}

impl RequestGuard {
    async fn judge(&self, request: Request, coded: bool) -> Judged {
        let rules = Arc::clone(&self.0.rules);
        let verdict = judge(move || rules.request(&request)).await.map_err(failure)?;
        if self.0.process_body && coded && verdict.score < self.0.threshold {
            return Err(failure("the firewall cannot read a request body with a content-encoding"));
        }
        Ok(verdict)
    }
}

#[async_trait]
impl Action for ResponseGuard {
    async fn on_response(&self, cx: &mut ResponseCx<'_, '_>) -> Result<ResponseFlow, Fault> {
        let judged = self.judge(cx).await;
        self.0.settle(cx.exchange, judged)?;
        Ok(ResponseFlow::Continue)
    }

    fn works_on_bodies(&self) -> bool {
        self.0.process_body
    }
}

impl ResponseGuard {
    async fn judge(&self, cx: &mut ResponseCx<'_, '_>) -> Judged {
        let request = request_of(cx.exchange);
        let headers = headers_of(&cx.response.headers);
        let body = if self.0.process_body { sample(cx).await? } else { None };
        let response = Response { status: cx.response.status.as_u16(), headers, body };
        let rules = Arc::clone(&self.0.rules);
        judge(move || rules.response(&request, &response)).await.map_err(failure)
    }
}

/// The beginning of a response's body; `None` for what is no text, and for what passes by event for event.
async fn sample(cx: &mut ResponseCx<'_, '_>) -> Result<Option<Sample>, Fault> {
    if is_event_stream(cx.response) || !is_text(content_type(&cx.response.headers)) {
        return Ok(None);
    }
    match cx.body.begin(SAMPLE).await {
        Read::Whole(begin) if begin.is_empty() => Ok(None),
        Read::Whole(_) if is_coded(&cx.response.headers) => {
            Err(failure("the firewall cannot read a response body with a content-encoding"))
        }
        // Rules for responses look for words in the body as it is, so it is not read as JSON.
        Read::Whole(begin) => Ok(Some(Sample::new("", &begin))),
        Read::Passing => Ok(None),
        Read::Broken | Read::TooLong => {
            Err(failure("the response body broke off before the firewall had read it"))
        }
    }
}

/// A request as the client sent its first line, with headers as the rules before have left them.
fn request_of(exchange: &Exchange) -> Request {
    let facts = &exchange.request;
    let mut headers = headers_of(&facts.headers);
    if !facts.headers.contains_key(HOST) {
        headers.push(("host".into(), facts.host.as_bytes().to_vec()));
    }
    Request {
        client: exchange.connection.client,
        server: exchange.connection.server,
        method: facts.method.to_string(),
        target: facts.raw_uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        version: match facts.version {
            Version::HTTP_2 => "2.0",
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        },
        headers,
        body: None,
    }
}

fn headers_of(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("")
}

/// Whether a body is compressed or the like.
fn is_coded(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(CONTENT_ENCODING);
    codings.iter().any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// Whether a body of this type may be text. One without a type may.
fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let ends = ["json", "xml", "javascript", "yaml", "x-www-form-urlencoded"];
    kind.is_empty() || kind.starts_with("text/") || ends.iter().any(|end| kind.ends_with(end))
}
