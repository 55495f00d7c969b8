//! A look at the tokens before the parser: what is no CEL gets a plain message, and what would nest too
//! deeply for the parser's recursion is refused.

use crate::issue::Issue;
use crate::limits::MAX_DEPTH;

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'s> {
    /// A name, a keyword, or a number.
    Word(&'s str),
    /// A string or bytes literal.
    Literal,
    /// A bracket, operator or other sign.
    Sign(&'s str),
}

/// Splits a text into tokens. Stops at the first thing that is none.
pub(crate) struct Scanner<'s> {
    source: &'s str,
    /// The offset of the next byte to look at.
    pub(crate) at: usize,
    /// Whether `\"` outside a literal opens one that ends at the next `\"`.
    pub(crate) escaped_quotes: bool,
}

impl<'s> Scanner<'s> {
    pub(crate) fn new(source: &'s str, at: usize) -> Self {
        Self { source, at, escaped_quotes: false }
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// The next token and its offset; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Result<(usize, Token<'s>), Issue>> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                break;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
        let rest = self.rest();
        let first = rest.chars().next()?;
        let start = self.at;
        if first.is_ascii_alphanumeric() || first == '_' {
            let length = word_length(rest);
            let word = rest.get(..length).unwrap_or_default();
            let after = rest.get(length..).unwrap_or_default();
            if is_prefix(word) && after.starts_with(['"', '\'']) {
                let raw = word.contains(['r', 'R']);
                return Some(self.literal(start + length, raw).map(|()| (start, Token::Literal)));
            }
            self.at += length;
            return Some(Ok((start, Token::Word(word))));
        }
        if matches!(first, '"' | '\'') {
            return Some(self.literal(start, false).map(|()| (start, Token::Literal)));
        }
        if self.escaped_quotes && rest.starts_with("\\\"") {
            let end = rest.get(2..).and_then(|inner| inner.find("\\\""));
            let Some(end) = end else {
                return Some(Err(Issue::at(self.source, start, "this string literal has no end")));
            };
            self.at += end + 4;
            return Some(Ok((start, Token::Literal)));
        }
        let sign = ["&&", "||", "==", "!=", "<=", ">="].into_iter().find(|sign| rest.starts_with(sign));
        let length = match sign {
            Some(sign) => sign.len(),
            None if "()[]{}.,:?!+-*/%<>".contains(first) => 1,
            None => return Some(Err(foreign(self.source, start, first))),
        };
        self.at += length;
        Some(Ok((start, Token::Sign(rest.get(..length).unwrap_or_default()))))
    }

    /// Goes past the literal whose quotes are at `open`.
    fn literal(&mut self, open: usize, raw: bool) -> Result<(), Issue> {
        let rest = self.source.get(open..).unwrap_or_default();
        let quote = if rest.starts_with('"') { '"' } else { '\'' };
        let triple = rest.starts_with(if quote == '"' { "\"\"\"" } else { "'''" });
        let mut chars = rest.char_indices().skip(if triple { 3 } else { 1 });
        while let Some((at, c)) = chars.next() {
            let here = rest.get(at..).unwrap_or_default();
            if c == quote && (!triple || here.starts_with(if quote == '"' { "\"\"\"" } else { "'''" })) {
                self.at = open + at + if triple { 3 } else { 1 };
                return Ok(());
            }
            if matches!(c, '\n' | '\r') && !triple {
                break;
            }
            if c == '\\' && !raw {
                let length = escape_length(here).ok_or_else(|| bad_escape(self.source, open + at, here))?;
                for _ in 1..length {
                    chars.next();
                }
            }
        }
        let mut issue = Issue::at(self.source, open, "this string literal has no end");
        if !triple {
            issue =
                issue.help("close the quote on the same line, or use three quotes for text of several lines");
        }
        Err(issue)
    }
}

fn is_prefix(word: &str) -> bool {
    matches!(word, "r" | "R" | "b" | "B" | "br" | "bR" | "Br" | "BR")
}

/// The length of a name or a number; a number may have a fraction and an exponent.
fn word_length(text: &str) -> usize {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !word(c)).unwrap_or(text.len());
    let exponent = |end: usize| {
        let (number, after) = text.split_at_checked(end).unwrap_or((text, ""));
        let digits = after.get(1..).unwrap_or_default();
        let signed = after.starts_with(['+', '-']) && digits.starts_with(|c: char| c.is_ascii_digit());
        let scientific = number.ends_with(['e', 'E']) && !number.starts_with("0x");
        if signed && scientific { end + 1 + digits.find(|c| !word(c)).unwrap_or(digits.len()) } else { end }
    };
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return end;
    }
    let end = exponent(end);
    let after = text.get(end..).unwrap_or_default();
    let fraction = after.get(1..).unwrap_or_default();
    if after.starts_with('.') && fraction.starts_with(|c: char| c.is_ascii_digit()) {
        return exponent(end + 1 + fraction.find(|c| !word(c)).unwrap_or(fraction.len()));
    }
    end
}

/// The characters of the escape sequence at the start of `text`, the backslash included.
fn escape_length(text: &str) -> Option<usize> {
    let hex = |count: usize| {
        let digits = text.get(2..2 + count)?;
        digits.chars().all(|c| c.is_ascii_hexdigit()).then_some(2 + count)
    };
    match text.chars().nth(1)? {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '?' | '"' | '\'' | '`' => Some(2),
        'x' | 'X' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        '0'..='3' => {
            let digits = text.get(2..4)?;
            digits.chars().all(|c| ('0'..='7').contains(&c)).then_some(4)
        }
        _ => None,
    }
}

fn bad_escape(source: &str, at: usize, text: &str) -> Issue {
    let shown: String = text.chars().take(2).collect();
    Issue::at(source, at, format!("`{shown}` is no escape sequence"))
        .help(format!("write `\\{shown}`, or put `r` before the opening quote"))
}

/// An expression with `${e}` in it, as templates are written, with `(e)` in place of each; and where the first one is.
/// Every other character keeps its place. `None` for an expression without, or one whose brackets do not close.
pub(crate) fn without_dollars(source: &str) -> Option<(String, usize)> {
    let mut plain = source.to_owned();
    let (mut at, mut first) = (0, None);
    let mut open: Vec<bool> = Vec::new();
    loop {
        let mut scanner = Scanner::new(source, at);
        let (start, dollar, end) = match scanner.next() {
            None => break,
            Some(Ok((start, token))) => {
                at = scanner.at;
                match token {
                    Token::Sign("{") => (start, false, false),
                    Token::Sign("}") => (start, open.pop()?, true),
                    _ => continue,
                }
            }
            Some(Err(_)) if source.get(scanner.at..).is_some_and(|rest| rest.starts_with("${")) => {
                let start = scanner.at;
                at = start + 2;
                first.get_or_insert(start);
                (start, true, false)
            }
            Some(Err(_)) => return None,
        };
        match (dollar, end) {
            (true, true) => plain.replace_range(start..=start, ")"),
            (true, false) => plain.replace_range(start..start + 2, " ("),
            _ => {}
        }
        if !end {
            open.push(dollar);
        }
    }
    first.filter(|_| open.is_empty()).map(|first| (plain, first))
}

fn foreign(source: &str, at: usize, c: char) -> Issue {
    let rest = source.get(at..).unwrap_or_default();
    let issue = Issue::at(source, at, format!("`{c}` is not part of the language"));
    match c {
        '$' if rest.starts_with("${") => Issue::at(source, at, "`${` inside an expression")
            .help("write the expression without `${` and `}`"),
        '=' => issue.help("compare with `==`"),
        '&' => issue.help("write `&&`"),
        '|' => issue.help("write `||`"),
        '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' => issue.help("use straight quotes: `'` or `\"`"),
        _ => issue,
    }
}

/// What was seen between an opening bracket and here.
#[derive(Default)]
struct Level {
    open: usize,
    bracket: &'static str,
    /// Choices (`?`) that what follows is nested in.
    choices: usize,
    /// Binary operators since the last separator: each nests what stands before it.
    operators: usize,
    /// Terms joined by `&&` and `||`, which the parser balances.
    terms: usize,
    /// The deepest operand since the last separator.
    deepest: usize,
    /// The operand being read; 0 when there is none yet.
    operand: usize,
    /// The deepest part that is complete.
    done: usize,
}

impl Level {
    fn end_operand(&mut self) {
        self.deepest = self.deepest.max(self.operand);
        self.operand = 0;
    }
    fn end_term(&mut self) {
        self.end_operand();
        self.done = self.done.max(self.choices + self.operators + self.deepest);
        self.operators = 0;
        self.deepest = 0;
    }
    fn depth(&mut self) -> usize {
        self.end_term();
        self.done + self.terms.checked_ilog2().map_or(0, |log| log as usize + 1)
    }
}

/// How deeply an expression nests: an upper bound of the depth of its tree, found without recursion.
pub(crate) fn depth(source: &str) -> Result<usize, Issue> {
    let mut scanner = Scanner::new(source, 0);
    let mut levels: Vec<Level> = Vec::new();
    let mut level = Level::default();
    while let Some(token) = scanner.next() {
        let (at, token) = token?;
        match token {
            Token::Word("in") => {
                level.end_operand();
                level.operators += 1;
            }
            Token::Word(_) | Token::Literal => level.operand = level.operand.max(1),
            Token::Sign("(" | "[" | "{") => {
                if levels.len() >= MAX_DEPTH {
                    return Err(too_deep(source, at));
                }
                let bracket = match token {
                    Token::Sign("(") => ")",
                    Token::Sign("[") => "]",
                    _ => "}",
                };
                levels.push(std::mem::replace(&mut level, Level { open: at, bracket, ..Level::default() }));
            }
            Token::Sign(close @ (")" | "]" | "}")) => {
                let Some(outer) = levels.pop().filter(|_| level.bracket == close) else {
                    return Err(Issue::at(source, at, format!("`{close}` closes nothing")));
                };
                let inner = std::mem::replace(&mut level, outer).depth();
                level.operand = level.operand.max(inner) + 1;
            }
            Token::Sign(sign) => level.sign(sign),
        }
        if level.choices + level.operators + level.operand > MAX_DEPTH {
            return Err(too_deep(source, at));
        }
    }
    if !levels.is_empty() {
        let issue =
            Issue::at(source, level.open, format!("this bracket is never closed by `{}`", level.bracket));
        return Err(issue);
    }
    let depth = level.depth();
    if depth > MAX_DEPTH { Err(too_deep(source, 0)) } else { Ok(depth) }
}

impl Level {
    fn sign(&mut self, sign: &str) {
        match sign {
            "." => self.operand += 1,
            "," => {
                self.end_term();
                self.choices = 0;
            }
            "&&" | "||" => {
                self.end_term();
                self.terms += 1;
            }
            "?" => {
                self.end_term();
                self.choices += 1;
            }
            ":" => self.end_term(),
            "!" => {}
            "-" if self.operand == 0 => {}
            _ => {
                self.end_operand();
                self.operators += 1;
            }
        }
    }
}

fn too_deep(source: &str, at: usize) -> Issue {
    Issue::at(source, at, format!("the expression nests more than {MAX_DEPTH} levels deep"))
        .help("split it with `set-vars`")
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn depth_is_that_of_the_tree() {
        for (source, expected) in [
            ("1", 1),
            ("a.b.c", 3),
            ("1 + 2 + 3", 3),
            ("a && b && c", 3),
            ("f(g(h(1)))", 4),
            ("((1))", 3),
            ("a ? b : c ? d : e", 3),
            ("{'a': 1, 'b': [1, [2]]}", 4),
            ("'(((' + \"[[\" + r'\\'", 3),
            ("x // (((\n + 1", 2),
        ] {
            assert_eq!(depth(source), Ok(expected), "{source}");
        }
        let nested = format!("{}1{}", "(1 + 1 + ".repeat(90), ")".repeat(90));
        assert!(depth(&nested).is_err(), "90 brackets of 3 levels each are 270 levels");
    }

    #[test]
    fn hostile_depth_is_refused() {
        for source in [
            "(".repeat(5000),
            format!("{}1{}", "(".repeat(5000), ")".repeat(5000)),
            "[".repeat(5000),
            "f(".repeat(2500),
            vec!["1"; 4000].join("+"),
            format!("a{}", ".b".repeat(4000)),
            format!("a{}", "[0]".repeat(2000)),
            "a ? b : ".repeat(1000),
            vec!["1"; 4000].join("<"),
        ] {
            let issue = depth(&source).unwrap_err();
            assert!(issue.message.contains("200 levels"), "{}", issue.message);
        }
        assert!(depth(&vec!["a"; 2000].join("&&")).is_ok(), "the parser balances these");
    }

    #[test]
    fn what_is_no_token_gets_a_plain_message() {
        for (source, column, message, help) in [
            ("a = b", 3, "`=`", Some("==")),
            ("a == ${b}", 6, "`${`", Some("without")),
            ("a & b", 3, "`&`", Some("&&")),
            ("é", 1, "`é`", None),
            ("'abc", 1, "no end", Some("close")),
            (r"x.matches('\d')", 12, r"`\d`", Some(r"`\\d`")),
            ("(a", 1, "never closed", None),
            ("a)", 2, "closes nothing", None),
            ("(a]", 3, "closes nothing", None),
        ] {
            let issue = depth(source).unwrap_err();
            assert_eq!(issue.column, column, "{source}: {issue}");
            assert!(issue.message.contains(message), "{source}: {issue}");
            let has = issue.help.clone().unwrap_or_default();
            assert!(has.contains(help.unwrap_or_default()), "{source}: {issue}");
        }
    }
}
