//! The dashboard and the rules of alerts that are delivered name only metrics and labels there are: on `/metrics` of a
//! gateway with some traffic, and in the documentation.

use crate::support::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tollgate_mock::{Behaviour, Script};

const CHAT: &str = "/v1/chat/completions";
/// Labels that Prometheus itself adds, or that stand for the bound of a bucket.
const EVERYWHERE: [&str; 3] = ["job", "instance", "le"];
/// What nobody has to look at: others say the same.
const NOT_SHOWN: [&str; 1] = ["process_virtual_memory_bytes"];

fn delivered(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// Every expression of a dashboard, with the panel it is of.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let title = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
            found.push((title(&panel["title"]), title(&target["expr"])));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            found.push((title(&variable["name"]), title(&variable["query"]["query"])));
        }
    }
    found
}

/// Names of metrics in an expression, and names of labels: in braces, and after `by`.
fn named(expression: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (mut metrics, mut labels) = (BTreeSet::new(), BTreeSet::new());
    let mut outside = String::new();
    for (index, part) in expression.split(['{', '}']).enumerate() {
        if index % 2 == 0 {
            outside.push_str(part);
            outside.push(' ');
            continue;
        }
        // Values stand in quotes: what is left are names and operators.
        let bare: String = part.split('"').step_by(2).collect();
        labels.extend(bare.split(|c| !word(c)).filter(|name| !name.is_empty()).map(str::to_owned));
    }
    for name in outside.split(|c| !word(c)) {
        if name.starts_with("tollgate_") || name.starts_with("process_") {
            metrics.insert(name.to_owned());
        }
    }
    for by in outside.split("by (").skip(1) {
        let list = by.split(')').next().unwrap_or_default();
        labels.extend(list.split(',').map(|name| name.trim().to_owned()));
    }
    if let Some(query) = expression.strip_prefix("label_values(") {
        labels.extend(query.trim_end_matches(')').rsplit(',').next().map(|name| name.trim().to_owned()));
    }
    (metrics, labels)
}

/// The name under which a metric is documented.
fn family(name: &str) -> &str {
    ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// The families of a page of metrics, with their labels.
fn shown(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let series = line.rsplit_once(' ').unwrap().0;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split("\",").filter_map(|pair| pair.split_once('='));
        all.entry(family(name).to_owned()).or_default().extend(labels.map(|(name, _)| name.to_owned()));
    }
    all
}

fn documented() -> BTreeSet<String> {
    let names = delivered("docs/observability.md");
    let names =
        names.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name);
    names
        .filter(|name| name.starts_with("tollgate_") || name.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

async fn page_after_traffic() -> String {
    let one = mock(Script::default().model("bad", [Behaviour::status(429)])).await;
    let provider = custom("one", &one.url(), &[KEY_ONE]);
    let gateway = Gateway::start(&ai_gateway(json!({"providers": [provider]}))).await;
    gateway.send(post(CHAT, &names(&["one:bad", "one:m"]))).await;
    gateway.send(post(CHAT, &merge(names(&["one:m"]), json!({"stream": true})))).await;
    gateway.log_lines(2).await;
    gateway.admin("/metrics").await.text()
}

/// What is wrong with an expression, if anything is.
fn wrong(
    expression: &str,
    shown: &BTreeMap<String, BTreeSet<String>>,
    documented: &BTreeSet<String>,
) -> Vec<String> {
    let (metrics, labels) = named(expression);
    let mut wrong = Vec::new();
    let mut known: BTreeSet<&str> = EVERYWHERE.into();
    for metric in metrics.iter().map(|metric| family(metric)) {
        match shown.get(metric) {
            Some(own) => known.extend(own.iter().map(String::as_str)),
            None => wrong.push(format!("{metric} is not on /metrics")),
        }
        if !documented.contains(metric) {
            wrong.push(format!("{metric} is not in docs/observability.md"));
        }
    }
    let unknown = labels.iter().filter(|label| !known.contains(label.as_str()));
    wrong.extend(unknown.map(|label| format!("no metric here has the label {label}")));
    wrong
}

#[tokio::test]
async fn panels_ask_for_metrics_and_labels_that_exist() {
    let shown = shown(&page_after_traffic().await);
    let documented = documented();
    let dashboard: Value = serde_json::from_str(&delivered("examples/grafana/tollgate.json")).unwrap();
    let asked = expressions(&dashboard);
    assert!(asked.len() > 40, "{}", asked.len());
    for (panel, expression) in &asked {
        let wrong = wrong(expression, &shown, &documented);
        assert!(wrong.is_empty(), "{panel}: {expression}\n{wrong:?}");
    }
    // What is counted is shown: a metric that no panel asks for was forgotten.
    let used: BTreeSet<String> =
        asked.iter().flat_map(|(_, e)| named(e).0).map(|name| family(&name).to_owned()).collect();
    let shown = |name: &&String| used.contains(*name) || NOT_SHOWN.contains(&name.as_str());
    let forgotten: Vec<&String> = documented.iter().filter(|name| !shown(name)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[tokio::test]
async fn panels_have_ids_and_places_of_their_own() {
    let dashboard: Value = serde_json::from_str(&delivered("examples/grafana/tollgate.json")).unwrap();
    assert_eq!(dashboard["id"], Value::Null, "an id belongs to one Grafana");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
        assert_ne!(panel["title"], "");
    }
}

#[tokio::test]
async fn alerts_ask_for_metrics_and_labels_that_exist() {
    let shown = shown(&page_after_traffic().await);
    let documented = documented();
    let rules = delivered("examples/prometheus/alerts.yml");
    let mut expressions: Vec<String> = Vec::new();
    let mut block = false;
    for line in rules.lines() {
        let text = line.trim_start();
        if let Some(rest) = text.strip_prefix("expr:") {
            block = rest.trim() == "|";
            expressions.push(if block { String::new() } else { rest.trim().to_owned() });
        } else if block && line.starts_with("          ") {
            expressions.last_mut().unwrap().push_str(&format!("{text} "));
        } else {
            block = false;
        }
    }
    assert!(expressions.len() >= 10, "{expressions:?}");
    for expression in &expressions {
        assert!(!expression.is_empty());
        let wrong = wrong(expression, &shown, &documented);
        assert!(wrong.is_empty(), "{expression}\n{wrong:?}");
    }
}

#[test]
fn what_is_wrong_would_be_found() {
    let shown = shown(
        "tollgate_x_total{a=\"1\",b=\"x,y\"} 1\ntollgate_h_seconds_bucket{le=\"1\",a=\"{\"} 2\n# EOF\n",
    );
    let documented: BTreeSet<String> = ["tollgate_x_total", "tollgate_h_seconds"].map(str::to_owned).into();
    let count = |expression: &str| wrong(expression, &shown, &documented).len();
    assert_eq!(count(r#"sum by (a) (rate(tollgate_x_total{b=~"c|d",instance="e"}[5m]))"#), 0);
    assert_eq!(count("histogram_quantile(0.5, sum by (le, a) (rate(tollgate_h_seconds_bucket[5m])))"), 0);
    assert_eq!(count(r#"tollgate_x_total{c="1"}"#), 1);
    assert_eq!(count("sum by (c) (tollgate_x_total)"), 1);
    assert_eq!(count("tollgate_y_total"), 2);
    assert_eq!(count("label_values(tollgate_x_total, c)"), 1);
}
