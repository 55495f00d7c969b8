//! An explanation for people.

use crate::table::Table;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use tollgate_edge::explain::Explanation;

/// The whole page.
pub(super) fn render(request: &str, file: &str, explained: &Explanation, scripted: bool) -> String {
    let mut out = format!("{request}\n{}", verdict(file, explained, scripted));
    let trace = &explained.trace;
    out.push_str(&client(&trace.client));
    out.push_str(&strategies(&trace.model_selection));
    out.push_str(&candidates(&trace.models_to_try));
    out.push_str(&unusable_keys(&trace.models_to_try));
    out.push_str(&identity(&trace.models_to_try));
    if scripted {
        out.push_str(&attempts(&trace.attempts));
    }
    if !explained.logs.is_empty() {
        out.push_str("\nlogged\n");
        explained.logs.iter().for_each(|entry| out.push_str(&format!("  {entry}\n")));
    }
    out
}

fn verdict(file: &str, explained: &Explanation, scripted: bool) -> String {
    let mut out = match &explained.ended {
        Some(ended) => format!("ended by {} ({file}:{}:{})\n", ended.action, ended.at.line, ended.at.column),
        None => "no rule ends it: it goes to the upstream (--upstream), or is answered with 404 if there is none\n".to_owned(),
    };
    if let Some(url) = &explained.trace.forwarded_to {
        out.push_str(&format!("goes on to {url}, whose own policy is not looked at here\n"));
    }
    let status = explained.status.map_or(String::new(), |status| format!("{} ", status.as_u16()));
    if let Some((code, message)) = &explained.error {
        let mut lines = message.lines();
        out.push_str(&format!("refused: {status}ERR_NGROK_{code}: {}\n", lines.next().unwrap_or("")));
        lines.for_each(|line| out.push_str(&format!("  {line}\n")));
    } else if explained.refused() {
        out.push_str(&format!("refused: {status}\n"));
    } else if (scripted || explained.trace.models_to_try.is_empty()) && explained.status.is_some() {
        out.push_str(&format!("answered: {status}\n"));
    }
    out.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn client(client: &Json) -> String {
    if client.is_null() {
        return String::new();
    }
    let named: Vec<&str> = client["model"]
        .as_str()
        .into_iter()
        .chain(client["models"].as_array().into_iter().flatten().filter_map(Json::as_str))
        .filter(|name| !name.is_empty())
        .collect();
    let open = client["names"].as_array().is_none_or(Vec::is_empty);
    let names = match (named.is_empty(), open) {
        (true, true) => "no model: the strategies choose".to_owned(),
        (true, false) => "no model".to_owned(),
        (false, _) => named.join(", "),
    };
    let mut out = format!("\nthe client names\n  {names}\n");
    out.push_str(&rewritten(&client["names"]));
    let mut table = Table::new(&["name", "reason"]);
    for rejected in client["rejected_models"].as_array().into_iter().flatten() {
        table.row([text(&rejected["model"]), text(&rejected["reason"])]);
    }
    if !table.is_empty() {
        out.push_str(&format!("\nrejected\n{}", table.render(2)));
    }
    out
}

/// Names that an alias, a list, parameters or an option made something else of.
fn rewritten(names: &Json) -> String {
    let mut table = Table::new(&["name", "becomes", "by", "parameters", "ignored"]);
    for name in names.as_array().into_iter().flatten() {
        let alias = &name["alias"];
        let by_alias = alias["index"]
            .as_u64()
            .map(|index| format!("model_aliases[{index}] {}", text(&alias["pattern"])));
        let by: Vec<String> = by_alias.into_iter().chain(name["by"].as_str().map(str::to_owned)).collect();
        let by = by.join(", then ");
        let params = name["params"].as_object().into_iter().flatten();
        let params: Vec<String> = params.map(|(name, value)| format!("{name}={}", text(value))).collect();
        let ignored = name["ignored_params"].as_array().into_iter().flatten();
        let ignored: Vec<String> =
            ignored.map(|bad| format!("{} {}", text(&bad["name"]), text(&bad["reason"]))).collect();
        if name["name"] != name["becomes"] || !params.is_empty() || !ignored.is_empty() || !by.is_empty() {
            table.row([
                text(&name["name"]),
                text(&name["becomes"]),
                by,
                params.join(" "),
                ignored.join("; "),
            ]);
        }
    }
    if table.is_empty() { String::new() } else { format!("\nread as\n{}", table.render(2)) }
}

fn strategies(selection: &Json) -> String {
    let titles = ["", "strategy", "returned", "allowed", "named by client", "error"];
    let mut table = Table::new(&titles).right(&["returned", "allowed", "named by client"]);
    for (index, strategy) in selection.as_array().into_iter().flatten().enumerate() {
        table.row([
            (index + 1).to_string(),
            text(&strategy["strategy"]),
            count(&strategy["candidates_returned"]),
            count(&strategy["candidates_after_allowed_filter"]),
            count(&strategy["candidates_after_client_filter"]),
            text(&strategy["error"]),
        ]);
    }
    if table.is_empty() { String::new() } else { format!("\nmodel selection\n{}", table.render(2)) }
}

fn candidates(planned: &[Json]) -> String {
    if planned.is_empty() {
        return String::new();
    }
    let around = planned.iter().any(|candidate| !list(&candidate["translated_for"]).is_empty());
    let mut titles = vec!["", "provider", "model", "keys", "url", "api", "left out", "skipped"];
    titles.extend(around.then_some("translated for"));
    let mut table = Table::new(&titles);
    for (index, candidate) in planned.iter().enumerate() {
        let mut row = vec![
            (index + 1).to_string(),
            text(&candidate["provider"]),
            text(&candidate["model"]),
            list(&candidate["keys"]),
            text(&candidate["url"]),
            api(candidate),
            list(&candidate["dropped_params"]),
            text(&candidate["skipped"]),
        ];
        row.extend(around.then(|| list(&candidate["translated_for"])));
        table.row(row);
    }
    format!("\nwould be tried, in this order\n{}", table.render(2))
}

/// Which API the provider is spoken to in, and from which it is translated.
fn api(candidate: &Json) -> String {
    let surface = text(&candidate["surface"]);
    match candidate["translated"] == true {
        true => format!("{surface}, translated from {}", text(&candidate["client_surface"])),
        false => surface,
    }
}

/// The headers that tell providers who is asking: said once for each provider.
fn identity(planned: &[Json]) -> String {
    let mut table = Table::new(&["provider", "header", "value", "from"]);
    let mut seen = BTreeSet::new();
    for candidate in planned {
        for told in candidate["identity"].as_array().into_iter().flatten() {
            let row = [&candidate["provider"], &told["header"], &told["value"], &told["from"]].map(text);
            if seen.insert(row.clone()) {
                table.row(row);
            }
        }
    }
    if table.is_empty() { String::new() } else { format!("\nwho is said to be asking\n{}", table.render(2)) }
}

/// Keys in a form that their provider has no use for: said once for each provider.
fn unusable_keys(planned: &[Json]) -> String {
    let mut table = Table::new(&["provider", "key", "reason"]);
    let mut seen = BTreeSet::new();
    for candidate in planned {
        for key in candidate["unusable_keys"].as_array().into_iter().flatten() {
            let row = [text(&candidate["provider"]), text(&key["key"]), text(&key["reason"])];
            if seen.insert(row.clone()) {
                table.row(row);
            }
        }
    }
    if table.is_empty() { String::new() } else { format!("\nkeys that cannot be used\n{}", table.render(2)) }
}

fn attempts(attempts: &[Json]) -> String {
    if attempts.is_empty() {
        return "\nnothing is sent\n".to_owned();
    }
    let mut table = Table::new(&["", "provider", "model", "key", "outcome"]);
    for (index, attempt) in attempts.iter().enumerate() {
        let cell = |name: &str| text(&attempt[name]);
        table.row([(index + 1).to_string(), cell("provider"), cell("model"), cell("key"), cell("outcome")]);
    }
    format!("\nattempts, with these outcomes\n{}", table.render(2))
}

fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A number, or how many there are.
fn count(value: &Json) -> String {
    value.as_array().map_or_else(|| text(value), |all| all.len().to_string())
}

fn list(value: &Json) -> String {
    let all = value.as_array().into_iter().flatten().map(text);
    all.collect::<Vec<_>>().join(" ")
}
