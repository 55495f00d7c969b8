//! The page that says what of ngrok's language is here: actions, fields, results, differences.

use crate::action::{ActionSpec, Phase, Terminating};
use crate::document::holds;
use crate::shape::{Field, Shape};

/// What differs in the document itself, and why.
const DOCUMENT: &[(&str, &str)] = &[
    (
        "where rules stand",
        "A list of rules; also bare actions, a phase that is one mapping, `actions:` that is one mapping: examples use all of these. The whole policy may stand below `traffic_policy:`.",
    ),
    (
        "unknown keys",
        "Refused with their place and the nearest right name, because a misspelt limit must not be no limit.",
    ),
    (
        "`if:`, `code:` beside `deny`, an action in `expressions:`",
        "Refused, with the right form: single stale pages show them.",
    ),
    ("`${...}` in `expressions`", "Read as what is inside, with a warning: an expression is CEL as a whole."),
    ("a literal `${`", "`$${`. ngrok documents no way to write one."),
    (
        "an action behind one that always ends the phase",
        "A warning (`ERR_NGROK_2207`): published examples have it.",
    ),
    (
        "an expression that fails",
        "In `on_http_request` the answer is 500 with `ERR_NGROK_2254`, in `on_tcp_connect` the connection is closed: a guard must not fail open. In the response phases the rule does not match, and a warning is logged.",
    ),
    (
        "which answers pass `on_http_response`",
        "Those of the upstream, of `ai-gateway`, of `forward-internal` and of `custom-response`; those of `deny`, `redirect`, gates and errors do not.",
    ),
    (
        "errors",
        "The codes are ngrok's where it publishes one. The answer has the code in `ngrok-error-code`, which an upstream cannot set; statuses and texts are Tollgate's own.",
    ),
    (
        "an endpoint without an upstream whose rules do not answer everything",
        "Served, with a warning (`ERR_NGROK_2235`): what no rule ends is answered 404 with `ERR_NGROK_6029`.",
    ),
    (
        "durations",
        "Go's syntax. A bare number and `1d` are refused with the right form in the help: ngrok does not say what they would mean.",
    ),
    (
        "header values",
        "Written out: at most 8192 bytes, without line ends and other control characters, each name once. Computed: a line end or NUL in them is 500 with `ERR_NGROK_2211`.",
    ),
    ("more than one `ai-gateway`", "Possible; ngrok allows one in a policy (`ERR_NGROK_2266`)."),
    (
        "protocols and services",
        "What belongs to ngrok's service (Kubernetes bindings, stored certificates, managed logins) is not here, nor are the codes for it. Endpoints and IP policies stand in the configuration file.",
    ),
    ("limits", "512 rules a phase, 64 actions a rule. ngrok does not publish its numbers."),
];

/// A Markdown page: what of the language is here, and where it differs from ngrok's. `language` are the differences of
/// expressions: what, and how it is here.
#[must_use]
pub fn document_compatibility(specs: &[&ActionSpec], language: &[(&str, &str)]) -> String {
    let mut page = String::from(
        "# Compatibility with ngrok's Traffic Policy\n\nWhat of the language is here, and where it differs. Generated from the \
         code; `make docs` writes it anew. Each action has [a page of its own](actions/README.md).\n\nPhases: **T** \
         `on_tcp_connect`, **Q** `on_http_request`, **S** `on_http_response`, **E** `on_event_stream_message`. Actions, \
         fields and results marked with \\* are Tollgate's own.\n\n",
    );
    page.push_str("| action | phases | flow | differences |\n|---|---|---|---|\n");
    for name in crate::KNOWN_ACTIONS {
        match specs.iter().find(|spec| spec.name == *name) {
            None => page.push_str(&format!(
                "| `{name}` | - | - | **not supported**: refused by name when a policy is loaded |\n"
            )),
            Some(spec) => {
                let cells =
                    [letters(spec.phases), flow(spec.terminating).into(), number(spec.differences.len())];
                let star = if crate::OWN_ACTIONS.contains(name) { "\\*" } else { "" };
                page.push_str(&format!("| [`{name}`](#{name}){star} | {} |\n", cells.join(" | ")));
            }
        }
    }
    for spec in specs {
        action(&mut page, spec);
    }
    table(&mut page, "The document", DOCUMENT);
    table(&mut page, "Expressions", language);
    page
}

fn action(page: &mut String, spec: &ActionSpec) {
    page.push_str(&format!("\n## `{}`\n\n", spec.name));
    if spec.fields.is_empty() {
        page.push_str("No fields.\n\n");
    } else {
        page.push_str("| field | holds | default |\n|---|---|---|\n");
        rows(page, "", spec.fields);
        page.push('\n');
    }
    if spec.results.is_empty() {
        page.push_str("No results.\n\n");
    } else {
        let star = |ours: bool| if ours { "\\*" } else { "" };
        let all: Vec<String> = spec
            .results
            .iter()
            .map(|r| format!("`{}` {}{}", r.path, r.holds.name(), star(r.extension)))
            .collect();
        page.push_str(&format!("Results in `actions.ngrok.{}`: {}.\n\n", spec.result_name, all.join(", ")));
    }
    match spec.differences {
        [] => page.push_str("Differences: none known.\n"),
        some => {
            page.push_str("Differences:\n\n");
            some.iter().for_each(|difference| page.push_str(&format!("- {difference}\n")));
        }
    }
}

fn rows(page: &mut String, path: &str, fields: &[Field]) {
    for field in fields {
        let name = format!("{path}{}", field.name);
        let default = match field.default {
            Some("") => "empty".into(),
            Some(default) => format!("`{default}`"),
            None if field.required => "required".into(),
            None => "-".into(),
        };
        let star = if field.extension { "\\*" } else { "" };
        page.push_str(&format!(
            "| `{name}`{star} | {} | {default} |\n",
            holds(&field.shape).replace('|', "\\|")
        ));
        below(page, &name, &field.shape);
    }
}

fn below(page: &mut String, path: &str, shape: &Shape) {
    match shape {
        Shape::Object(fields) => rows(page, &format!("{path}."), fields),
        Shape::List { item, .. } => below(page, &format!("{path}[]"), item),
        Shape::Map { value, .. } => below(page, &format!("{path}.*"), value),
        Shape::OneOf(shapes) => shapes.iter().take(1).for_each(|shape| below(page, path, shape)),
        _ => {}
    }
}

fn table(page: &mut String, title: &str, rows: &[(&str, &str)]) {
    page.push_str(&format!("\n## {title}\n\n| what | here |\n|---|---|\n"));
    for (what, here) in rows {
        page.push_str(&format!("| {what} | {} |\n", here.replace('|', "\\|")));
    }
}

fn letters(phases: &[Phase]) -> String {
    let letter = |phase: &Phase| match phase {
        Phase::TcpConnect => "T",
        Phase::HttpRequest => "Q",
        Phase::HttpResponse => "S",
        Phase::EventStreamMessage => "E",
    };
    phases.iter().map(letter).collect::<Vec<_>>().join(" ")
}

fn flow(terminating: Terminating) -> &'static str {
    match terminating {
        Terminating::Always => "ends the phase",
        Terminating::OnSuccess => "ends the phase on success",
        Terminating::Gate => "passes or refuses",
        Terminating::Never => "goes on",
    }
}

fn number(differences: usize) -> String {
    match differences {
        0 => "none known".into(),
        some => some.to_string(),
    }
}
