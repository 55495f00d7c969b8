//! Checks of scalar shapes.

use super::{Checker, shown};
use crate::codes;
use crate::quantity::{format_duration, parse_duration, parse_size};
use crate::shape::{Shape, alternatives};
use crate::tree::{Node, NodeValue};
use std::time::Duration;
use tollgate_expr::nearest;

impl Checker {
    pub(super) fn scalar(&mut self, node: &Node, shape: &Shape, path: &str) {
        if node.text().is_some_and(|text| text.contains("${")) {
            return self.interpolated(node, shape, path);
        }
        match shape {
            Shape::Bool => self.boolean(node, path),
            Shape::Int { min, max } => self.integer(node, shape, (*min, *max), path),
            Shape::Float { min, max } => self.float(node, shape, (*min, *max), path),
            Shape::StatusCode { min, max } => {
                self.integer(node, shape, (i64::from(*min), i64::from(*max)), path);
            }
            Shape::Enum(words) => self.word(node, words, path),
            Shape::Duration { min, max } => self.duration(node, (*min, *max), path),
            Shape::Size { min, max } => self.size(node, (*min, *max), path),
            Shape::HeaderName => {
                if let Some(name) = self.text(node, shape, path) {
                    self.header_name(node.at, path, name);
                }
            }
            _ => {
                self.text(node, shape, path);
            }
        }
    }

    /// `${}` where it means nothing.
    fn interpolated(&mut self, node: &Node, shape: &Shape, path: &str) {
        if matches!(shape, Shape::Text) {
            self.not_an_expression(node, path);
        } else {
            let help = Some(format!("write {}", shape.describe()));
            self.error(node, codes::VALUE, format!("`{path}` cannot hold a `${{}}` expression"), help);
        }
    }

    /// Warns of `${}` in what is taken as it is written.
    pub(super) fn not_an_expression(&mut self, node: &Node, path: &str) {
        let message = format!("`{path}` is plain text: the `${{` in it is not an expression");
        self.warning(node, codes::VALUE, message, None);
    }

    fn boolean(&mut self, node: &Node, path: &str) {
        if matches!(node.value, NodeValue::Bool(_)) {
            return;
        }
        let word = node.text().unwrap_or("").to_ascii_lowercase();
        let help = match word.as_str() {
            "yes" | "on" | "y" | "true" | "1" => "write true, without quotes",
            "no" | "off" | "n" | "false" | "0" => "write false, without quotes",
            _ => "write true or false",
        };
        self.mismatch(node, &Shape::Bool, path, Some(help.into()));
    }

    fn integer(&mut self, node: &Node, shape: &Shape, (min, max): (i64, i64), path: &str) {
        let NodeValue::Int(value) = node.value else {
            let help = match &node.value {
                NodeValue::Text(text) if text.trim().parse::<i64>().is_ok() => {
                    Some(format!("write {}, without quotes", text.trim()))
                }
                NodeValue::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
                    Some(format!("write {value:.0}"))
                }
                _ => None,
            };
            return self.mismatch(node, shape, path, help);
        };
        if value < min || value > max {
            let message = format!("`{path}` must be {}, not {value}", shape.describe());
            self.error(node, codes::RANGE, message, None);
        }
    }

    fn float(&mut self, node: &Node, shape: &Shape, (min, max): (f64, f64), path: &str) {
        let value = match node.value {
            NodeValue::Float(value) => value,
            NodeValue::Int(value) => value as f64,
            _ => {
                let number = node.text().and_then(|text| text.trim().parse::<f64>().ok());
                return self.mismatch(
                    node,
                    shape,
                    path,
                    number.map(|n| format!("write {n}, without quotes")),
                );
            }
        };
        if !(min..=max).contains(&value) {
            let message = format!("`{path}` must be {}, not {}", shape.describe(), shown(node));
            self.error(node, codes::RANGE, message, None);
        }
    }

    fn word(&mut self, node: &Node, words: &[&'static str], path: &str) {
        let Some(text) = self.text(node, &Shape::Enum(&[]), path) else { return };
        if words.contains(&text) {
            return;
        }
        let help = nearest(text, words.iter().copied()).map(|word| format!("did you mean `{word}`?"));
        let message = format!("`{path}` must be {}, not {}", alternatives(words), shown(node));
        self.error(node, codes::NOT_ONE_OF, message, help);
    }

    fn duration(&mut self, node: &Node, (min, max): (Duration, Duration), path: &str) {
        let shape = Shape::Duration { min, max };
        let text = match &node.value {
            NodeValue::Text(text) => text,
            NodeValue::Int(_) | NodeValue::Float(_) => {
                let help = format!("write \"{}s\"", node.text().unwrap_or("30"));
                let message = format!("`{path}` needs a unit: it is a duration, not a number");
                return self.error(node, codes::UNPARSABLE, message, Some(help));
            }
            _ => return self.mismatch(node, &shape, path, None),
        };
        match parse_duration(text) {
            Err(wrong) => {
                let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
                let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
                let example = match days {
                    Some(days) => format!("{}h", u64::from(days) * 24),
                    None if digits => format!("{text}s"),
                    None => "30s".into(),
                };
                let help = format!("write \"{example}\"");
                self.error(node, codes::UNPARSABLE, format!("`{path}` {wrong}"), Some(help));
            }
            Ok(value) if value < min => {
                let message = format!("`{path}` must be at least {}, not {text}", format_duration(min));
                self.error(node, codes::RANGE, message, None);
            }
            Ok(value) if value > max => {
                let message = format!("`{path}` must be at most {}, not {text}", format_duration(max));
                self.error(node, codes::DURATION, message, None);
            }
            Ok(_) => {}
        }
    }

    fn size(&mut self, node: &Node, (min, max): (u64, u64), path: &str) {
        let shape = Shape::Size { min, max };
        let Some(text) = self.text(node, &shape, path) else { return };
        match parse_size(text) {
            Err(wrong) => {
                let help = Some("write 64KiB or 32MiB".into());
                self.error(node, codes::UNPARSABLE, format!("`{path}` {wrong}"), help);
            }
            Ok(bytes) if !(min..=max).contains(&bytes) => {
                let message = format!("`{path}` must be from {min} to {max} bytes");
                self.error(node, codes::RANGE, message, None);
            }
            Ok(_) => {}
        }
    }

    fn mismatch(&mut self, node: &Node, shape: &Shape, path: &str, help: Option<String>) {
        let message = format!("`{path}` must be {}, not {}", shape.describe(), shown(node));
        let help = help.or_else(|| node.is_null().then(|| "give it a value or remove the key".into()));
        self.error(node, codes::CONFIG, message, help);
    }
}
