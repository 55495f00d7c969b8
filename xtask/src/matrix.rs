//! `docs/compatibility.md`: which client reaches which provider with what, as the SDK tests saw it.
//!
//! Each runner writes a list of cells to a file of [`folder`]; a cell says client, dialect, provider, feature, mode,
//! the operation of the provider that was called, and whether the test passed. Nothing is written by hand.

use crate::failure::{Result, said};
use crate::workspace::{files, root, shown};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// The dialects of clients: their names in the results, and for people.
const DIALECTS: [(&str, &str); 4] = [
    ("chat-completions", "OpenAI's chat completions"),
    ("responses", "OpenAI's Responses"),
    ("messages", "Anthropic's Messages"),
    ("generate-content", "Gemini's generateContent"),
];

const PAGE: &str = "# Compatibility

What the SDK tests (`tests/sdk`) saw when they last ran: unmodified clients, the built binary, and mock providers that
refuse what the providers refuse. Written by `cargo run -p xtask -- matrix`; do not edit.

\"yes\" means that plain and streamed answers passed with every client of the dialect; \"plain\" that the feature has no
streamed form in the tests. \"asked as\" is the operation of the provider that the gateway calls: where it is not the
client's own, requests and answers are translated.
";

/// One test.
#[derive(Clone, Debug, PartialEq)]
struct Cell {
    client: String,
    dialect: String,
    provider: String,
    feature: String,
    mode: String,
    upstream: Option<String>,
    ok: bool,
    why: String,
}

/// Where the results are.
pub(crate) fn folder() -> PathBuf {
    root().join("target/matrix")
}

/// Writes the page; results that failed are in it, and end the command with a failure.
pub(crate) fn write() -> Result<()> {
    let mut cells = Vec::new();
    for file in files(&folder(), &["json"])? {
        let json: Json = serde_json::from_slice(&fs::read(&file)?)?;
        let list = json.as_array().ok_or_else(|| said(format!("{} is no list", shown(&file))))?;
        for item in list {
            cells
                .push(Cell::read(item).ok_or_else(|| said(format!("{}: not a cell: {item}", shown(&file))))?);
        }
    }
    if cells.is_empty() {
        return Err(said("there are no results: run `cargo run -p xtask -- sdk` first"));
    }
    let path = root().join("docs/compatibility.md");
    fs::write(&path, page(&cells))?;
    let failed = cells.iter().filter(|cell| !cell.ok).count();
    println!("{}: {} tests, {failed} failed", shown(&path), cells.len());
    if failed == 0 { Ok(()) } else { Err(said(format!("{failed} tests failed; the page shows them"))) }
}

impl Cell {
    fn read(json: &Json) -> Option<Self> {
        let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
        Some(Self {
            client: text("client")?,
            dialect: text("dialect")?,
            provider: text("provider")?,
            feature: text("feature")?,
            mode: text("mode")?,
            upstream: text("upstream"),
            ok: json.get("ok")?.as_bool()?,
            why: text("why")?,
        })
    }
}

/// The whole page.
fn page(cells: &[Cell]) -> String {
    let mut page = PAGE.to_owned();
    for (dialect, title) in DIALECTS {
        let own: Vec<&Cell> = cells.iter().filter(|cell| cell.dialect == dialect).collect();
        if !own.is_empty() {
            section(&mut page, title, &own);
        }
    }
    page
}

fn section(page: &mut String, title: &str, cells: &[&Cell]) {
    let clients: BTreeSet<&str> = cells.iter().map(|cell| cell.client.as_str()).collect();
    let providers = in_order(cells, |cell| &cell.provider);
    let features = in_order(cells, |cell| &cell.feature);
    let list = clients.into_iter().collect::<Vec<_>>().join(", ");
    let _ = write!(page, "\n## {title}\n\nClients: {list}.\n\n| |");
    for provider in &providers {
        let _ = write!(page, " {provider} |");
    }
    let _ = write!(page, "\n|---|{}\n| asked as |", "---|".repeat(providers.len()));
    for provider in &providers {
        let own = cells.iter().filter(|cell| cell.provider == **provider);
        let called: BTreeSet<&str> = own.filter_map(|cell| cell.upstream.as_deref()).collect();
        let _ = write!(page, " {} |", called.into_iter().collect::<Vec<_>>().join(", "));
    }
    page.push('\n');
    for feature in features {
        let _ = write!(page, "| {feature} |");
        for provider in &providers {
            let here = |cell: &&&Cell| cell.provider == **provider && cell.feature == feature;
            let here: Vec<&Cell> = cells.iter().filter(here).copied().collect();
            let _ = write!(page, " {} |", verdict(&here));
        }
        page.push('\n');
    }
    let failed: Vec<&&Cell> = cells.iter().filter(|cell| !cell.ok).collect();
    if !failed.is_empty() {
        page.push_str("\nWhat failed:\n\n");
    }
    for cell in failed {
        let Cell { client, provider, feature, mode, why, .. } = cell;
        let why = why.replace('|', "\\|");
        let _ = writeln!(page, "- {feature}, {mode}, {client} to {provider}: `{}`", why.replace('`', "'"));
    }
}

/// What stands in a field of the table: for each mode whether every client passed.
fn verdict(cells: &[&Cell]) -> String {
    let mut modes: BTreeMap<&str, bool> = BTreeMap::new();
    for cell in cells {
        let all = modes.entry(&cell.mode).or_insert(true);
        *all = *all && cell.ok;
    }
    let failed: Vec<&str> = modes.iter().filter(|(_, ok)| !**ok).map(|(mode, _)| *mode).collect();
    match (modes.len(), failed.as_slice()) {
        (0, _) => "-".to_owned(),
        (1, []) => modes.keys().copied().collect(),
        (_, []) => "yes".to_owned(),
        (_, failed) => format!("**fails: {}**", failed.join(", ")),
    }
}

/// The values of a field, each once, in the order in which they came.
fn in_order<'c>(cells: &[&'c Cell], field: impl Fn(&'c Cell) -> &'c String) -> Vec<&'c str> {
    let mut seen = Vec::new();
    for cell in cells {
        let value = field(cell).as_str();
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cell(client: &str, feature: &str, mode: &str, ok: bool) -> Cell {
        let why = if ok { "" } else { "a | b" };
        let json = json!({"client": client, "dialect": "messages", "provider": "openai", "feature": feature,
            "mode": mode, "upstream": "responses", "ok": ok, "why": why});
        Cell::read(&json).unwrap()
    }

    #[test]
    fn a_field_passes_when_every_client_and_mode_does() {
        let (a, b, c) = (
            cell("x", "text", "plain", true),
            cell("y", "text", "plain", false),
            cell("x", "text", "stream", true),
        );
        assert_eq!(verdict(&[]), "-");
        assert_eq!(verdict(&[&a]), "plain");
        assert_eq!(verdict(&[&a, &c]), "yes");
        assert_eq!(verdict(&[&a, &b, &c]), "**fails: plain**");
    }

    #[test]
    fn the_page_shows_failures() {
        let cells = [
            cell("x", "text", "plain", true),
            cell("x", "text", "stream", true),
            cell("y", "tools", "plain", false),
        ];
        let page = page(&cells);
        let wanted = "\n## Anthropic's Messages\n\nClients: x, y.\n\n| | openai |\n|---|---|\n| asked as | responses |\n\
                      | text | yes |\n| tools | **fails: plain** |\n\nWhat failed:\n\n- tools, plain, y to openai: `a \\| b`\n";
        assert_eq!(page, format!("{PAGE}{wanted}"));
    }

    #[test]
    fn what_is_no_cell_is_refused() {
        assert_eq!(Cell::read(&json!({"client": "x"})), None);
    }
}
