//! The texts of the last messages of a model's stream, searched as one.

use regex::Regex;
use serde_json::Value as Json;
use tollgate_dialect::sse::Event;

/// Where the streams of the dialects have their text, as JSON pointers.
const TEXTS: [&str; 6] = [
    "/choices/0/delta/content",
    "/choices/0/text",
    "/delta/text",
    "/delta",
    "/candidates/0/content/parts/0/text",
    "/choices/0/delta/reasoning",
];

/// The messages that are held back.
pub(super) struct Window {
    /// How many.
    most: usize,
    held: Vec<Held>,
    /// Up to here, in bytes of the texts together, everything was replaced already: a replacement is not searched again.
    done: usize,
}

struct Held {
    event: Event,
    /// Its data, and where the text stands in it.
    json: Json,
    at: &'static str,
    text: String,
    changed: bool,
}

impl Window {
    pub(super) fn new(most: usize) -> Self {
        Self { most, held: Vec::new(), done: 0 }
    }

    /// Takes the next message. One with text of another place lets out what is held before it, and so does one without
    /// text, which is given back: the order stays.
    pub(super) fn push(&mut self, event: Event, out: &mut Vec<Event>) -> Option<Event> {
        let Some(held) = Held::read(&event) else {
            self.release_all(out);
            return Some(event);
        };
        if self.held.last().is_some_and(|last| last.place() != held.place()) {
            self.release_all(out);
        }
        self.held.push(held);
        None
    }

    /// Replaces every match in the texts together; gives the first. What replaces a match goes into the message where the
    /// match begins, the rest of the match is taken out of those after it.
    pub(super) fn replace(&mut self, from: &Regex, to: &str) -> Option<String> {
        let mut first = None;
        loop {
            let all: String = self.held.iter().map(|held| held.text.as_str()).collect();
            // Behind an empty match at the very end there is nothing more to search.
            let captures = if self.done > all.len() { None } else { from.captures_at(&all, self.done) };
            let Some((captures, found)) = captures.and_then(|c| c.get(0).map(|found| (c, found))) else {
                self.done = self.done.min(all.len());
                return first;
            };
            let mut replaced = String::new();
            captures.expand(to, &mut replaced);
            first.get_or_insert_with(|| found.as_str().to_owned());
            self.put(found.start(), found.end(), &replaced);
            // An empty match is stepped over, or it would be found for ever.
            let after = all.get(found.end()..).and_then(|rest| rest.chars().next());
            let step = if found.is_empty() { after.map_or(1, char::len_utf8) } else { 0 };
            self.done = found.start() + replaced.len() + step;
        }
    }

    /// Puts `text` where `start..end` of the texts together was.
    fn put(&mut self, start: usize, end: usize, text: &str) {
        let mut offset = 0;
        let mut rest = Some(text);
        for held in &mut self.held {
            let length = held.text.len();
            let (from, to) = (start.max(offset), end.min(offset + length));
            let begins =
                start >= offset && start < offset + length || start == end && start == offset + length;
            if from < to || begins && rest.is_some() {
                let new = rest.take().unwrap_or("");
                held.text.replace_range(
                    from.min(offset + length) - offset..to.max(from).min(offset + length) - offset,
                    new,
                );
                held.changed = true;
            }
            offset += length;
        }
    }

    /// Lets out what need not be held any more.
    pub(super) fn release(&mut self, out: &mut Vec<Event>) {
        while self.held.len() > self.most {
            let held = self.held.remove(0);
            self.done = self.done.saturating_sub(held.text.len());
            out.push(held.into_event());
        }
    }

    /// Lets out everything.
    pub(super) fn release_all(&mut self, out: &mut Vec<Event>) {
        self.done = 0;
        out.extend(self.held.drain(..).map(Held::into_event));
    }
}

impl Held {
    fn read(event: &Event) -> Option<Self> {
        let json: Json = serde_json::from_str(event.data()?).ok()?;
        let at = TEXTS.into_iter().find(|at| json.pointer(at).is_some_and(Json::is_string))?;
        // The texts of Responses stand in `delta` as they are; other deltas there are arguments of calls.
        let arguments = at == "/delta" && event.name().is_some_and(|name| !name.contains("text"));
        let text = json.pointer(at)?.as_str()?.to_owned();
        (!arguments && !text.is_empty()).then(|| Self {
            event: event.clone(),
            json,
            at,
            text,
            changed: false,
        })
    }

    /// Texts of one place belong together: the same field of the same part of the same choice.
    fn place(&self) -> (&'static str, Option<&str>, [Option<&Json>; 4]) {
        let part =
            ["/index", "/output_index", "/content_index", "/choices/0/index"].map(|at| self.json.pointer(at));
        (self.at, self.event.name(), part)
    }

    fn into_event(mut self) -> Event {
        if self.changed {
            if let Some(place) = self.json.pointer_mut(self.at) {
                *place = Json::String(self.text);
            }
            self.event.set_data(self.json.to_string());
        }
        self.event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use tollgate_dialect::sse::Splitter;
    use tollgate_expr::compile_regex;

    fn event(text: &str) -> Event {
        let data = serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}}]});
        let mut splitter = Splitter::new();
        splitter.feed(Bytes::from(format!("data: {data}\n\n")));
        Event::read(&splitter.next().expect("a frame")).expect("text")
    }

    fn text(event: &Event) -> String {
        let json: Json = serde_json::from_str(event.data().expect("data")).expect("JSON");
        json.pointer("/choices/0/delta/content").and_then(Json::as_str).expect("text").to_owned()
    }

    /// The texts that come out, one a message.
    fn through(parts: &[&str], most: usize, from: &str, to: &str) -> Vec<String> {
        let from = compile_regex(from).expect("a pattern");
        let (mut window, mut out) = (Window::new(most), Vec::new());
        for part in parts {
            window.push(event(part), &mut out);
            window.replace(&from, to);
            window.release(&mut out);
        }
        window.release_all(&mut out);
        out.iter().map(text).collect()
    }

    #[test]
    fn a_match_over_messages_is_found() {
        assert_eq!(through(&["I am A", "cme Co", "rp!"], 2, "Acme Corp", "***"), ["I am ***", "", "!"]);
        assert_eq!(through(&["ab", "cd", "ef"], 1, "b(c)", "<$1>"), ["a<c>", "d", "ef"]);
        assert_eq!(
            through(&["aa", "aa"], 1, "a", "aa"),
            ["aaaa", "aaaa"],
            "what was put in is not searched again"
        );
        assert_eq!(
            through(&["x", "yz"], 1, "", "-").concat(),
            "-x--y-z-",
            "an empty match ends, once a message"
        );
    }

    #[test]
    fn too_few_messages_are_held() {
        assert_eq!(through(&["a", "b", "c"], 1, "abc", "x"), ["a", "b", "c"]);
        assert_eq!(through(&["a", "b", "c"], 2, "abc", "x"), ["x", "", ""]);
    }

    proptest! {
        #[test]
        fn with_enough_held_it_is_as_if_it_were_one_text(parts in proptest::collection::vec("[abc]{1,4}", 1..8), to in "[xy]{0,3}") {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let want = compile_regex("ab+c").expect("a pattern").replace_all(&parts.concat(), to.as_str()).into_owned();
            // A match may grow with what comes later, so only patterns that end on their own letter are compared.
            prop_assert_eq!(through(&parts, 64, "ab+c", &to).concat(), want);
        }
    }
}
