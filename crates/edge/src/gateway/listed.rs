//! Gemini's streams for clients that did not ask for events: without `alt=sse` the answer is one JSON array, and its
//! elements come as they are made (<https://cloud.google.com/apis/docs/system-parameters>, `alt`).

use bytes::Bytes;
use tollgate_dialect::Surface;

/// Makes the elements of an array from events.
#[derive(Debug, Default)]
pub(super) struct Listed {
    begun: bool,
}

/// Whether a client of this operation wants its stream as an array.
pub(super) fn wants_array(surface: Surface, query: Option<&str>) -> bool {
    let events = |pair: &str| matches!(pair, "alt=sse" | "$alt=sse" | "%24alt=sse");
    surface == Surface::GenerateContent && !query.unwrap_or("").split('&').any(events)
}

impl Listed {
    /// The elements that whole events are. Comments become white space, so that the client sees life.
    pub(super) fn elements(&mut self, events: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(events.len());
        let mut open = false;
        for line in events.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(data) = line.strip_prefix(b"data:") {
                if !open {
                    out.extend_from_slice(if self.begun { b",\r\n" } else { b"[" });
                    (self.begun, open) = (true, true);
                }
                out.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            } else if line.is_empty() {
                open = false;
            } else if line.starts_with(b":") {
                out.push(b'\n');
            }
        }
        out.into()
    }

    /// What ends the array.
    pub(super) fn end(&self) -> Bytes {
        Bytes::from_static(if self.begun { b"]\n" } else { b"[]\n" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_become_elements() {
        let mut list = Listed::default();
        let mut text = Vec::new();
        for events in [
            ": hi\n\n",
            "data: {\"a\":1}\r\n\r\ndata:{\"b\":\ndata: 2}\n\n",
            "",
            ": still\n\nevent: x\ndata: {}\n\n",
        ] {
            text.extend_from_slice(&list.elements(events.as_bytes()));
        }
        text.extend_from_slice(&list.end());
        assert_eq!(String::from_utf8(text).unwrap(), "\n[{\"a\":1},\r\n{\"b\":2}\n,\r\n{}]\n");
        assert_eq!(Listed::default().end(), "[]\n");
    }

    #[test]
    fn only_gemini_without_events() {
        for (query, want) in
            [(None, true), (Some(""), true), (Some("alt=json&key=x"), true), (Some("key=x&alt=sse"), false)]
        {
            assert_eq!(wants_array(Surface::GenerateContent, query), want, "{query:?}");
            assert!(!wants_array(Surface::ChatCompletions, query));
        }
    }
}
