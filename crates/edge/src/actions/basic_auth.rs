//! `basic-auth`: lets pass who sends one of some names with its password (RFC 7617).

use super::gate;
use crate::action::{Action, ActionType, Flow, RequestCx};
use crate::answer::Fault;
use async_trait::async_trait;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use subtle::{Choice, ConstantTimeEq};
use tollgate_expr::{Activation, Template, Value};
use tollgate_policy::{ActionSpec, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| {
        let credentials = config.get("credentials").map(|list| list.as_list()).unwrap_or_default();
        let realm = config.get("realm").and_then(|c| c.as_str()).unwrap_or("ngrok");
        let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
        Ok(Box::new(BasicAuth {
            credentials: credentials.iter().filter_map(Credential::new).collect(),
            challenge: HeaderValue::try_from(format!("Basic realm=\"{quoted}\""))
                .unwrap_or(HeaderValue::from_static("Basic realm=\"ngrok\"")),
            enforce: config.get("enforce").and_then(|c| c.as_bool()).unwrap_or(true),
        }))
    },
};

static SPEC: ActionSpec = ActionSpec {
    name: "basic-auth",
    result_name: "basic_auth",
    summary: "Lets pass who sends one of these names with its password, by HTTP's basic authentication; 401 for the others.",
    phases: &[Phase::HttpRequest],
    terminating: Terminating::Gate,
    results: &[
        ResultVar::new("credentials.presented", Holds::Bool, "Whether the request had credentials."),
        ResultVar::new("credentials.username", Holds::Text, "The name in them; else empty."),
        ResultVar::new("credentials.authorized", Holds::Bool, "Whether they are right."),
    ],
    differences: &[
        "A credential may also be a mapping with `username` and `password`, with a warning: examples write it so.",
    ],
    fields: &[
        Field::required(
            "credentials",
            Shape::List {
                item: &Shape::OneOf(&[
                    Shape::Template,
                    Shape::Object(&[
                        Field::required("username", Shape::Template, "The name."),
                        Field::required("password", Shape::Template, "The password."),
                    ]),
                ]),
                min: 1,
                max: 10,
            },
            "Names and passwords as `name:password`; the first `:` separates them. A password has 8 to 128 characters. An \
             expression stands for all of it, or for parts of it beside a `:` that is written out.",
        ),
        Field::optional(
            "realm",
            Shape::Text,
            "What browsers call the place, at most 128 characters of ASCII.",
        )
        .or("ngrok"),
        Field::optional(
            "enforce",
            Shape::Bool,
            "`false`: nobody is refused; `actions.ngrok.basic_auth.credentials` says who it is.",
        )
        .or("true"),
    ],
    check: Some(check),
    example: "- type: basic-auth\n  config:\n    credentials:\n      - demo:${secrets.get('demo', 'password')}\n",
};

const LONGEST_REALM: usize = 128;
/// The fewest and the most characters of a password.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=128;

fn check(config: &Config<'_>, checker: &mut Checker) {
    if let Some(realm) = config.get("realm") {
        let text = realm.as_str().unwrap_or_default();
        if text.chars().count() > LONGEST_REALM {
            let message = format!("`realm` is longer than {LONGEST_REALM} characters");
            checker.error(realm, "ERR_NGROK_2221", message, None);
        } else if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            let help = Some("use letters, digits and signs of ASCII".into());
            checker.error(realm, "ERR_NGROK_2204", "`realm` has characters it cannot have".into(), help);
        }
    }
    for item in config.get("credentials").map(|list| list.as_list()).unwrap_or_default() {
        if item.is_map() {
            let help = Some("write `- name:password`".into());
            checker.warning(item, "ERR_NGROK_2204", "a credential is one text".into(), help);
        }
        match Credential::new(&item) {
            None => {
                let help = Some("write `name:password`, with the `:` outside of `${}`".into());
                checker.error(item, "ERR_NGROK_2204", "this credential has no `:`".into(), help);
            }
            Some(Credential::Pair { user, password }) => {
                let user = user.as_literal().map_or(Ok(()), check_user);
                let password = password.as_literal().map_or(Ok(()), check_password);
                for wrong in [user, password].into_iter().filter_map(Result::err) {
                    checker.error(item, wrong.name, wrong.message.into(), None);
                }
            }
            Some(Credential::Whole(_)) => {}
        }
    }
}

/// What is wrong with a name or a password; never shows it.
struct Wrong {
    code: u16,
    name: &'static str,
    message: &'static str,
}

fn check_user(user: &str) -> Result<(), Wrong> {
    if user.is_empty() {
        return Err(Wrong { code: 359, name: "ERR_NGROK_359", message: "the name of a credential is empty" });
    }
    if user.contains(|c: char| c == ':' || c.is_control()) {
        let message = "the name of a credential has a `:` or a control character";
        return Err(Wrong { code: 2257, name: "ERR_NGROK_2257", message });
    }
    Ok(())
}

fn check_password(password: &str) -> Result<(), Wrong> {
    if !PASSWORD.contains(&password.chars().count()) {
        let message = "the password of a credential must have 8 to 128 characters";
        return Err(Wrong { code: 360, name: "ERR_NGROK_360", message });
    }
    if password.contains(char::is_control) {
        let message = "the password of a credential has a control character";
        return Err(Wrong { code: 2258, name: "ERR_NGROK_2258", message });
    }
    Ok(())
}

/// A name and its password.
enum Credential {
    /// One expression that yields both.
    Whole(Template),
    Pair {
        user: Template,
        password: Template,
    },
}

impl Credential {
    /// `None` when nothing separates name and password.
    fn new(item: &Config<'_>) -> Option<Self> {
        if item.is_map() {
            let part = |name| item.get(name).and_then(|part: Config<'_>| part.template());
            return Some(Self::Pair { user: part("username")?, password: part("password")? });
        }
        let template = item.template()?;
        if template.is_whole() {
            return Some(Self::Whole(template));
        }
        let (user, password) = template.split_once(':')?;
        Some(Self::Pair { user, password })
    }

    /// Name and password for this request.
    fn render<'t>(&'t self, activation: &Activation<'_>) -> Result<(Cow<'t, str>, Cow<'t, str>), Fault> {
        let text = |template: &'t Template| {
            template.render(activation).map_err(|e| Fault::interpolation("a credential", &e))
        };
        let (user, password) = match self {
            Self::Pair { user, password } => (text(user)?, text(password)?),
            Self::Whole(template) => {
                let whole = text(template)?;
                let (user, password) = whole
                    .split_once(':')
                    .ok_or_else(|| Fault::policy(2257, "a computed credential of basic-auth has no `:`"))?;
                (Cow::Owned(user.to_owned()), Cow::Owned(password.to_owned()))
            }
        };
        let fault = |wrong: Wrong| Fault::policy(wrong.code, format!("basic-auth: {}", wrong.message));
        check_user(&user).map_err(fault)?;
        check_password(&password).map_err(fault)?;
        Ok((user, password))
    }
}

struct BasicAuth {
    credentials: Vec<Credential>,
    challenge: HeaderValue,
    enforce: bool,
}

/// What the client sent.
#[derive(Default)]
struct Presented {
    any: bool,
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Presented {
    fn of(headers: &HeaderMap) -> Self {
        // Some clients leave the padding out.
        const LENIENT: GeneralPurposeConfig =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let encoded = headers.get_all(AUTHORIZATION).iter().find_map(|value| {
            let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("basic").then_some(rest.trim())
        });
        let Some(encoded) = encoded else { return Self::default() };
        let decoded = GeneralPurpose::new(&STANDARD, LENIENT).decode(encoded).unwrap_or_default();
        let mut parts = decoded.splitn(2, |byte| *byte == b':');
        let mut part = || parts.next().unwrap_or_default().to_vec();
        Self { any: true, user: part(), password: part() }
    }

    /// Takes the same time whatever differs, also its length.
    fn matches(&self, user: &str, password: &str) -> Choice {
        let same = |sent: &[u8], known: &str| Sha256::digest(sent).ct_eq(&Sha256::digest(known));
        same(&self.user, user) & same(&self.password, password)
    }
}

impl BasicAuth {
    fn authorized(&self, presented: &Presented, activation: &Activation<'_>) -> Result<bool, Fault> {
        if !presented.any {
            return Ok(false);
        }
        let mut authorized = Choice::from(0);
        for credential in &self.credentials {
            let (user, password) = credential.render(activation)?;
            authorized |= presented.matches(&user, &password);
        }
        Ok(authorized.into())
    }
}

#[async_trait]
impl Action for BasicAuth {
    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let presented = Presented::of(&cx.exchange.request.headers);
        let decided = self.authorized(&presented, &cx.exchange.activation());
        let authorized = matches!(decided, Ok(true));
        cx.exchange.set_result(SPEC.result_name, || {
            let credentials = gate::results([
                ("presented", presented.any.into()),
                ("username", Value::from(String::from_utf8_lossy(&presented.user).into_owned())),
                ("authorized", authorized.into()),
            ]);
            gate::results([("credentials", credentials)])
        });
        match decided {
            Err(fault) if self.enforce => return Err(fault),
            Err(fault) => tracing::warn!(request_id = %cx.exchange.request.id, "{}", fault.message),
            Ok(_) => {}
        }
        if authorized || !self.enforce {
            return Ok(Flow::Continue);
        }
        let fault = Fault {
            code: 3401,
            status: StatusCode::UNAUTHORIZED,
            message: "this needs a name and a password".into(),
        };
        let mut answer = gate::refused(cx.exchange, &fault);
        answer.headers.insert(WWW_AUTHENTICATE, self.challenge.clone());
        Ok(Flow::Respond(answer))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Run, Tested, loads};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    fn policy(config: &str) -> String {
        format!(
            "on_http_request:\n  - type: basic-auth\n    config: {{{config}}}\n  - type: custom-response\n    config:\n      \
             body: \"${{actions.ngrok.basic_auth.credentials.presented}} ${{actions.ngrok.basic_auth.credentials.username}} \
             ${{actions.ngrok.basic_auth.credentials.authorized}}\"\n"
        )
    }

    async fn send(config: &str, authorization: &str) -> Run {
        let tested = Tested::with_secrets(
            &policy(config),
            &[("v", "password", "pass:word1"), ("v", "both", "eve:password9"), ("v", "short", "1234567")],
        );
        let header = if authorization.is_empty() {
            String::new()
        } else {
            format!("authorization: {authorization}\r\n")
        };
        tested.run(&format!("GET / HTTP/1.1\r\nx-user: ann\r\nx-colon: a:b\r\n{header}\r\n")).await
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    #[tokio::test]
    async fn only_who_is_known_passes() {
        let known = "credentials: ['ann:password1', 'a:b:c12345678', 'bob:päßwörter']";
        for (sent, passes) in [
            (basic("ann:password1"), true),
            (basic("ann:password1").replace("Basic", "bAsIc"), true),
            (basic("a:b:c12345678"), true),
            (basic("bob:päßwörter"), true),
            (basic("bob:päßwörter").trim_end_matches('=').to_owned(), true),
            (basic("ann:password2"), false),
            (basic("ann:password1 "), false),
            (basic("ann:"), false),
            (basic("ann"), false),
            (basic("a:b"), false),
            (basic(":"), false),
            (basic("bob:password1"), false),
            ("Basic !!!".to_owned(), false),
            ("Basic".to_owned(), false),
            (basic("ann:password1").replace("Basic", "Bearer"), false),
            (String::new(), false),
        ] {
            let run = send(known, &sent).await;
            assert_eq!(run.status(), Some(if passes { 200 } else { 401 }), "{sent}");
            if !passes {
                assert_eq!(run.header("www-authenticate"), "Basic realm=\"ngrok\"", "{sent}");
                assert_eq!(run.error_code(), Some(3401));
            }
        }
    }

    #[tokio::test]
    async fn the_realm_is_quoted() {
        let run = send(r#"realm: 'my "demo"', credentials: ['ann:password1']"#, "").await;
        assert_eq!(run.header("www-authenticate"), r#"Basic realm="my \"demo\"""#);
    }

    #[tokio::test]
    async fn without_enforce_everybody_passes_and_rules_know_who_it_is() {
        let lax = "enforce: false, credentials: ['ann:password1']";
        for (sent, said) in [
            (basic("ann:password1"), "true ann true"),
            (basic("ann:wrong"), "true ann false"),
            (String::new(), "false  false"),
        ] {
            let run = send(lax, &sent).await;
            assert_eq!((run.status(), run.body().as_str()), (Some(200), said), "{sent}");
        }
    }

    #[tokio::test]
    async fn credentials_are_computed() {
        for (config, sent, status) in [
            ("credentials: [\"ann:${secrets.get('v', 'password')}\"]", "ann:pass:word1", 200),
            ("credentials: [\"${req.headers['x-user'][0]}:password1\"]", "ann:password1", 200),
            ("credentials: [\"${secrets.get('v', 'both')}\"]", "eve:password9", 200),
            ("credentials: [\"${secrets.get('v', 'both')}\"]", "eve:password1", 401),
            (
                "credentials: [{username: ann, password: \"${secrets.get('v', 'password')}\"}]",
                "ann:pass:word1",
                200,
            ),
            // What could open the door to somebody else closes it.
            ("credentials: [\"ann:${secrets.get('v', 'short')}\"]", "ann:1234567", 500),
            ("credentials: [\"${req.headers['x-colon'][0]}:password1\"]", "a:b:password1", 500),
            ("credentials: [\"${req.headers['x-none'][0]}:password1\"]", ":password1", 500),
            ("credentials: [\"${req.headers['x-user'][0]}\"]", "ann:", 500),
            ("credentials: [\"ann:${secrets.get('v', 'none')}\"]", "ann:password1", 500),
            ("enforce: false, credentials: [\"ann:${secrets.get('v', 'none')}\"]", "ann:password1", 200),
        ] {
            let run = send(config, &basic(sent)).await;
            assert_eq!(run.status(), Some(status), "{config}: {}", run.body());
            assert!(!run.body().contains("1234567"), "a password is not shown");
        }
    }

    #[test]
    fn what_is_wrong_is_refused_at_load() {
        for (config, code) in [
            ("enforce: true", "ERR_NGROK_2203"),
            ("credentials: []", "ERR_NGROK_2223"),
            ("credentials: 'ann:password1'", "ERR_NGROK_2203"),
            ("credentials: ['ann:1234567']", "ERR_NGROK_360"),
            ("credentials: [':password1']", "ERR_NGROK_359"),
            ("credentials: ['password1']", "ERR_NGROK_2204"),
            ("credentials: [\"${conn.client_ip}password\"]", "ERR_NGROK_2204"),
            ("credentials: [\"a${conn.client_ip}b\"]", "ERR_NGROK_2204"),
            ("credentials: [\"ann:1234\\n5678\"]", "ERR_NGROK_2258"),
            ("credentials: [\"a\\tb:12345678\"]", "ERR_NGROK_2257"),
            ("credentials: [{username: 'a:b', password: password1}]", "ERR_NGROK_2257"),
            ("credentials: [{username: ann}]", "ERR_NGROK_2203"),
            ("credentials: ['ann:password1'], realm: 'é'", "ERR_NGROK_2204"),
            ("credentials: ['ann:password1'], enforce: 'no'", "ERR_NGROK_2203"),
            ("credentials: ['ann:password1'], users: []", "ERR_NGROK_2203"),
        ] {
            let said = loads(&policy(config)).expect_err(config);
            assert!(said.contains(code), "{config}: {said}");
        }
        let many = ["'ann:password1'"; 11].join(", ");
        assert!(loads(&policy(&format!("credentials: [{many}]"))).unwrap_err().contains("ERR_NGROK_2218"));
        let long = format!("credentials: ['ann:password1'], realm: {}", "r".repeat(129));
        assert!(loads(&policy(&long)).unwrap_err().contains("ERR_NGROK_2221"));
        let long = format!("credentials: ['ann:{}']", "p".repeat(129));
        assert!(loads(&policy(&long)).unwrap_err().contains("ERR_NGROK_360"));
        let pairs = "credentials: [{username: ann, password: password1}]";
        assert!(loads(&policy(pairs)).expect("loads").contains("`- name:password`"));
    }
}
