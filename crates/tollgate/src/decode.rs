//! Strict reading of our own YAML files: unknown keys and wrong types are errors with line and column, all at once.

use tollgate_expr::nearest;
use tollgate_policy::{Diagnostic, Diagnostics, Location, Node, NodeValue, Severity, Source};

/// Reads a document and collects what is wrong with it.
#[derive(Debug)]
pub(crate) struct Reader {
    source: Source,
    code: &'static str,
    found: Vec<Diagnostic>,
}

impl Reader {
    /// A reader whose findings bear this code.
    pub(crate) fn new(source: Source, code: &'static str) -> Self {
        Self { source, code, found: Vec::new() }
    }

    /// The text being read.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The document, a mapping. Nothing but comments counts as an empty one.
    pub(crate) fn root(&mut self) -> Option<Node> {
        let blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        if self.source.text.lines().all(blank) {
            return Some(Node::empty_map(Location::START));
        }
        match tollgate_policy::parse(&self.source) {
            Ok(node) => Some(node),
            Err(found) => {
                self.found.push(Diagnostic { code: self.code, ..found });
                None
            }
        }
    }

    /// Reports something wrong.
    pub(crate) fn error(&mut self, at: Location, message: impl Into<String>, help: Option<String>) {
        let file = self.source.name.clone();
        let message = message.into();
        self.found.push(Diagnostic { severity: Severity::Error, file, at, code: self.code, message, help });
    }

    /// The value, unless something was wrong: then all findings.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Findings> {
        let found = Diagnostics::new(self.found);
        match value {
            Some(value) if found.is_empty() => Ok(value),
            _ => Err(Findings { found, source: self.source }),
        }
    }

    /// Checks that this is a mapping with none but these keys.
    pub(crate) fn mapping(&mut self, node: &Node, path: &str, keys: &[&str]) -> bool {
        if !matches!(node.value, NodeValue::Map(_)) {
            self.wrong(node, path, "a mapping", Some(format!("its keys are {}", listed(keys))));
            return false;
        }
        for (key, _) in node.entries().iter().filter(|(key, _)| !keys.contains(&&*key.text)) {
            let help = match nearest(&key.text, keys.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys are {}", listed(keys)),
            };
            self.error(key.at, format!("there is no key `{}`", joined(path, &key.text)), Some(help));
        }
        true
    }

    /// A key that must be there.
    pub(crate) fn required<'a>(&mut self, map: &'a Node, path: &str, key: &str) -> Option<&'a Node> {
        let found = map.get(key);
        // A misspelt key has been reported already.
        let misspelt = map.entries().iter().any(|(other, _)| nearest(&other.text, [key]).is_some());
        if found.is_none() && !misspelt {
            self.error(map.at, format!("`{}` is missing", joined(path, key)), None);
        }
        found
    }

    /// Text; numbers and booleans as they are spelt.
    pub(crate) fn text(&mut self, node: &Node, path: &str) -> Option<String> {
        let text = node.text().filter(|text| !text.is_empty()).map(str::to_owned);
        if text.is_none() {
            self.wrong(node, path, "text", None);
        }
        text
    }

    /// The text of a key, if there is such a key.
    pub(crate) fn text_at(&mut self, map: &Node, path: &str, key: &str) -> Option<String> {
        let node = map.get(key)?;
        self.text(node, &joined(path, key))
    }

    /// Text that another function reads.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        node: &Node,
        path: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(node, path)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.error(node.at, format!("`{path}`: {wrong}"), None);
                None
            }
        }
    }

    /// The same for a key, if there is such a key.
    pub(crate) fn parsed_at<T, E: std::fmt::Display>(
        &mut self,
        map: &Node,
        path: &str,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let node = map.get(key)?;
        self.parsed(node, &joined(path, key), parse)
    }

    /// The items of a list.
    pub(crate) fn list<'a>(&mut self, node: &'a Node, path: &str) -> Option<&'a [Node]> {
        match &node.value {
            NodeValue::List(items) => Some(items),
            _ => {
                self.wrong(node, path, "a list", Some("write `- ` in front of each item".into()));
                None
            }
        }
    }

    /// Reports a value of another kind than expected.
    pub(crate) fn wrong(&mut self, node: &Node, path: &str, expected: &str, help: Option<String>) {
        let kind = match &node.value {
            NodeValue::Null => "nothing",
            NodeValue::Bool(_) => "a boolean",
            NodeValue::Int(_) | NodeValue::Float(_) => "a number",
            NodeValue::Text(text) if text.is_empty() => "an empty text",
            NodeValue::Text(_) => "text",
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "a mapping",
        };
        let name = if path.is_empty() { "the document".to_owned() } else { format!("`{path}`") };
        self.error(node.at, format!("{name} must be {expected}, not {kind}"), help);
    }
}

/// What is wrong with a document; shown as `check` shows it.
#[derive(Debug)]
pub(crate) struct Findings {
    /// All of it.
    pub(crate) found: Diagnostics,
    source: Source,
}

impl std::fmt::Display for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.found.render_text(&self.source))
    }
}

/// `a.b`
pub(crate) fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn listed(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(), String> {
        let mut reader = Reader::new(Source::new("t.yml", text), "config");
        let root = reader.root();
        let value = root.map(|root| {
            if reader.mapping(&root, "", &["name", "list"]) {
                reader.text_at(&root, "", "name");
                if let Some(node) = root.get("list") {
                    reader.list(node, "list");
                }
            }
        });
        reader.finish(value).map_err(|findings| findings.to_string())
    }

    #[test]
    fn every_mistake_has_its_place() {
        assert_eq!(read("name: a\nlist: [1]\n"), Ok(()));
        assert_eq!(read("# nothing\n\n"), Ok(()));
        let text = read("nmae: a\nlist: 3\n").expect_err("two mistakes");
        assert!(text.contains("t.yml:1:1: error: there is no key `nmae` [config]"), "{text}");
        assert!(text.contains("help: did you mean `name`?"), "{text}");
        assert!(text.contains("t.yml:2:7: error: `list` must be a list, not a number"), "{text}");
        assert!(read("a: [").is_err_and(|text| text.starts_with("t.yml:")));
        assert!(read("- a").is_err_and(|text| text.contains("the document must be a mapping, not a list")));
    }
}
