//! Checks of the names and values of header fields.

use super::Checker;
use crate::cel::{Scope, Template};
use crate::codes;
use crate::source::Location;
use crate::tree::{Key, Node};

/// The longest name of a header field that is accepted, in bytes.
const LONGEST_NAME: usize = 256;
/// The longest value of one that a policy may write out, in bytes: as much as most servers accept for a line.
const LONGEST_VALUE: usize = 8192;

impl Checker {
    /// RFC 9110 section 5.1 and 5.6.2: a token.
    pub(super) fn header_name(&mut self, at: Location, path: &str, name: &str) {
        if name.len() > LONGEST_NAME {
            let message =
                format!("the name of a header in `{path}` is at most {LONGEST_NAME} characters long");
            return self.error(at, codes::HEADER_NAME_LENGTH, message, None);
        }
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            let help = Some("use letters, digits and `-`; `${}` is for values only".into());
            let message = format!("`{name}` in `{path}` is not the name of a header");
            self.error(at, codes::HEADER_NAME, message, help);
        }
    }

    /// The same header written twice, in letters of another case: which of the two is meant?
    pub(super) fn header_once<'k>(&mut self, key: &Key, mut before: impl Iterator<Item = &'k Key>) {
        if let Some(first) = before.find(|before| before.text.eq_ignore_ascii_case(&key.text)) {
            let message = format!("`{}` is the same header as `{}`", key.text, first.text);
            let help = Some("the case of letters means nothing in names of headers; write it once".into());
            self.error(key, codes::HEADER_TWICE, message, help);
        }
    }

    /// What is written out of a value: RFC 9110 section 5.5. What is computed is checked when it is.
    pub(super) fn header_value(&mut self, node: &Node, path: &str) {
        let Some(text) = node.text() else { return };
        if text.len() > LONGEST_VALUE {
            let message = format!("`{path}` has {} bytes; at most {LONGEST_VALUE} are allowed", text.len());
            return self.error(node, codes::HEADER_VALUE_LENGTH, message, None);
        }
        // Faults of the expressions are reported already.
        let Ok(template) = Template::compile(text, Scope::Response) else { return };
        let bad = |c: char| c.is_control() && c != '\t';
        if template.texts().any(|part| part.contains(bad)) {
            let help = Some("leave line ends and other control characters out".into());
            let message = format!("`{path}` has characters that no header can have");
            self.error(node, codes::HEADER_VALUE, message, help);
        }
    }
}
