//! Errors without the account they belong to: OpenRouter names the owner of the key beside them.

use bytes::Bytes;
use tollgate_dialect::{Edits, Frame, Surface, edit, peek};

/// The field that names it.
const ACCOUNT: &str = "user_id";

/// An error body without the account.
pub(super) fn left_out(body: Bytes) -> Bytes {
    let Ok(peek) = peek(&body) else { return body };
    let account = [ACCOUNT.to_owned()];
    let edits = Edits { deny: &[&account], ..Edits::none(Surface::Completions) };
    edit(&body, &peek, &edits).chunks.concat().into()
}

/// The event of an error in a stream without the account.
pub(super) fn left_out_of_event(frame: &Frame) -> Bytes {
    if memchr::memmem::find(&frame.raw, ACCOUNT.as_bytes()).is_none() {
        return frame.raw.clone();
    }
    let data = left_out(Bytes::copy_from_slice(&frame.data()));
    let event = frame.event().map(|name| format!("event: {name}\n")).unwrap_or_default();
    // JSON may be spread over several lines, each a field of its own.
    let mut text = event.into_bytes();
    for line in data.split(|byte| *byte == b'\n') {
        text.extend_from_slice(b"data: ");
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.push(b'\n');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_dialect::Splitter;

    #[test]
    fn the_account_goes_and_the_rest_stays() {
        for (body, want) in [
            (r#"{"error":{"code":1.0},"user_id":"u"}"#, r#"{"error":{"code":1.0}}"#),
            (r#"{ "user_id" : "u", "error":"x" }"#, r#"{ "error":"x" }"#),
            (
                r#"{"error":{"message":"user_id is missing"}}"#,
                r#"{"error":{"message":"user_id is missing"}}"#,
            ),
            ("<html>user_id", "<html>user_id"),
            ("", ""),
        ] {
            assert_eq!(left_out(Bytes::from_static(body.as_bytes())), want, "{body}");
        }
    }

    #[test]
    fn events() {
        for (text, want) in [
            ("data: {\"error\":1,\"user_id\":\"u\"}\n\n", "data: {\"error\":1}\n\n"),
            (
                "event: error\r\ndata: {\"error\":1,\r\ndata: \"user_id\":\"u\"}\r\n\r\n",
                "event: error\ndata: {\"error\":1}\n\n",
            ),
            (": c\nid: 7\ndata:{\"error\":1}\n\n", ": c\nid: 7\ndata:{\"error\":1}\n\n"),
        ] {
            let mut splitter = Splitter::new();
            splitter.feed(Bytes::from_static(text.as_bytes()));
            assert_eq!(left_out_of_event(&splitter.next().unwrap()), want, "{text}");
        }
    }
}
