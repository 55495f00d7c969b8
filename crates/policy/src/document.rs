//! The reference page of an action, made from its declaration.

use crate::action::{ActionSpec, Terminating};
use crate::shape::{Field, Shape, alternatives};

/// A Markdown page: what the action does, where it runs, its fields, an example.
#[must_use]
pub fn document_action(spec: &ActionSpec) -> String {
    let phases: Vec<&str> = spec.phases.iter().map(|phase| phase.key()).collect();
    let flow = match spec.terminating {
        Terminating::Always => "Ends the phase: nothing after it runs.",
        Terminating::OnSuccess => "Ends the phase when it succeeds.",
        Terminating::Gate => "Lets the request pass, or answers it and ends the phase.",
        Terminating::Never => "The next action runs.",
    };
    let mut page = format!("# `{}`\n\n{}\n\n", spec.name, spec.summary);
    page.push_str(&format!("- Phases: {}\n", alternatives(&phases).replace(" or ", " and ")));
    page.push_str(&format!("- Flow: {flow}\n\n"));
    if spec.fields.is_empty() {
        page.push_str("It has no `config`.\n\n");
    } else {
        page.push_str("## Fields\n\n| field | holds | default | meaning |\n|---|---|---|---|\n");
        rows(&mut page, "", spec.fields);
        page.push('\n');
    }
    results(&mut page, spec);
    if !spec.differences.is_empty() {
        page.push_str("## Differences from ngrok\n\n");
        spec.differences.iter().for_each(|difference| page.push_str(&format!("- {difference}\n")));
        page.push('\n');
    }
    page.push_str(&format!("## Example\n\n```yaml\n{}\n```\n", spec.example.trim_end()));
    page
}

/// A Markdown page with all actions of the language: where each runs and what it does, or that it is not supported.
#[must_use]
pub fn document_actions(specs: &[&ActionSpec]) -> String {
    let mut page = String::from(
        "# Actions\n\nThe actions of the traffic policy language, in the order of the alphabet. Generated from the code, as the pages \
         are.\n\n| action | phases | fields | fields of Tollgate's own | results | what it does |\n|---|---|---|---|---|---|\n",
    );
    for name in crate::KNOWN_ACTIONS {
        let Some(spec) = specs.iter().find(|spec| spec.name == *name) else {
            page.push_str(&format!(
                "| `{name}` | - | - | - | - | **not supported yet**: refused when a policy is loaded |\n"
            ));
            continue;
        };
        let list = |names: Vec<&str>| match names.is_empty() {
            true => "-".to_owned(),
            false => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        };
        let fields =
            |ours: bool| list(spec.fields.iter().filter(|f| f.extension == ours).map(|f| f.name).collect());
        let cells = [
            format!("[`{name}`]({name}.md)"),
            list(spec.phases.iter().map(|phase| phase.key()).collect()),
            fields(false),
            fields(true),
            format!("`actions.ngrok.{}`", spec.result_name),
            format!(
                "{}{}",
                spec.summary.replace('|', "\\|"),
                if crate::OWN_ACTIONS.contains(name) { " *(Tollgate only)*" } else { "" }
            ),
        ];
        page.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    page
}

fn results(page: &mut String, spec: &ActionSpec) {
    if spec.results.is_empty() {
        return;
    }
    let name = spec.result_name;
    page.push_str(&format!("## Results\n\nIn `actions.ngrok.{name}`, once it has run:\n\n"));
    page.push_str("| result | holds | meaning |\n|---|---|---|\n");
    for result in spec.results {
        let ours = if result.extension { " *(Tollgate only)*" } else { "" };
        let absent = if result.may_be_absent { ", or nothing" } else { "" };
        let (path, holds, doc) = (result.path, result.holds.name(), result.doc.replace('|', "\\|"));
        page.push_str(&format!("| `{path}` | {holds}{absent} | {doc}{ours} |\n"));
    }
    page.push('\n');
}

fn rows(page: &mut String, path: &str, fields: &[Field]) {
    for field in fields {
        let name = format!("{path}{}", field.name);
        let default = match field.default {
            Some(default) => format!("`{default}`"),
            None if field.required => "required".into(),
            None => "-".into(),
        };
        let ours = if field.extension { " *(Tollgate only)*" } else { "" };
        let cells = [holds(&field.shape), default, format!("{}{ours}", field.doc)];
        let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        page.push_str(&format!("| `{name}` | {} |\n", cells.join(" | ")));
        nested(page, &name, &field.shape);
    }
}

/// What a field holds; unlike in messages it matters here whether text is a template.
pub(crate) fn holds(shape: &Shape) -> String {
    match shape {
        Shape::Template => "text with `${}`".into(),
        Shape::Json => "any value; text in it with `${}`".into(),
        Shape::Data => "any value".into(),
        Shape::List { item: Shape::Template, .. } => "a list of texts with `${}`".into(),
        Shape::Map { value: Shape::Template, .. } => "a mapping to texts with `${}`".into(),
        other => other.describe(),
    }
}

fn nested(page: &mut String, path: &str, shape: &Shape) {
    match shape {
        Shape::Object(fields) => rows(page, &format!("{path}."), fields),
        Shape::List { item, .. } => nested(page, &format!("{path}[]"), item),
        Shape::Map { value, .. } => nested(page, &format!("{path}.*"), value),
        Shape::OneOf(shapes) => {
            if let Some(shape) = shapes.iter().find(|shape| has_fields(shape)) {
                nested(page, path, shape);
            }
        }
        _ => {}
    }
}

fn has_fields(shape: &Shape) -> bool {
    match shape {
        Shape::Object(_) => true,
        Shape::List { item, .. } => has_fields(item),
        Shape::Map { value, .. } => has_fields(value),
        _ => false,
    }
}
