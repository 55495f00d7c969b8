//! Files of networks as they are published: an address or a network on each line.

use crate::network::{Bits, Network};
use std::fmt;
use std::path::Path;

/// Bad lines beyond this many are only counted.
const SHOWN: usize = 5;
/// Characters of a bad line that are shown: it may be a page of a web server.
const WIDTH: usize = 40;

/// Networks of a file, sorted; none lies in another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkList {
    v4: Vec<(u32, u8)>,
    v6: Vec<(u128, u8)>,
}

/// Why a file is no list of networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadList {
    /// The first lines that are wrong; none when there is nothing in the file.
    pub lines: Vec<BadLine>,
    /// How many lines are wrong.
    pub count: usize,
}

/// A line that is no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl NetworkList {
    /// Reads a list: on each line a network (`10.0.0.0/8`), an address, or a JSON object with a network in `cidr` as in the
    /// [DROP lists](https://www.spamhaus.org/drop/). What follows `#` or `;` is a comment.
    ///
    /// # Errors
    /// A line is something else, or the file is empty: that is what a broken download leaves. A list of nobody has at
    /// least a comment.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadList> {
        let mut list = Self::default();
        let mut bad = BadList { lines: Vec::new(), count: 0 };
        // Comments may be in any encoding.
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            return Err(bad);
        }
        for (line, at) in text.lines().zip(1..) {
            match network(line) {
                Ok(Some(Network::V4(bits, prefix))) => list.v4.push((bits, prefix)),
                Ok(Some(Network::V6(bits, prefix))) => list.v6.push((bits, prefix)),
                Ok(None) => {}
                Err(why) => {
                    bad.count += 1;
                    if bad.lines.len() < SHOWN {
                        bad.lines.push(BadLine { line: at, why });
                    }
                }
            }
        }
        if bad.count > 0 {
            return Err(bad);
        }
        outermost(&mut list.v4);
        outermost(&mut list.v6);
        Ok(list)
    }

    /// The networks.
    pub fn iter(&self) -> impl Iterator<Item = Network> {
        let v4 = self.v4.iter().map(|(bits, prefix)| Network::V4(*bits, *prefix));
        v4.chain(self.v6.iter().map(|(bits, prefix)| Network::V6(*bits, *prefix)))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl BadList {
    /// The findings with the name of the file, a line each.
    #[must_use]
    pub fn in_file(&self, file: &Path) -> String {
        let file = file.display();
        if self.count == 0 {
            return format!("{file}: is empty; a list of nobody has at least a comment: `# nobody`");
        }
        let mut said: Vec<String> =
            self.lines.iter().map(|BadLine { line, why }| format!("{file}:{line}: {why}")).collect();
        match self.count - self.lines.len() {
            0 => {}
            1 => said.push(format!("{file}: 1 more line is wrong")),
            more => said.push(format!("{file}: {more} more lines are wrong")),
        }
        said.join("\n")
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// The network of a line, if there is one.
fn network(line: &str) -> Result<Option<Network>, String> {
    let line = line.trim();
    if line.starts_with('{') {
        return object(line);
    }
    let text = line.split(['#', ';']).next().unwrap_or("").trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |why: &str| {
        format!("`{}` {why}; write an address or a network such as 10.0.0.0/8 on each line", shown(text))
    };
    if text.contains(char::is_whitespace) {
        return Err(wrong("is more than a network (comments stand behind `#` or `;`)"));
    }
    text.parse().map(Some).map_err(|why: String| wrong(&why))
}

/// A line of JSON. The last one of a DROP list has no network, but says when the list was made.
fn object(line: &str) -> Result<Option<Network>, String> {
    let parsed: serde_json::Value =
        serde_json::from_str(line).map_err(|_| format!("`{}` is no JSON object", shown(line)))?;
    match (parsed.get("cidr").and_then(|cidr| cidr.as_str()), parsed.get("type")) {
        (Some(cidr), _) => cidr.parse().map(Some).map_err(|why: String| format!("`{}` {why}", shown(cidr))),
        (None, Some(kind)) if kind == "metadata" => Ok(None),
        _ => Err(format!("`{}` has no text `cidr`", shown(line))),
    }
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(WIDTH).collect::<String>().escape_debug().collect();
    if text.chars().nth(WIDTH).is_some() {
        shown.push('…');
    }
    shown
}

/// Sorts networks and drops those that lie in another.
fn outermost<B: Bits>(networks: &mut Vec<(B, u8)>) {
    networks.sort_unstable();
    let mut end: Option<B> = None;
    networks.retain(|(first, prefix)| {
        let inside = end.is_some_and(|end| *first <= end);
        if !inside {
            end = Some(first.last(*prefix));
        }
        !inside
    });
    networks.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let list = NetworkList::parse(text.as_bytes()).unwrap_or_else(|bad| panic!("{bad:?}"));
        list.iter().map(|network| network.to_string()).collect()
    }

    fn said(text: &[u8]) -> String {
        NetworkList::parse(text).expect_err("a bad list").in_file(Path::new("l.txt"))
    }

    #[test]
    fn lists_as_they_are_published() {
        // Tor's bulk exit list: addresses alone.
        assert_eq!(read("171.25.193.25\n2001:db8::7\n"), ["171.25.193.25/32", "2001:db8::7/128"]);
        // Spamhaus, as text and as lines of JSON.
        let text =
            "; Spamhaus DROP List 2024/01/01 - (c) 2024\r\n; Expires: never\r\n1.10.16.0/20 ; SBL256894\r\n";
        assert_eq!(read(text), ["1.10.16.0/20"]);
        let json = "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL256894\",\"rir\":\"apnic\"}\n\
                    {\"type\":\"metadata\",\"timestamp\":1700000000,\"size\":83196,\"records\":1}\n";
        assert_eq!(read(json), ["1.10.16.0/20"]);
        // FireHOL's netsets, Team Cymru's bogons.
        assert_eq!(
            read("#\n# firehol_level1\n#\n\n0.0.0.0/8\n  10.0.0.0/8  # private\n"),
            ["0.0.0.0/8", "10.0.0.0/8"]
        );
        assert_eq!(read("\u{feff}# a mark of the byte order\n10.0.0.1"), ["10.0.0.1/32"]);
        assert_eq!(NetworkList::parse(b"# caf\xe9\n10.0.0.1\n").map(|list| list.len()), Ok(1));
        assert!(NetworkList::parse(b"# nobody\n").is_ok_and(|list| list.is_empty()));
    }

    #[test]
    fn a_network_in_another_is_dropped() {
        let text = "10.1.0.0/16\n10.0.0.0/8\n10.255.255.255\n11.0.0.0\n11.0.0.0/32\n2001:db8::/32\n2001:db8:1::/48\n";
        assert_eq!(read(text), ["10.0.0.0/8", "11.0.0.0/32", "2001:db8::/32"]);
    }

    #[test]
    fn bad_lines_are_named() {
        let text = said(b"10.0.0.0/8\n10.0.0.0/33\n# fine\n10.0.0.1 evil\n");
        assert_eq!(
            text,
            "l.txt:2: `10.0.0.0/33` has a prefix of more than 32 bits; write an address or a network such as 10.0.0.0/8 on \
             each line\nl.txt:4: `10.0.0.1 evil` is more than a network (comments stand behind `#` or `;`); write an \
             address or a network such as 10.0.0.0/8 on each line"
        );
        let page = said(b"<!DOCTYPE html><html><head><title>Not found, and more of it</title>");
        assert!(page.starts_with("l.txt:1: `<!DOCTYPE html><html><head><title>Not fo…` "), "{page}");
        assert!(said("x\n".repeat(9).as_bytes()).ends_with("l.txt: 4 more lines are wrong"));
        assert!(said(b"{\"ip\": \"10.0.0.1\"}").contains("has no text `cidr`"));
        assert!(said(b"{\"cidr\": \"10.0.0\"}").contains("`10.0.0` does not begin with an address"));
        assert!(said(b"{10.0.0.1}").contains("is no JSON object"));
        for nothing in [&b""[..], b"\n \r\n"] {
            assert!(said(nothing).contains("is empty"));
        }
    }
}
