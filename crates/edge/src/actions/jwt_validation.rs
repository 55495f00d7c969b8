//! `jwt-validation`: lets requests pass that bring signed tokens of issuers the policy trusts.

mod locate;
#[cfg(test)]
mod tests;

use crate::action::{Action, ActionType, BuildContext, BuildError, Flow, RequestCx};
use crate::answer::Fault;
use crate::exchange::{Ending, Exchange};
use crate::jwks::{Jwks, Place as KeyPlace};
use crate::outbound::{Outbound, Said};
use crate::upstream::Upstream;
use crate::web_url::{names_its_host, parse};
use async_trait::async_trait;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use locate::{Absent, Place};
use std::borrow::Cow;
use std::sync::Arc;
use tollgate_cloud::{ClaimRules, Jws, JwsError};
use tollgate_expr::{Activation, Map, Template, Value};
use tollgate_policy::{ActionSpec, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType { spec: &SPEC, build };

/// There is no key to check a token with.
const NO_KEYS: u16 = 3422;
/// A token that is not accepted.
const REFUSED: u16 = 3401;
/// A token that cannot be read.
const UNREADABLE: u16 = 3416;

static SPEC: ActionSpec = ActionSpec {
    name: "jwt-validation",
    result_name: "jwt_validation",
    summary: "Lets a request pass only when it brings valid signed tokens (JWT) of trusted issuers; otherwise it is answered with 401.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Gate,
    results: &[
        ResultVar::new(
            "tokens",
            Holds::List,
            "The tokens that were read, in the order of the configuration.",
        ),
        ResultVar::new("tokens[].header", Holds::Map, "The members of the token's header."),
        ResultVar::new("tokens[].location", Holds::Text, "`header` or `body`."),
        ResultVar::new("tokens[].location_property", Holds::Text, "The name of the header or field."),
        ResultVar::new("tokens[].payload", Holds::Map, "The token's claims."),
        ResultVar::new("tokens[].signature", Holds::Text, "The signature, in base64url as it was sent."),
        ResultVar::new(
            "tokens[].verified",
            Holds::Bool,
            "Whether the signature, the issuer, the audience and the time are right.",
        ),
        ResultVar::ERROR_CODE,
        ResultVar::ERROR_MESSAGE,
    ],
    differences: &[
        "`exp` and `nbf` are enforced with a minute of leeway; ngrok does not say.",
        "`keys`, `sources` and `identification` may be mappings, as in the examples, or lists of one.",
        "`ES512` and algorithms with a shared secret cannot be allowed.",
    ],
    fields: &[
        Field::required(
            "issuer",
            Shape::Object(&[Field::required(
                "allow_list",
                Shape::List { item: &ALLOWED_ISSUER, min: 1, max: 100 },
                "The issuers that are trusted. `iss` must be one of them to the letter, a slash at its end included.",
            )]),
            "Who may have issued the token.",
        ),
        Field::optional(
            "audience",
            Shape::Object(&[Field::required(
                "allow_list",
                Shape::List { item: &ALLOWED_AUDIENCE, min: 1, max: 100 },
                "`aud` must have one of them.",
            )]),
            "For whom the token must be. Without it, `aud` is not looked at.",
        ),
        Field::required("http", Shape::Object(HTTP), "Where the tokens are."),
        Field::required("jws", Shape::Object(JWS), "How they are signed, and with whose keys."),
    ],
    check: Some(check),
    example: "- type: jwt-validation\n  config:\n    issuer:\n      allow_list: [{value: 'https://auth.example.com/'}]\n    \
              audience:\n      allow_list: [{value: 'my-api'}]\n    http:\n      tokens: [{type: jwt, method: header, name: \
              Authorization, prefix: 'Bearer '}]\n    jws:\n      allowed_algorithms: [RS256]\n      keys:\n        \
              sources:\n          additional_jkus: ['https://auth.example.com/.well-known/jwks.json']\n",
};

const ALLOWED_ISSUER: Shape = Shape::Object(&[Field::required("value", Shape::Template, "An issuer.")]);
const ALLOWED_AUDIENCE: Shape = Shape::Object(&[Field::required("value", Shape::Text, "An audience.")]);

const HTTP: &[Field] = &[Field::required(
    "tokens",
    Shape::List { item: &Shape::Object(TOKEN), min: 1, max: 10 },
    "The places of tokens. There must be a valid one in each.",
)];

const TOKEN: &[Field] = &[
    Field::required(
        "type",
        Shape::Enum(&["id_token", "access_token", "at+jwt", "it+jwt", "plain", "jwt"]),
        "What it is. With `at+jwt` the token's header must say so too (RFC 9068).",
    ),
    Field::required(
        "method",
        Shape::Enum(&["header", "body"]),
        "Whether it is in a header or in a field of the body, which is a JSON object or a form of 1 MiB at most.",
    ),
    Field::required("name", Shape::Template, "The name of the header or field, in upper or lower case."),
    Field::optional(
        "prefix",
        Shape::Template,
        "What stands before the token, such as `Bearer ` with its space.",
    )
    .or(""),
];

const JWS: &[Field] = &[
    Field::required(
        "allowed_algorithms",
        Shape::List { item: &Shape::Enum(tollgate_cloud::ALGORITHMS), min: 1, max: 9 },
        "The algorithms a token may be signed with. The type of the key must fit. `none` and algorithms with a shared \
         secret (`HS256`) cannot be allowed, because the keys are public; `ES512` is not supported here.",
    ),
    Field::required("keys", Shape::OneOf(&[KEYS, Shape::List { item: &KEYS, min: 1, max: 1 }]), "The keys."),
];

const KEYS: Shape = Shape::Object(&[
    Field::required(
        "sources",
        Shape::OneOf(&[SOURCES, Shape::List { item: &SOURCES, min: 1, max: 1 }]),
        "Where the keys come from.",
    ),
    Field::optional(
        "identification",
        Shape::OneOf(&[IDENTIFICATION, Shape::List { item: &IDENTIFICATION, min: 1, max: 1 }]),
        "How the key of a token is found.",
    ),
]);

const SOURCES: Shape = Shape::Object(&[Field::required(
    "additional_jkus",
    Shape::List { item: &Shape::Template, min: 1, max: 10 },
    "The URLs of key sets (JWKS), tried in order. A set is kept for 15 minutes and then fetched again while it is used, for \
     a day if need be. An unknown key is looked for at once, once a minute. For computed hosts see `url` of `http-request`.",
)]);

const IDENTIFICATION: Shape = Shape::Object(&[Field::required(
    "token_claims",
    Shape::List { item: &Shape::Enum(&["kid"]), min: 1, max: 1 },
    "The member of the token's header that names the key. A token without it is tried with every key that fits.",
)]);

/// The field of a mapping, or of the only mapping in a list.
fn inside<'a>(config: &Config<'a>, name: &str) -> Option<Config<'a>> {
    config.as_list().first().and_then(|config| config.get(name))
}

fn items<'a>(config: Option<Config<'a>>) -> Vec<Config<'a>> {
    config.map(|list| list.as_list()).unwrap_or_default()
}

fn jkus<'a>(config: &Config<'a>) -> Vec<Config<'a>> {
    let keys = config.get("jws").and_then(|jws| jws.get("keys"));
    let sources = keys.and_then(|keys| inside(&keys, "sources"));
    items(sources.and_then(|sources| inside(&sources, "additional_jkus")))
}

fn check(config: &Config<'_>, checker: &mut Checker) {
    for jku in jkus(config) {
        let text = jku.as_str().unwrap_or("");
        if text.contains("${") {
            continue;
        }
        match parse(text) {
            Err(wrong) => {
                let message = format!("this is no URL that keys can be fetched from: {wrong}");
                checker.error(jku, "ERR_NGROK_2226", message, None);
            }
            Ok(url)
                if !url.https && url.host != "localhost" && url.host.parse::<std::net::IpAddr>().is_err() =>
            {
                let message = "keys that are fetched over http can be replaced on their way".to_owned();
                checker.warning(jku, "ERR_NGROK_2204", message, Some("write https://".into()));
            }
            Ok(_) => {}
        }
    }
    for token in items(config.get("http").and_then(|http| http.get("tokens"))) {
        let name = token.get("name").filter(|name| !name.as_str().unwrap_or("").contains("${"));
        let in_header = token.get("method").and_then(|method| method.as_str()) == Some("header");
        if let Some(name) = name.filter(|_| in_header)
            && http::HeaderName::try_from(name.as_str().unwrap_or("")).is_err()
        {
            checker.error(name, "ERR_NGROK_2210", "`name` is no name of a header".into(), None);
        }
        if let Some(name) = name.filter(|name| !in_header && name.as_str() == Some("")) {
            checker.error(name, "ERR_NGROK_2223", "`name` is empty".into(), None);
        }
    }
}

fn build(config: &Config<'_>, cx: &BuildContext<'_>) -> Result<Box<dyn Action>, BuildError> {
    let template = |config: Option<Config<'_>>| {
        config.and_then(|text| text.template()).unwrap_or_else(|| Template::literal(""))
    };
    let values = |name: &str| items(config.get(name).and_then(|list| list.get("allow_list")));
    let texts = |list: Vec<Config<'_>>| -> Vec<String> {
        list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let tokens = items(config.get("http").and_then(|http| http.get("tokens")));
    let source = |token: &Config<'_>| Source {
        access_token: token.get("type").and_then(|kind| kind.as_str()) == Some("at+jwt"),
        in_body: token.get("method").and_then(|method| method.as_str()) == Some("body"),
        name: template(token.get("name")),
        prefix: template(token.get("prefix")),
    };
    let jku = |config: &Config<'_>| {
        let url = template(Some(*config));
        (names_its_host(url.source()), url)
    };
    Ok(Box::new(JwtValidation {
        issuers: values("issuer").iter().map(|issuer| template(issuer.get("value"))).collect(),
        audiences: texts(values("audience").iter().filter_map(|one| one.get("value")).collect()),
        sources: tokens.iter().map(source).collect(),
        algorithms: texts(items(config.get("jws").and_then(|jws| jws.get("allowed_algorithms")))),
        jkus: jkus(config).iter().map(jku).collect(),
        jwks: Arc::clone(&cx.shared.jwks),
        outbound: Arc::clone(&cx.shared.outbound),
    }))
}

struct Source {
    access_token: bool,
    in_body: bool,
    name: Template,
    prefix: Template,
}

struct JwtValidation {
    issuers: Vec<Template>,
    /// Empty: not looked at.
    audiences: Vec<String>,
    sources: Vec<Source>,
    algorithms: Vec<String>,
    /// Whether the host is written out, and the URL.
    jkus: Vec<(bool, Template)>,
    jwks: Arc<Jwks>,
    outbound: Arc<Outbound>,
}

/// What of the configuration is computed for each request.
struct Rendered {
    places: Vec<Place>,
    issuers: Vec<String>,
    keys: Vec<KeyPlace>,
}

/// Why a request does not pass.
struct Refusal {
    code: u16,
    message: Cow<'static, str>,
}

impl From<Absent> for Refusal {
    fn from(absent: Absent) -> Self {
        Self { code: absent.code, message: absent.message.into() }
    }
}

impl From<JwsError> for Refusal {
    fn from(error: JwsError) -> Self {
        let code = match error {
            JwsError::TooLong | JwsError::Encrypted | JwsError::Malformed(_) => UNREADABLE,
            _ => REFUSED,
        };
        Self { code, message: error.to_string().into() }
    }
}

/// A token that was found.
struct Found {
    place: Place,
    token: Jws,
    verified: bool,
}

fn render(field: &str, template: &Template, activation: &Activation<'_>) -> Result<String, Fault> {
    let text = template.render(activation).map_err(|e| Fault::interpolation(field, &e))?;
    Ok(text.into_owned())
}

impl JwtValidation {
    /// Everything that is computed from the request.
    fn rendered(&self, exchange: &Exchange) -> Result<Rendered, Fault> {
        let activation = exchange.activation();
        let place = |source: &Source| {
            Ok(Place {
                in_body: source.in_body,
                name: render("http.tokens.name", &source.name, &activation)?,
                prefix: render("http.tokens.prefix", &source.prefix, &activation)?,
            })
        };
        let issuers =
            self.issuers.iter().map(|issuer| render("issuer.allow_list.value", issuer, &activation));
        let mut keys = Vec::with_capacity(self.jkus.len());
        for (named, jku) in &self.jkus {
            let text = render("jws.keys.sources.additional_jkus", jku, &activation)?;
            let url = parse(&text).map_err(|wrong| {
                Fault::policy(2226, format!("a URL of jwt-validation's keys cannot be called: {wrong}"))
            })?;
            let Some(addresses) = self.outbound.rule(&url.host, Said::by_policy(*named)) else {
                let host = &url.host;
                tracing::warn!(%host, "no keys are fetched from a host that is neither in the policy nor in `http_request_targets`");
                continue;
            };
            keys.push(KeyPlace { url: Arc::new(url), addresses });
        }
        let places = self.sources.iter().map(place).collect::<Result<_, Fault>>()?;
        Ok(Rendered { places, issuers: issuers.collect::<Result<_, _>>()?, keys })
    }

    /// Finds and verifies every token; those found so far are in `found`.
    async fn validate(
        &self,
        cx: &mut RequestCx<'_>,
        found: &mut Vec<Found>,
    ) -> Result<Result<(), Refusal>, Fault> {
        let Rendered { places, issuers, keys } = self.rendered(cx.exchange)?;
        for (place, source) in places.into_iter().zip(&self.sources) {
            let text = match place.find(cx).await? {
                Ok(text) => text,
                Err(absent) => return Ok(Err(absent.into())),
            };
            match Jws::parse(&text, &self.algorithms) {
                Ok(token) => found.push(Found { place, token, verified: false }),
                Err(error) => return Ok(Err(error.into())),
            }
            let Some(last) = found.last_mut() else { continue };
            if source.access_token && !last.token.is_type("at+jwt") {
                let message = "the token's header does not say that it is an access token (`at+jwt`)";
                return Ok(Err(Refusal { code: REFUSED, message: message.into() }));
            }
            if let Err(refusal) = self.verify(&last.token, &keys, cx.upstream).await {
                return Ok(Err(refusal));
            }
            let rules = ClaimRules { issuers: &issuers, audiences: &self.audiences, now: cx.exchange.now };
            if let Err(error) = rules.check(last.token.payload()) {
                return Ok(Err(Refusal { code: REFUSED, message: error.to_string().into() }));
            }
            last.verified = true;
        }
        Ok(Ok(()))
    }

    /// Checks a signature with the keys at these places, in their order.
    async fn verify(&self, token: &Jws, places: &[KeyPlace], upstream: &dyn Upstream) -> Result<(), Refusal> {
        // With no key named, a wrong signature may as well be that of a key which is not known yet.
        let named = token.key_id().is_some();
        let mut all_there = true;
        let mut wrong = None;
        let mut unknown = Vec::new();
        for place in places {
            let Some(keys) = self.jwks.get(place, upstream).await else {
                all_there = false;
                continue;
            };
            let Err(error) = keys.verify(token) else { return Ok(()) };
            if !named || error == JwsError::UnknownKey {
                unknown.push((place, keys));
            }
            wrong = wrong.or((error != JwsError::UnknownKey).then_some(error));
        }
        let look = wrong.is_none() || !named;
        for (place, seen) in unknown.iter().filter(|_| look) {
            let Some(keys) = self.jwks.get_early(place, seen, upstream).await else { continue };
            let Err(error) = keys.verify(token) else { return Ok(()) };
            wrong = wrong.or((error != JwsError::UnknownKey).then_some(error));
        }
        Err(match wrong {
            Some(error) => error.into(),
            None if all_there && !places.is_empty() => JwsError::UnknownKey.into(),
            None => Refusal {
                code: NO_KEYS,
                message: "the keys to check the token with cannot be fetched now".into(),
            },
        })
    }

    fn refuse(&self, exchange: &mut Exchange, refusal: &Refusal) -> Flow {
        let unavailable = refusal.code == NO_KEYS;
        let status = if unavailable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::UNAUTHORIZED };
        let fault = Fault { code: refusal.code, status, message: refusal.message.clone().into_owned() };
        tracing::info!(request_id = %exchange.request.id, code = fault.code, "jwt-validation: {}", fault.message);
        exchange.record.error_code = Some(fault.code);
        exchange.record.outcome = Ending::Refused;
        let mut answer = fault.answer(exchange.request.uri.path(), &exchange.request.id);
        if !unavailable {
            // Who brought no token at all is told of no error (RFC 6750 section 3.1).
            let bare = matches!(refusal.code, 3408 | 3412);
            let challenge = if bare { "Bearer" } else { "Bearer error=\"invalid_token\"" };
            answer.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        Flow::Respond(answer)
    }
}

fn result(found: &[Found], refusal: Option<&Refusal>) -> Value {
    let map = |entries: Vec<(&str, Value)>| {
        Value::Map(Arc::new(
            entries.into_iter().map(|(name, value)| (Arc::from(name), value)).collect::<Map>(),
        ))
    };
    let members = |object: &serde_json::Map<String, serde_json::Value>| {
        let entries = object.iter().map(|(name, value)| (Arc::from(name.as_str()), Value::from_json(value)));
        Value::Map(Arc::new(entries.collect::<Map>()))
    };
    let token = |found: &Found| {
        map(vec![
            ("header", members(found.token.header())),
            ("location", if found.place.in_body { "body" } else { "header" }.into()),
            ("location_property", found.place.name.as_str().into()),
            ("payload", members(found.token.payload())),
            ("signature", found.token.signature().into()),
            ("verified", found.verified.into()),
        ])
    };
    let error = map(vec![
        ("code", refusal.map(|r| format!("ERR_NGROK_{}", r.code)).unwrap_or_default().into()),
        ("message", refusal.map(|r| r.message.clone().into_owned()).unwrap_or_default().into()),
    ]);
    map(vec![("tokens", Value::List(found.iter().map(token).collect())), ("error", error)])
}

#[async_trait]
impl Action for JwtValidation {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let mut found = Vec::with_capacity(self.sources.len());
        let validated = self.validate(cx, &mut found).await?;
        let refusal = validated.err();
        cx.exchange.set_result(SPEC.result_name, || result(&found, refusal.as_ref()));
        Ok(refusal.map_or(Flow::Continue, |refusal| self.refuse(cx.exchange, &refusal)))
    }
}
