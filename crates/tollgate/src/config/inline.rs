//! A policy that stands inside the configuration file, as a text of its own.

use std::sync::Arc;
use tollgate_policy::{Key, Node, Source, parse};

/// The policy below `key`. Where it can be cut out of the file as it is, its findings have the file's own lines and
/// columns; else (anchors, flow style) it is written anew.
pub(super) fn source(file: &Source, key: &Key, node: &Node) -> Source {
    let cut = Source::new(file.name.clone(), cut_out(&file.text, key, node));
    match parse(&cut) {
        Ok(same) if same.to_json() == node.to_json() => cut,
        _ => Source::new(format!("{} (traffic_policy)", file.name), node.to_json().to_string()),
    }
}

/// The file with blanks in place of everything but the value: lines below the key that are indented deeper.
fn cut_out(text: &str, key: &Key, node: &Node) -> Arc<str> {
    let mut inside = true;
    let lines = text.split_inclusive('\n').enumerate().map(|(at, line)| {
        let number = at + 1;
        let indentation = line.chars().take_while(|c| *c == ' ').count();
        let says_nothing = line.trim().is_empty() || line.trim_start().starts_with('#');
        inside &= number <= key.at.line || says_nothing || indentation + 1 > key.at.column;
        if inside && number >= node.at.line && number > key.at.line { line } else { "\n" }
    });
    lines.collect::<String>().into()
}
