//! `restrict-ips`: lets pass whose address is allowed and not denied.

mod cidr;

use self::cidr::{Cidr, CidrSet};
use super::gate;
use crate::action::{Action, ActionType, ConnectCx, ConnectFlow, Flow, RequestCx, ResponseCx, ResponseFlow};
use crate::answer::Fault;
use crate::exchange::Exchange;
use async_trait::async_trait;
use http::StatusCode;
use std::net::IpAddr;
use std::sync::Arc;
use tollgate_expr::{Activation, Template, Value};
use tollgate_policy::{ActionSpec, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| {
        Ok(Box::new(RestrictIps {
            allow: Ranges::new(config.get("allow")),
            deny: Ranges::new(config.get("deny")),
            enforce: config.get("enforce").and_then(|c| c.as_bool()).unwrap_or(true),
        }))
    },
};

static SPEC: ActionSpec = ActionSpec {
    name: "restrict-ips",
    result_name: "restrict_ips",
    summary: "Lets pass who connects from an address that is in `allow` and not in `deny`: 403 for the others; a new \
              connection is closed.",
    phases: &[Phase::TcpConnect, Phase::HttpRequest, Phase::HttpResponse],
    terminating: Terminating::Gate,
    results: &[ResultVar::new("action", Holds::Text, "`allow` or `deny`; also when nothing is enforced."), ResultVar::new("matched_cidr", Holds::Text, "The network that decided; empty when none did."), ResultVar::ERROR_CODE, ResultVar::ERROR_MESSAGE],
    differences: &["`ip_policies` must be empty: there is no store of IP policies here. Their networks can be written into `allow` and `deny`.", "`enforce` may be left out: ngrok's table calls it required, and its examples leave it out."],
    fields: &[
        Field::optional(
            "allow",
            Shape::List { item: &Shape::Template, min: 0, max: usize::MAX },
            "Networks such as `10.0.0.0/8` or `2001:db8::/32`; an address alone is a network of one. What is in none of \
             them is refused. To allow everybody but those in `deny`, write `0.0.0.0/0` and `::/0`.",
        )
        .or("[]"),
        Field::optional(
            "deny",
            Shape::List { item: &Shape::Template, min: 0, max: usize::MAX },
            "Networks that are refused even if they are in `allow`.",
        )
        .or("[]"),
        Field::optional(
            "ip_policies",
            Shape::List { item: &Shape::Text, min: 0, max: usize::MAX },
            "Only an empty list: there is no store of IP policies here. Write their networks into `allow` and `deny`.",
        )
        .or("[]"),
        Field::optional(
            "enforce",
            Shape::Bool,
            "`false`: nothing is refused; `actions.ngrok.restrict_ips.action` says `allow` or `deny`.",
        )
        .or("true"),
    ],
    check: Some(check),
    example: "- type: restrict-ips\n  config:\n    allow: [10.0.0.0/8, 2001:db8::/32]\n    deny: [10.1.0.0/16]\n",
};

fn check(config: &Config<'_>, checker: &mut Checker) {
    let list = |name| config.get(name).map(|list: Config<'_>| list.as_list()).unwrap_or_default();
    for item in list("allow").into_iter().chain(list("deny")) {
        let literal = item.template().and_then(|template| template.as_literal().map(str::to_owned));
        if let Some(text) = literal
            && let Err(wrong) = text.parse::<Cidr>()
        {
            let help = Some("write a network such as 10.0.0.0/8 or 2001:db8::/32".into());
            checker.error(item, "ERR_NGROK_2217", format!("`{text}` {wrong}"), help);
        }
    }
    for policy in list("ip_policies") {
        let name = policy.as_str().unwrap_or_default();
        let help = Some("write its networks into `allow` and `deny`".into());
        let message = format!("there is no IP policy `{name}`: none can be stored here");
        checker.error(policy, "ERR_NGROK_2216", message, help);
    }
    if list("allow").is_empty() {
        let at = config.get("allow").or(config.get("deny")).unwrap_or(*config);
        let help = Some("to refuse only what is in `deny`, add `allow: [0.0.0.0/0, \"::/0\"]`".into());
        checker.warning(at, "ERR_NGROK_393", "nobody is in `allow`: everybody is refused".into(), help);
    }
}

/// Networks of a field: those that are known, and those that are computed for each request.
#[derive(Default)]
struct Ranges {
    known: CidrSet,
    computed: Vec<Template>,
}

impl Ranges {
    fn new(list: Option<Config<'_>>) -> Self {
        let mut ranges = Self::default();
        for template in list.iter().flat_map(Config::as_list).filter_map(|item| item.template()) {
            match template.as_literal().map(|text| (text, text.parse())) {
                Some((text, Ok(network))) => ranges.known.insert(network, text.trim()),
                Some((_, Err(_))) => {} // refused at load
                None => ranges.computed.push(template),
            }
        }
        ranges
    }

    /// The network of these that an address is in.
    fn find(&self, address: IpAddr, activation: &Activation<'_>) -> Result<Option<Arc<str>>, Fault> {
        if let Some(known) = self.known.find(address) {
            return Ok(Some(Arc::clone(known)));
        }
        for template in &self.computed {
            let value = template.eval(activation).map_err(|e| Fault::interpolation("a network", &e))?;
            let texts: Vec<String> = match &value {
                Value::List(items) => items.iter().map(Value::to_text).collect(),
                value => vec![value.to_text()],
            };
            for text in texts {
                let network: Cidr = text
                    .parse()
                    .map_err(|wrong| Fault::policy(2217, format!("a computed network {wrong}: `{text}`")))?;
                if network.contains(address) {
                    return Ok(Some(text.into()));
                }
            }
        }
        Ok(None)
    }
}

struct RestrictIps {
    allow: Ranges,
    deny: Ranges,
    enforce: bool,
}

/// Whether an address may pass, and the network that says so.
type Decision = (bool, Option<Arc<str>>);

impl RestrictIps {
    fn decide(&self, address: IpAddr, activation: &Activation<'_>) -> Result<Decision, Fault> {
        if let Some(network) = self.deny.find(address, activation)? {
            return Ok((false, Some(network)));
        }
        let network = self.allow.find(address, activation)?;
        Ok((network.is_some(), network))
    }

    /// `None` when the request passes, else why it does not. Networks that cannot be computed let nobody pass.
    fn refusal(&self, exchange: &mut Exchange, decided: Result<Decision, Fault>) -> Option<Fault> {
        let (passes, network, fault) = match decided {
            Ok((passes, network)) => (passes, network, None),
            Err(fault) => (false, None, Some(fault)),
        };
        exchange.set_result(SPEC.result_name, || {
            gate::results([
                ("action", if passes { "allow" } else { "deny" }.into()),
                ("matched_cidr", Value::String(network.unwrap_or_default())),
                gate::error(fault.as_ref()),
            ])
        });
        (!passes && self.enforce).then(|| {
            fault.unwrap_or_else(|| Fault {
                code: 3203,
                status: StatusCode::FORBIDDEN,
                message: "your address is not allowed here".into(),
            })
        })
    }
}

#[async_trait]
impl Action for RestrictIps {
    async fn on_connect(&self, cx: &mut ConnectCx<'_>) -> Result<ConnectFlow, Fault> {
        let address = cx.exchange.connection.client.ip();
        let decided = self.decide(address, &cx.exchange.activation());
        Ok(match self.refusal(cx.exchange, decided) {
            Some(_) => ConnectFlow::Close,
            None => ConnectFlow::Continue,
        })
    }

    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        let address = cx.exchange.connection.client.ip();
        let decided = self.decide(address, &cx.exchange.activation());
        Ok(match self.refusal(cx.exchange, decided) {
            Some(fault) => Flow::Respond(gate::refused(cx.exchange, &fault)),
            None => Flow::Continue,
        })
    }

    async fn on_response(&self, cx: &mut ResponseCx<'_, '_>) -> Result<ResponseFlow, Fault> {
        let address = cx.exchange.connection.client.ip();
        let decided = self.decide(address, &cx.exchange.activation_with(cx.response));
        Ok(match self.refusal(cx.exchange, decided) {
            Some(fault) => ResponseFlow::Replace(gate::refused(cx.exchange, &fault)),
            None => ResponseFlow::Continue,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Tested, loads};

    const RANGES: &str = "allow: [10.0.0.0/8, \"2001:db8::/32\"], deny: [10.1.0.0/16]";

    fn policy(config: &str) -> String {
        format!(
            "on_http_request:\n  - type: restrict-ips\n    config: {{{config}}}\n  - type: custom-response\n    config:\n      \
             body: \"${{actions.ngrok.restrict_ips.action}} ${{actions.ngrok.restrict_ips.matched_cidr}} \
             ${{actions.ngrok.restrict_ips.error.code}}\"\n"
        )
    }

    #[tokio::test]
    async fn allowed_and_not_denied_passes() {
        for (ip, status, body) in [
            ("10.2.3.4", 200, "allow 10.0.0.0/8 "),
            ("::ffff:10.2.3.4", 200, "allow 10.0.0.0/8 "),
            ("2001:db8::7", 200, "allow 2001:db8::/32 "),
            ("10.1.2.3", 403, ""),
            ("8.8.8.8", 403, ""),
        ] {
            let run = Tested::new(&policy(RANGES)).from(ip).run("GET / HTTP/1.1\r\n\r\n").await;
            assert_eq!(run.status(), Some(status), "{ip}");
            match status {
                200 => assert_eq!(run.body(), body, "{ip}"),
                _ => assert_eq!(run.error_code(), Some(3203), "{ip}"),
            }
        }
    }

    #[tokio::test]
    async fn without_enforce_the_decision_is_left_for_later_rules() {
        let policy = policy(&format!("enforce: false, {RANGES}"));
        for (ip, body) in
            [("10.2.3.4", "allow 10.0.0.0/8 "), ("10.1.2.3", "deny 10.1.0.0/16 "), ("8.8.8.8", "deny  ")]
        {
            let run = Tested::new(&policy).from(ip).run("GET / HTTP/1.1\r\n\r\n").await;
            assert_eq!((run.status(), run.body().as_str()), (Some(200), body), "{ip}");
        }
    }

    #[tokio::test]
    async fn networks_are_computed_one_by_one_or_as_a_list() {
        for config in
            ["allow: [\"${req.headers['x-net'][0]}\"]", "allow: [\"${req.headers['x-net'][0].split(' ')}\"]"]
        {
            let run = |head: &'static str| async move {
                Tested::new(&policy(config)).from("10.9.9.9").run(head).await
            };
            let pass = run("GET / HTTP/1.1\r\nx-net: 10.0.0.0/8\r\n\r\n").await;
            assert_eq!(pass.body(), "allow 10.0.0.0/8 ", "{config}");
            assert_eq!(run("GET / HTTP/1.1\r\nx-net: 11.0.0.0/8\r\n\r\n").await.status(), Some(403));
            let wrong = run("GET / HTTP/1.1\r\nx-net: here\r\n\r\n").await;
            assert_eq!((wrong.status(), wrong.error_code()), (Some(500), Some(2217)));
        }
        let lax = policy("enforce: false, allow: [\"${req.headers['x-net'][0]}\"]");
        let run = Tested::new(&lax).run("GET / HTTP/1.1\r\nx-net: here\r\n\r\n").await;
        assert_eq!(run.body(), "deny  ERR_NGROK_2217");
    }

    #[tokio::test]
    async fn connections_are_closed_and_responses_replaced() {
        let connect = "on_tcp_connect:\n  - type: restrict-ips\n    config: {allow: [10.0.0.0/8]}\n";
        assert!(Tested::new(connect).from("10.0.0.1").connects());
        assert!(!Tested::new(connect).from("8.8.8.8").connects());
        let respond = "on_http_response:\n  - type: restrict-ips\n    config: {allow: [10.0.0.0/8]}\n";
        assert_eq!(Tested::new(respond).from("10.0.0.1").answer(200).await.status, 200);
        let refused = Tested::new(respond).from("8.8.8.8").answer(200).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.headers["ngrok-error-code"]),
            (403, &"ERR_NGROK_3203".parse().unwrap())
        );
    }

    #[test]
    fn what_is_wrong_is_refused_at_load() {
        for (config, code) in [
            ("allow: [10.0.0.0/33]", "ERR_NGROK_2217"),
            ("allow: [0.0.0.0/0], deny: [localhost]", "ERR_NGROK_2217"),
            ("allow: [0.0.0.0/0], ip_policies: [ipp_office]", "ERR_NGROK_2216"),
            ("allow: 10.0.0.0/8", "ERR_NGROK_2203"),
            ("allow: [10.0.0.0/8], enforce: 1", "ERR_NGROK_2203"),
            ("allow: [10.0.0.0/8], permit: []", "ERR_NGROK_2203"),
            ("allow: [\"${nothing.here}\"]", "ERR_NGROK_2224"),
        ] {
            let said = loads(&policy(config)).expect_err(config);
            assert!(said.contains(code), "{config}: {said}");
        }
        let said = loads("on_event_stream_message:\n  - type: restrict-ips\n").expect_err("a wrong phase");
        assert!(said.contains("ERR_NGROK_2202"), "{said}");
    }

    #[test]
    fn a_list_that_refuses_everybody_is_warned_of() {
        for config in ["deny: [10.0.0.0/8]", "enforce: true"] {
            assert!(loads(&policy(config)).expect("loads").contains("ERR_NGROK_393"), "{config}");
        }
        assert!(!loads(&policy(RANGES)).expect("loads").contains("ERR_NGROK_393"));
    }
}
