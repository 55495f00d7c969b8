//! `restrict-ips`: lets pass whose address is allowed and not denied.

use super::gate;
use crate::action::{
    Action, ActionType, BuildContext, ConnectCx, ConnectFlow, Flow, RequestCx, ResponseCx, ResponseFlow,
};
use crate::addressing::IpPolicies;
use crate::answer::Fault;
use crate::exchange::Exchange;
use async_trait::async_trait;
use http::StatusCode;
use std::net::IpAddr;
use std::sync::Arc;
use tollgate_address::{Network, NetworkMap};
use tollgate_expr::{Activation, Template, Value, nearest};
use tollgate_policy::{ActionSpec, Checker, Config, Field, Holds, Phase, ResultVar, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, cx| {
        check_policies(config, cx);
        Ok(Box::new(RestrictIps {
            policies: list(config, "ip_policies").iter().filter_map(Config::as_str).map(Arc::from).collect(),
            store: Arc::clone(&cx.shared.addressing.ip_policies),
            allow: Ranges::new(&list(config, "allow")),
            deny: Ranges::new(&list(config, "deny")),
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
    differences: &["IP policies are in the configuration file, under ids of the operator's choice; there is no API for them.", "`enforce` may be left out: ngrok's table calls it required, and its examples leave it out."],
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
            "Ids of IP policies of the configuration file: their rules count as if they stood in `allow` and `deny`. They can \
             change while requests are served; when one is not there any more, nobody is let through.",
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
    let list = |name| list(config, name);
    for item in list("allow").into_iter().chain(list("deny")) {
        let literal = item.template().and_then(|template| template.as_literal().map(str::to_owned));
        if let Some(text) = literal
            && let Err(wrong) = text.parse::<Network>()
        {
            let help = Some("write a network such as 10.0.0.0/8 or 2001:db8::/32".into());
            checker.error(item, "ERR_NGROK_2217", format!("`{text}` {wrong}"), help);
        }
    }
    if list("allow").is_empty() && list("ip_policies").is_empty() {
        let at = config.get("allow").or(config.get("deny")).unwrap_or(*config);
        checker.warning(at, "ERR_NGROK_393", NOBODY.into(), Some(EVERYBODY.into()));
    }
}

const NOBODY: &str = "nobody is in `allow`: everybody is refused";
const EVERYBODY: &str = "to refuse only what is in `deny`, add `allow: [0.0.0.0/0, \"::/0\"]`";

fn list<'a>(config: &Config<'a>, name: &str) -> Vec<Config<'a>> {
    config.get(name).map(|list: Config<'_>| list.as_list()).unwrap_or_default()
}

/// Whether the IP policies exist, and somebody is allowed: what only the configuration file can say.
fn check_policies(config: &Config<'_>, cx: &BuildContext<'_>) {
    let named = list(config, "ip_policies");
    let Some(first) = named.first().copied() else { return };
    let Some(known) = cx.shared.addressing.ip_policies.current() else {
        let message = "the IP policies are in the configuration file, which was not given".to_owned();
        let help = "to check them, give it with `--config tollgate.yml`".to_owned();
        return cx.warnings.add(first.location(), "ERR_NGROK_2216", message, help);
    };
    let mut allowing = !list(config, "allow").is_empty();
    for item in named {
        let id = item.as_str().unwrap_or_default();
        let Some(policy) = known.get(id) else {
            let ids = || known.keys().map(String::as_str);
            let help = match nearest(id, ids()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => {
                    "write it under `ip_policies` of the configuration file".to_owned()
                }
                None => {
                    let mut all: Vec<&str> = ids().collect();
                    all.sort_unstable();
                    format!("the configuration file has {}", all.join(", "))
                }
            };
            allowing = true; // this finding is enough
            let message = format!("there is no IP policy `{id}`");
            cx.warnings.error(item.location(), "ERR_NGROK_2216", message, help);
            continue;
        };
        allowing |= !policy.allows_nobody();
    }
    if !allowing {
        cx.warnings.add(first.location(), "ERR_NGROK_393", NOBODY.into(), EVERYBODY.into());
    }
}

/// Networks of a field: those that are known, and those that are computed for each request.
struct Ranges {
    known: NetworkMap<Arc<str>>,
    computed: Vec<Template>,
}

impl Ranges {
    fn new(list: &[Config<'_>]) -> Self {
        let (mut known, mut computed) = (Vec::new(), Vec::new());
        for template in list.iter().filter_map(Config::template) {
            match template.as_literal().map(|text| (text.trim(), text.parse())) {
                Some((text, Ok(network))) => known.push((network, Arc::from(text))),
                Some((_, Err(_))) => {} // refused at load
                None => computed.push(template),
            }
        }
        Self { known: known.into_iter().collect(), computed }
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
                let network: Network = text
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
    policies: Vec<Arc<str>>,
    store: Arc<IpPolicies>,
    allow: Ranges,
    deny: Ranges,
    enforce: bool,
}

/// Whether an address may pass, and the network that says so.
type Decision = (bool, Option<Arc<str>>);

impl RestrictIps {
    fn decide(&self, address: IpAddr, activation: &Activation<'_>) -> Result<Decision, Fault> {
        let known = if self.policies.is_empty() { None } else { self.store.current() };
        let mut policies = Vec::with_capacity(self.policies.len());
        for id in &self.policies {
            let policy = known.as_ref().and_then(|known| known.get(&**id));
            policies
                .push(policy.ok_or_else(|| Fault::policy(2216, format!("there is no IP policy `{id}`")))?);
        }
        let denied = self.deny.find(address, activation)?;
        if let Some(network) = denied.or_else(|| policies.iter().find_map(|p| p.denies(address).cloned())) {
            return Ok((false, Some(network)));
        }
        let allowed = self.allow.find(address, activation)?;
        let network = allowed.or_else(|| policies.iter().find_map(|p| p.allows(address).cloned()));
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
    use crate::addressing::{Addressing, IpPolicies, IpPolicySet};
    use crate::testing::{Tested, loads};
    use std::sync::Arc;
    use tollgate_address::IpRule;

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

    fn ip_policies(rules: &[(&str, &str, bool)]) -> IpPolicySet {
        let mut policies = IpPolicySet::default();
        for id in ["ipp_office", "ipp_bad", "ipp_none"] {
            let of = rules.iter().filter(|(policy, ..)| *policy == id);
            let rules = of.map(|(_, cidr, allow)| IpRule {
                network: cidr.parse().expect("a network"),
                written: (*cidr).into(),
                allow: *allow,
            });
            policies.insert(id.to_owned(), rules.collect());
        }
        policies
    }

    const RULES: [(&str, &str, bool); 4] = [
        ("ipp_office", "10.0.0.0/8", true),
        ("ipp_office", "10.1.0.0/16", false),
        ("ipp_office", "2001:db8::/32", true),
        ("ipp_bad", "10.7.7.7", false),
    ];

    fn tested(config: &str) -> (Tested, Arc<IpPolicies>) {
        let store = Arc::new(IpPolicies::known(ip_policies(&RULES)));
        let addressing = Addressing { ip_policies: Arc::clone(&store), ..Addressing::default() };
        (Tested::new(&policy(config)).addressing(addressing), store)
    }

    #[tokio::test]
    async fn rules_of_ip_policies_count_as_if_they_stood_here() {
        for (config, ip, status, body) in [
            ("ip_policies: [ipp_office]", "10.2.3.4", 200, "allow 10.0.0.0/8 "),
            ("ip_policies: [ipp_office]", "::ffff:10.2.3.4", 200, "allow 10.0.0.0/8 "),
            ("ip_policies: [ipp_office]", "2001:db8::9", 200, "allow 2001:db8::/32 "),
            ("ip_policies: [ipp_office]", "10.1.2.3", 403, ""),
            ("ip_policies: [ipp_office]", "8.8.8.8", 403, ""),
            ("enforce: false, ip_policies: [ipp_office]", "10.1.2.3", 200, "deny 10.1.0.0/16 "),
            ("enforce: false, ip_policies: [ipp_office, ipp_bad]", "10.7.7.7", 200, "deny 10.7.7.7 "),
            (
                "enforce: false, ip_policies: [ipp_bad], allow: [10.0.0.0/9]",
                "10.7.7.8",
                200,
                "allow 10.0.0.0/9 ",
            ),
            (
                "enforce: false, ip_policies: [ipp_bad], allow: [10.0.0.0/9]",
                "10.7.7.7",
                200,
                "deny 10.7.7.7 ",
            ),
            (
                "enforce: false, ip_policies: [ipp_office], deny: [10.2.0.0/16]",
                "10.2.3.4",
                200,
                "deny 10.2.0.0/16 ",
            ),
            ("enforce: false, ip_policies: [ipp_none]", "10.2.3.4", 200, "deny  "),
        ] {
            let (tested, _) = tested(config);
            let run = tested.from(ip).run("GET / HTTP/1.1\r\n\r\n").await;
            assert_eq!(run.status(), Some(status), "{config} {ip}");
            if status == 200 {
                assert_eq!(run.body(), body, "{config} {ip}");
            }
        }
    }

    #[tokio::test]
    async fn changed_rules_count_at_once_and_a_policy_that_is_gone_lets_nobody_pass() {
        let (tested, store) = tested("ip_policies: [ipp_office]");
        let tested = tested.from("10.2.3.4").built();
        let ask = "GET / HTTP/1.1\r\n\r\n";
        assert_eq!(tested.run(ask).await.status(), Some(200));
        store.replace(ip_policies(&[
            ("ipp_office", "10.2.3.4/32", false),
            ("ipp_office", "10.0.0.0/8", true),
        ]));
        assert_eq!(tested.run(ask).await.status(), Some(403));
        store.replace(IpPolicySet::default());
        let run = tested.run(ask).await;
        assert_eq!((run.status(), run.error_code()), (Some(500), Some(2216)));
    }

    #[test]
    fn ids_that_do_not_exist_are_refused_when_it_is_known_which_do() {
        let check = |config: &str| tested(config).0.loads();
        assert_eq!(check("ip_policies: [ipp_office]"), Ok(String::new()));
        let said = check("allow: [::/0], ip_policies: [ipp_offic, other]").expect_err("unknown");
        assert!(said.contains("ERR_NGROK_2216") && said.contains("did you mean `ipp_office`?"), "{said}");
        assert!(said.contains("`other`") && said.contains("has ipp_bad, ipp_none, ipp_office"), "{said}");
        let said = check("ip_policies: [ipp_bad, ipp_none]").expect("a warning");
        assert!(said.contains("ERR_NGROK_393"), "{said}");
        assert_eq!(check("ip_policies: [ipp_bad], allow: [10.0.0.0/8]"), Ok(String::new()));
        // Without a configuration file nobody can say.
        let said = loads(&policy("ip_policies: [ipp_office]")).expect("a warning");
        assert!(
            said.contains("warning") && said.contains("ERR_NGROK_2216") && said.contains("--config"),
            "{said}"
        );
        let nothing = Addressing {
            ip_policies: Arc::new(IpPolicies::known(IpPolicySet::default())),
            ..Addressing::default()
        };
        let said = Tested::new(&policy("ip_policies: [a]")).addressing(nothing).loads().expect_err("none");
        assert!(said.contains("under `ip_policies` of the configuration file"), "{said}");
    }

    #[test]
    fn a_list_that_refuses_everybody_is_warned_of() {
        for config in ["deny: [10.0.0.0/8]", "enforce: true"] {
            assert!(loads(&policy(config)).expect("loads").contains("ERR_NGROK_393"), "{config}");
        }
        assert!(!loads(&policy(RANGES)).expect("loads").contains("ERR_NGROK_393"));
    }
}
