//! The tree, from events.

use super::{MAX_ALIASES, MAX_DEPTH, MAX_NODES, Parsed, resolve, unreadable};
use crate::diagnostic::Diagnostic;
use crate::source::{LineIndex, Location, Source};
use crate::tree::{Key, Node, NodeValue};
use crate::typo;
use serde_saphyr::granit_parser::{Event, ScalarStyle, Span, Tag};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of text that count as one more node, so that aliases of long texts use up the budget too.
const BYTES_A_NODE: usize = 64;

/// Builds the tree of one document.
pub(super) struct Builder<'a> {
    source: &'a Source,
    lines: &'a LineIndex,
    /// Bytes of the byte order mark, which the parser does not see.
    skipped: usize,
    root: Option<Node>,
    open: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    aliases: usize,
    nodes: usize,
    found: Vec<Diagnostic>,
    /// Something was read as what it was not meant to be: checking the tree would only confuse.
    garbled: bool,
}

/// A list or mapping that is not complete yet.
struct Frame {
    range: Range<usize>,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        index: HashMap<Arc<str>, usize>,
        key: Option<Pending>,
        merged: Vec<Node>,
    },
}

/// A key that waits for its value.
enum Pending {
    Key(Key),
    /// `<<`
    Merge,
    /// A key that was reported already.
    Unusable,
}

impl<'a> Builder<'a> {
    pub(super) fn new(source: &'a Source, lines: &'a LineIndex, skipped: usize) -> Self {
        Self {
            source,
            lines,
            skipped,
            root: None,
            open: Vec::new(),
            anchors: HashMap::new(),
            aliases: 0,
            nodes: 0,
            found: Vec::new(),
            garbled: false,
        }
    }

    /// What was found before something made it impossible to go on.
    pub(super) fn abandoned(mut self, fatal: Diagnostic) -> Parsed {
        self.found.push(fatal);
        Parsed { root: None, found: self.found }
    }

    pub(super) fn finished(self) -> Parsed {
        Parsed { root: self.root.filter(|_| !self.garbled), found: self.found }
    }

    /// Takes the next event; an error is one that ends the reading.
    pub(super) fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Box<Diagnostic>> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(&text, style, tag.as_deref(), span);
                self.add(node, anchor, 1)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.container_tag(tag.as_deref(), "seq", span);
                self.start(span, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.container_tag(tag.as_deref(), "map", span);
                let (entries, index, merged) = (Vec::new(), HashMap::new(), Vec::new());
                self.start(span, anchor, Content::Map { entries, index, key: None, merged })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::UnresolvedAlias(_) => {
                self.garble(span, "`*` begins a YAML alias, and there is no anchor of that name".into());
                let node = Node {
                    at: self.location(span),
                    value: NodeValue::Null,
                    raw: self.range(span),
                    literal: None,
                };
                self.add(node, 0, 1)
            }
            _ => Ok(()),
        }
    }

    /// The bytes a span covers in the source, white space at the end dropped.
    fn range(&self, span: &Span) -> Range<usize> {
        let text = self.lines.text();
        let range = span.byte_range().unwrap_or_default();
        let start = (range.start + self.skipped).min(text.len());
        let end = (range.end + self.skipped).clamp(start, text.len());
        start..start + text.get(start..end).unwrap_or("").trim_end().len()
    }

    pub(super) fn location(&self, span: &Span) -> Location {
        self.lines.location(&self.range(span))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Node {
        let range = self.range(span);
        let value = match tag.map(|tag| tag.core_suffix().unwrap_or("")) {
            None if style == ScalarStyle::Plain => resolve::plain(text),
            None | Some("str") => NodeValue::Text(text.to_owned()),
            Some("null" | "bool" | "int" | "float") => resolve::plain(text),
            Some(_) => {
                self.bad_tag(tag, span);
                NodeValue::Null
            }
        };
        let literal = match value {
            NodeValue::Bool(_) | NodeValue::Int(_) | NodeValue::Float(_) => Some(Arc::from(text)),
            _ => None,
        };
        Node { at: self.lines.location(&range), value, raw: range, literal }
    }

    fn container_tag(&mut self, tag: Option<&Tag>, allowed: &str, span: &Span) {
        if tag.is_some_and(|tag| tag.core_suffix() != Some(allowed)) {
            self.bad_tag(tag, span);
        }
    }

    fn bad_tag(&mut self, tag: Option<&Tag>, span: &Span) {
        let written: String = tag.map(Tag::original).unwrap_or_default().chars().take(40).collect();
        let at = span.tag_span().unwrap_or(*span);
        self.garble(&at, format!("`{written}` is read as a YAML tag, and tags mean nothing here"));
    }

    /// Reports a mistake after which the tree is not what its author meant.
    fn garble(&mut self, span: &Span, message: String) {
        self.garbled = true;
        let at = self.location(span);
        let help = typo::hint(self.lines, at.line);
        self.found.push(unreadable(self.source, at, message, help));
    }

    fn fatal(&self, at: Location, message: String, help: Option<String>) -> Box<Diagnostic> {
        Box::new(unreadable(self.source, at, message, help))
    }

    fn report(&mut self, at: Location, message: String, help: Option<&str>) {
        self.found.push(unreadable(self.source, at, message, help.map(str::to_owned)));
    }

    fn start(&mut self, span: &Span, anchor: usize, content: Content) -> Result<(), Box<Diagnostic>> {
        let start = self.range(span).start;
        if self.open.len() >= MAX_DEPTH {
            let message = format!("nested too deeply: at most {MAX_DEPTH} levels");
            return Err(self.fatal(self.location(span), message, None));
        }
        self.open.push(Frame { range: start..start, anchor, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Box<Diagnostic>> {
        let Some(Frame { range, anchor, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => NodeValue::List(items),
            Content::Map { entries, index, merged, .. } => {
                NodeValue::Map(self.merge(entries, index, merged)?)
            }
        };
        self.add(Node { at: self.lines.location(&range), value, raw: range, literal: None }, anchor, 1)
    }

    /// What a mapping has of its own wins over what it merges in; earlier merges win over later ones.
    fn merge(
        &mut self,
        mut entries: Vec<(Key, Node)>,
        mut index: HashMap<Arc<str>, usize>,
        merged: Vec<Node>,
    ) -> Result<Vec<(Key, Node)>, Box<Diagnostic>> {
        for node in merged {
            self.spend(size(&node), node.at)?;
            let NodeValue::Map(more) = node.value else { continue };
            for (key, value) in more {
                if !index.contains_key(&key.text) {
                    index.insert(key.text.clone(), entries.len());
                    entries.push((key, value));
                }
            }
        }
        Ok(entries)
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<(), Box<Diagnostic>> {
        let at = self.location(span);
        self.aliases += 1;
        if self.aliases > MAX_ALIASES {
            return Err(self.fatal(at, format!("too many aliases: at most {MAX_ALIASES}"), None));
        }
        let Some(node) = self.anchors.get(&anchor) else {
            let message = "an alias must not contain itself";
            return Err(self.fatal(at, message.into(), None));
        };
        let cost = size(node);
        // Before the copy is made.
        self.spend(cost, at)?;
        let depth = self.open.len() + depth(self.anchors.get(&anchor));
        if depth > MAX_DEPTH {
            let message = format!("nested too deeply: at most {MAX_DEPTH} levels");
            return Err(self.fatal(at, message, None));
        }
        match self.anchors.get(&anchor).cloned() {
            Some(node) => self.add(node, 0, 0),
            None => Ok(()),
        }
    }

    fn spend(&mut self, nodes: usize, at: Location) -> Result<(), Box<Diagnostic>> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(self.fatal(at, format!("too many values: at most {MAX_NODES}"), None));
        }
        Ok(())
    }

    /// Puts a complete node where it belongs.
    fn add(&mut self, node: Node, anchor: usize, cost: usize) -> Result<(), Box<Diagnostic>> {
        self.spend(cost, node.at)?;
        if anchor > 0 {
            self.spend(size(&node), node.at)?;
            if self.anchors.len() >= MAX_ALIASES {
                let message = format!("too many anchors: at most {MAX_ALIASES}");
                return Err(self.fatal(node.at, message, None));
            }
            self.anchors.insert(anchor, node.clone());
        }
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map { key, .. } => match key.take() {
                None => {
                    let pending = self.key(&node);
                    if let Some(Frame { content: Content::Map { key, .. }, .. }) = self.open.last_mut() {
                        *key = Some(pending);
                    }
                }
                Some(pending) => self.entry(pending, node),
            },
        }
        Ok(())
    }

    fn key(&mut self, node: &Node) -> Pending {
        let spelt = self.lines.text().get(node.raw.clone());
        let text = match (node.text(), &node.value) {
            (Some("<<"), _) if spelt == Some("<<") => return Pending::Merge,
            (Some(text), _) => text,
            // `null:` is a key that looks like a value; an empty key is a slip.
            (None, NodeValue::Null) if spelt.is_some_and(|text| !text.is_empty()) => spelt.unwrap_or(""),
            _ => {
                let help = match node.value {
                    NodeValue::Null => "write a name before the `:`",
                    _ => "quote it if it is text",
                };
                self.report(node.at, format!("a key must be text, not {}", node.kind()), Some(help));
                return Pending::Unusable;
            }
        };
        Pending::Key(Key { text: text.into(), at: node.at })
    }

    fn entry(&mut self, pending: Pending, value: Node) {
        let Some(Frame { content: Content::Map { entries, index, merged, .. }, .. }) = self.open.last_mut()
        else {
            return;
        };
        match pending {
            Pending::Unusable => {}
            Pending::Merge => match value.value {
                NodeValue::Map(_) => merged.push(value),
                NodeValue::List(items)
                    if items.iter().all(|item| matches!(item.value, NodeValue::Map(_))) =>
                {
                    merged.extend(items);
                }
                _ => self.report(value.at, "`<<` merges mappings only".into(), None),
            },
            Pending::Key(key) => match index.get(&key.text).and_then(|slot| entries.get_mut(*slot)) {
                Some(slot) => {
                    let message =
                        format!("the key `{}` is already on line {}", shortened(&key.text), slot.0.at.line);
                    let at = key.at;
                    *slot = (key, value);
                    self.report(at, message, Some("remove one of the two"));
                }
                None => {
                    index.insert(key.text.clone(), entries.len());
                    entries.push((key, value));
                }
            },
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

/// What a node and everything in it counts against the budget. As deep as [`MAX_DEPTH`] at most.
fn size(node: &Node) -> usize {
    let text = |text: &str| text.len() / BYTES_A_NODE;
    1 + match &node.value {
        NodeValue::List(items) => items.iter().map(size).sum(),
        NodeValue::Map(entries) => entries.iter().map(|(key, value)| 1 + text(&key.text) + size(value)).sum(),
        NodeValue::Text(value) => text(value),
        _ => 0,
    }
}

fn depth(node: Option<&Node>) -> usize {
    match node.map(|node| &node.value) {
        Some(NodeValue::List(items)) => 1 + items.iter().map(|item| depth(Some(item))).max().unwrap_or(0),
        Some(NodeValue::Map(entries)) => {
            1 + entries.iter().map(|(_, value)| depth(Some(value))).max().unwrap_or(0)
        }
        _ => 0,
    }
}
