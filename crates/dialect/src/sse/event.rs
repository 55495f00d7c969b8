//! The fields of one event, to be read and changed.

use super::{Frame, Lines, field};
use bytes::Bytes;

/// An event as its fields. What nobody changes is written as it came, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    event: Option<String>,
    data: Option<String>,
    id: Option<String>,
    retry: Option<String>,
    comments: Vec<String>,
    raw: Option<Bytes>,
}

impl Event {
    /// The fields of a frame; `None` for one that is not text, or was too long to be read.
    #[must_use]
    pub fn read(frame: &Frame) -> Option<Self> {
        if frame.overflow() {
            return None;
        }
        std::str::from_utf8(&frame.raw).ok()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let last = |name: &[u8]| {
            Lines::of(&frame.raw).filter_map(|line| field(&frame.raw, line, name)).last().map(text)
        };
        let comments = Lines::of(&frame.raw).filter_map(|line| frame.raw.get(line)?.strip_prefix(b":"));
        let any_data = Lines::of(&frame.raw).any(|line| field(&frame.raw, line, b"data").is_some());
        Some(Self {
            event: last(b"event"),
            data: any_data.then(|| text(&frame.data())),
            id: last(b"id"),
            retry: last(b"retry"),
            comments: comments.map(text).collect(),
            raw: Some(frame.raw.clone()),
        })
    }

    /// The name in `event:`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.event.as_deref()
    }

    /// What the `data:` lines hold, joined by LF.
    #[must_use]
    pub fn data(&self) -> Option<&str> {
        self.data.as_deref()
    }

    /// What `id:` holds.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What `retry:` holds.
    #[must_use]
    pub fn retry(&self) -> Option<&str> {
        self.retry.as_deref()
    }

    /// Puts other data into it; several lines become several `data:` lines.
    pub fn set_data(&mut self, data: String) {
        if self.data.as_ref() != Some(&data) {
            self.data = Some(data);
            self.raw = None;
        }
    }

    /// Sets the time after which a client connects again, in milliseconds. What is no number is not taken.
    pub fn set_retry(&mut self, retry: &str) {
        let number = !retry.is_empty() && retry.bytes().all(|byte| byte.is_ascii_digit());
        if number && self.retry.as_deref() != Some(retry) {
            self.retry = Some(retry.to_owned());
            self.raw = None;
        }
    }

    /// The event as it is sent.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if let Some(raw) = self.raw {
            return raw;
        }
        let mut out = String::new();
        let mut line = |name: &str, value: &str| {
            out.push_str(name);
            out.push(':');
            // One space behind the colon belongs to the format, so a comment keeps what it had.
            if !name.is_empty() {
                out.push(' ');
            }
            out.push_str(value);
            out.push('\n');
        };
        for comment in &self.comments {
            line("", comment);
        }
        for (name, value) in [("event", &self.event), ("id", &self.id), ("retry", &self.retry)] {
            if let Some(value) = value {
                line(name, value);
            }
        }
        if let Some(data) = &self.data {
            // Any of the three line ends would end the field.
            let data = data.replace("\r\n", "\n").replace('\r', "\n");
            data.split('\n').for_each(|part| line("data", part));
        }
        out.push('\n');
        Bytes::from(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Splitter;
    use super::*;

    fn event(text: &str) -> Event {
        let mut splitter = Splitter::new();
        splitter.feed(Bytes::copy_from_slice(text.as_bytes()));
        Event::read(&splitter.next().or_else(|| splitter.finish()).expect("a frame")).expect("text")
    }

    fn changed(text: &str, change: impl FnOnce(&mut Event)) -> String {
        let mut event = event(text);
        change(&mut event);
        String::from_utf8(event.into_bytes().to_vec()).expect("text")
    }

    #[test]
    fn what_nobody_changes_stays_byte_for_byte() {
        for text in
            ["data:x\r\ndata: y\r\n\r\n", ": ping\n\n", "event:a\ndata\n\n", "retry: x\n\n", "data: cut"]
        {
            assert_eq!(changed(text, |_| {}), text);
            assert_eq!(
                changed(text, |event| event.set_data(event.data().unwrap_or("?").to_owned())).contains('?'),
                event(text).data().is_none()
            );
        }
    }

    #[test]
    fn changed_events_are_written_anew() {
        let text = ": c\nid: 7\nevent: delta\nretry: 10\ndata: a\ndata: b\n\n";
        let changed = |change: fn(&mut Event)| changed(text, change);
        assert_eq!(
            changed(|event| event.set_data("x\r\ny\rz".into())),
            ": c\nevent: delta\nid: 7\nretry: 10\ndata: x\ndata: y\ndata: z\n\n"
        );
        assert_eq!(
            changed(|event| event.set_retry("25")),
            text.replace("id: 7\nevent: delta\nretry: 10", "event: delta\nid: 7\nretry: 25")
        );
        assert_eq!(changed(|event| event.set_retry("soon")), text);
        assert_eq!(event(text).data(), Some("a\nb"));
        assert_eq!(
            (event(text).name(), event(text).id(), event(text).retry()),
            (Some("delta"), Some("7"), Some("10"))
        );
    }
}
