//! `set-vars`: gives names to values, for the expressions that follow in the same phase.

use crate::action::{Action, ActionType, ConnectCx, ConnectFlow, Flow, RequestCx, ResponseCx, ResponseFlow};
use crate::answer::Fault;
use crate::exchange::Exchange;
use async_trait::async_trait;
use std::sync::Arc;
use tollgate_expr::{Activation, Map, Value};
use tollgate_policy::{ActionSpec, Checker, Config, Field, JsonTemplate, KeyRule, Phase, Shape, Terminating};

pub(super) static ACTION: ActionType = ActionType {
    spec: &SPEC,
    build: |config, _| {
        let vars = assignments(config).into_iter();
        Ok(Box::new(SetVars {
            vars: vars.filter_map(|(name, value)| Some((Arc::from(name), value.json_template()?))).collect(),
        }))
    },
};

/// What all variables of a request may hold together, in bytes of text.
const MAX_BYTES: usize = 1 << 20; // 1 MiB
/// How deep a value may be nested.
const MAX_DEPTH: usize = 10;

static SPEC: ActionSpec = ActionSpec {
    name: "set-vars",
    result_name: "set_vars",
    summary: "Gives names to values: `vars.NAME` in the expressions that follow in the same phase.",
    phases: &[Phase::TcpConnect, Phase::HttpRequest, Phase::HttpResponse],
    terminating: Terminating::Never,
    results: &[],
    differences: &[
        "`vars` may be one mapping, with a warning: examples write it so.",
        "Values may be nested 10 levels deep, and all variables of a request hold 1 MiB; ngrok does not say its limits.",
    ],
    fields: &[Field::required(
        "vars",
        Shape::OneOf(&[
            Shape::List { item: &ONE, min: 1, max: 100 },
            Shape::Map { value: &Shape::Json, min: 1, max: 100, keys: KeyRule::Identifier },
        ]),
        "A list of one-key mappings, set in order; each sees those before it. A text that is exactly one `${}` keeps \
         the type of its value; a text without `${}` is that text.",
    )],
    check: Some(check),
    example: "- type: set-vars\n  config:\n    vars:\n      - tokens: ['Bearer a', 'Bearer b']\n      - count: ${size(vars.tokens)}\n",
};

const ONE: Shape = Shape::Map { value: &Shape::Json, min: 1, max: 1, keys: KeyRule::Identifier };

fn assignments<'a>(config: &Config<'a>) -> Vec<(&'a str, Config<'a>)> {
    let Some(vars) = config.get("vars") else { return Vec::new() };
    if vars.is_map() { vars.entries() } else { vars.as_list().iter().flat_map(Config::entries).collect() }
}

fn check(config: &Config<'_>, checker: &mut Checker) {
    if let Some(vars) = config.get("vars").filter(Config::is_map) {
        let help = "write a list: one `- name: value` for each variable";
        checker.warning(
            vars,
            "ERR_NGROK_2252",
            "`vars` is a list of one-key mappings".into(),
            Some(help.into()),
        );
    }
    for item in config.get("vars").map(|vars| vars.as_list()).unwrap_or_default() {
        if item.entries().len() != 1 {
            checker.recode(item, "ERR_NGROK_2252");
        }
    }
    for (name, value) in assignments(config) {
        if depth(&value) > MAX_DEPTH {
            let message = format!("the value of `{name}` is nested deeper than {MAX_DEPTH} levels");
            checker.error(value, "ERR_NGROK_2250", message, None);
        }
    }
}

fn depth(value: &Config<'_>) -> usize {
    let inner: Vec<Config<'_>> = if value.is_list() {
        value.as_list()
    } else {
        value.entries().into_iter().map(|(_, value)| value).collect()
    };
    1 + inner.iter().map(depth).max().unwrap_or(0)
}

struct SetVars {
    vars: Vec<(Arc<str>, JsonTemplate)>,
}

/// Roughly what a value occupies.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.iter().map(weight).sum::<usize>() + 16,
        Value::Map(map) => map.iter().map(|(key, value)| key.len() + weight(value)).sum::<usize>() + 16,
        _ => 8,
    }
}

fn assign(vars: &mut Map, name: &Arc<str>, value: Value) -> Result<(), Fault> {
    vars.insert(Arc::clone(name), value);
    let total: usize = vars.values().map(weight).sum();
    if total > MAX_BYTES {
        return Err(Fault::policy(
            2249,
            format!("the variables of this request hold more than {MAX_BYTES} bytes"),
        ));
    }
    Ok(())
}

fn eval(name: &str, value: &JsonTemplate, activation: &Activation<'_>) -> Result<Value, Fault> {
    value.eval(activation).map_err(|e| Fault::interpolation(&format!("variable `{name}`"), &e))
}

impl SetVars {
    fn run(&self, exchange: &mut Exchange) -> Result<(), Fault> {
        for (name, template) in &self.vars {
            let value = eval(name, template, &exchange.activation())?;
            assign(&mut exchange.vars, name, value)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Action for SetVars {
    async fn on_connect(&self, cx: &mut ConnectCx<'_>) -> Result<ConnectFlow, Fault> {
        self.run(cx.exchange)?;
        Ok(ConnectFlow::Continue)
    }

    async fn on_request(&self, cx: &mut RequestCx<'_>) -> Result<Flow, Fault> {
        self.run(cx.exchange)?;
        Ok(Flow::Continue)
    }

    async fn on_response(&self, cx: &mut ResponseCx<'_, '_>) -> Result<ResponseFlow, Fault> {
        for (name, template) in &self.vars {
            let value = eval(name, template, &cx.exchange.activation_with(cx.response))?;
            assign(&mut cx.exchange.vars, name, value)?;
        }
        Ok(ResponseFlow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{loads, run_request};

    async fn body(vars: &str, body: &str) -> String {
        let policy = format!(
            "on_http_request:\n  - type: set-vars\n    config: {{vars: {vars}}}\n  - type: custom-response\n    config: {{body: \"{body}\"}}\n"
        );
        run_request(&policy, "GET / HTTP/1.1\r\n\r\n").await.body()
    }

    #[tokio::test]
    async fn each_sees_those_before_it_and_types_are_kept() {
        let vars = "[{l: ['a', 'b']}, {n: '${size(vars.l)}'}, {n: '${vars.n + 1}'}]";
        assert_eq!(body(vars, "n=${vars.n} first=${vars.l[0]}").await, "n=3 first=a");
        assert_eq!(body("[{n: '${int(50.5)}'}]", "${vars.n}").await, "50");
        assert_eq!(
            body("[{t: 'json.decode(x)'}]", "${vars.t}").await,
            "json.decode(x)",
            "a text without an expression is a literal"
        );
    }

    #[tokio::test]
    async fn they_end_with_the_phase() {
        let policy = "on_http_request:\n  - type: set-vars\n    config: {vars: [{a: 1}]}\n  - type: custom-response\n\
                      on_http_response:\n  - type: add-headers\n    config: {headers: {x-has: \"${has(vars.a)}\"}}\n";
        let run = run_request(policy, "GET / HTTP/1.1\r\n\r\n").await;
        assert_eq!(run.after_response_phase().await.get("x-has").map(|v| v.as_bytes()), Some(&b"false"[..]));
    }

    #[test]
    fn a_mapping_is_taken_with_a_warning_and_two_keys_in_an_item_are_refused() {
        assert!(
            loads("on_http_request:\n  - type: set-vars\n    config: {vars: {a: 1}}\n")
                .expect("loads")
                .contains("2252")
        );
        assert!(loads("on_http_request:\n  - type: set-vars\n    config: {vars: [{a: 1, b: 2}]}\n").is_err());
    }
}
