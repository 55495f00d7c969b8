//! The reference page of variables and functions, made of the tables that the compiler uses.

use crate::engine::{Field, Node, ROOTS, entity_fields};
use crate::functions::docs::{Doc, SECTIONS};
use crate::scope::Phases;
use crate::value::EntityKind;
use std::fmt::Write as _;

const HEAD: &str = "# Variables and functions of expressions

Generated from the tables of `crates/expr`; `make docs` writes it anew. How expressions are used is in
[writing policies](writing-policies.md#expressions).

Phases: **T** `on_tcp_connect`, **t** the same behind an action `terminate-tls`, **Q** `on_http_request`, **S**
`on_http_response`, **E** `on_event_stream_message`. A variable outside its phases is an error of `tollgate check`.

What the engine has no value for reads as empty: `''`, 0, `false`, an empty list, or `null` for a time. An element past
the end of header lines is `''`. A name that is missing in `vars` or in decoded JSON is an error. A *string with fields* is
a string, and has the fields listed below it: `conn.client_ip` and `conn.client_ip.as.number`.

Beside these there are the operators and literals of [CEL](https://cel.dev): `+ - * / %`, `== != < <= > >=`, `&& || !`,
`?:`, `in`, `[]`, lists, maps, `'text'`, `r'raw'`, `b'bytes'`, `1`, `1u`, `1.5`, `true`, `null`.

## Variables
";

/// The reference of all variables and functions as Markdown: `docs/expressions.md`.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from(HEAD);
    for root in ROOTS {
        let _ = write!(out, "\n### `{}`\n\n{} Phases: {}.\n", root.name, root.doc, root.phases.letters());
        if !root.fields.is_empty() {
            out.push_str("\n| variable | type | phases | meaning |\n|---|---|---|---|\n");
            fields(&mut out, root.name, root.phases, root.fields);
        }
    }
    strategies(&mut out);
    out.push_str("\n## Functions\n\nA `?` marks an argument that may be left out. Arguments of a wrong type are errors.\n");
    for section in SECTIONS {
        let _ = write!(out, "\n### {}\n\n", section.title);
        if !section.note.is_empty() {
            let _ = write!(out, "{}\n\n", section.note);
        }
        out.push_str("| function | gives | meaning | example |\n|---|---|---|---|\n");
        for doc in section.docs {
            function(&mut out, doc);
        }
    }
    out
}

fn fields(out: &mut String, path: &str, phases: Phases, list: &[Field]) {
    for field in list {
        let path = format!("{path}.{}", field.name);
        let phases = phases.and(field.phases);
        if !matches!(field.node, Node::Record(_)) {
            let _ = writeln!(out, "| `{path}` | {} | {} | {} |", field.ty, phases.letters(), field.doc);
        }
        if let Node::Record(below) | Node::Dual(_, below) = field.node {
            fields(out, &path, phases, below);
        }
    }
}

fn strategies(out: &mut String) {
    out.push_str("\n### `ai`\n\nIn strategies of `ai-gateway`.\n\n| variable | type |\n|---|---|\n");
    let lists = [
        ("ai.models", "model_selection", EntityKind::Model),
        ("ai.providers", "model_selection", EntityKind::Provider),
        ("ai.authors", "model_selection", EntityKind::Author),
        ("ai.keys", "api_key_selection", EntityKind::Key),
    ];
    for (name, place, kind) in lists {
        let names: Vec<String> = entity_fields(kind).iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(out, "| `{name}` (in `{place}`) | list; each has {} |", names.join(", "));
    }
    out.push_str("| `ai.request` | what the client asked for; what it did not name is `null` |\n");
    out.push_str("\n### `attempts`, `last_attempt`\n\nIn `retry_condition` of `http-request`.\n\n");
    out.push_str("| variable | type |\n|---|---|\n| `attempts` | int: how many were made |\n");
    out.push_str("| `last_attempt` | the last one: `req`, `res`, `error` |\n");
}

fn function(out: &mut String, doc: &Doc) {
    let fails = if doc.fails.is_empty() { String::new() } else { format!(" Error: {}.", doc.fails) };
    let code = |text: &str| format!("`{}`", text.replace('|', "\\|"));
    let _ = writeln!(
        out,
        "| {} | {} | {}{fails} | {} is {} |",
        code(doc.form),
        doc.gives,
        doc.does,
        code(doc.example),
        code(doc.result)
    );
}
