//! Writing JSON without a tree in between.

use serde::Serialize;

/// Writes JSON into a buffer. Commas are its own business; that members stand in objects is the caller's.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
    /// Something stands before the next value in the object or list that is open.
    comma: bool,
}

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), comma: false }
    }

    /// Goes on behind what a buffer holds already; the buffer comes back from [`Writer::finish`].
    pub(crate) fn onto(out: Vec<u8>) -> Self {
        Self { out, comma: false }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    /// `{...}` as the next value.
    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.enclosed(b'{', b'}', members);
    }

    /// `[...]` as the next value.
    pub(crate) fn array(&mut self, items: impl FnOnce(&mut Self)) {
        self.enclosed(b'[', b']', items);
    }

    /// The name of a member; its value comes next.
    pub(crate) fn key(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.json(name);
        self.out.push(b':');
        self.comma = false;
        self
    }

    /// A text as the next value.
    pub(crate) fn text(&mut self, text: &str) {
        self.value(text);
    }

    /// Anything that can be written as JSON, as the next value.
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.separate();
        self.json(value);
        self.comma = true;
    }

    /// JSON that is written already, as the next value.
    pub(crate) fn raw(&mut self, json: &str) {
        self.separate();
        self.out.extend_from_slice(json.as_bytes());
        self.comma = true;
    }

    /// A member.
    pub(crate) fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        self.key(name).value(value);
    }

    /// A member, if there is a value.
    pub(crate) fn optional<T: Serialize>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.member(name, &value);
        }
    }

    /// A member that is an object.
    pub(crate) fn member_object(&mut self, name: &str, members: impl FnOnce(&mut Self)) {
        self.key(name).object(members);
    }

    /// A member that is a list.
    pub(crate) fn member_array(&mut self, name: &str, items: impl FnOnce(&mut Self)) {
        self.key(name).array(items);
    }

    fn enclosed(&mut self, open: u8, close: u8, inside: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push(open);
        self.comma = false;
        inside(self);
        self.out.push(close);
        self.comma = true;
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
    }

    fn json<T: Serialize + ?Sized>(&mut self, value: &T) {
        let before = self.out.len();
        // Writing to memory cannot fail, and no value here has keys that are not texts.
        if serde_json::to_writer(&mut self.out, value).is_err() {
            self.out.truncate(before);
            self.out.extend_from_slice(b"null");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_in_a_buffer() {
        let mut w = Writer::onto(b"data: ".to_vec());
        w.object(|w| w.member("a", &1));
        assert_eq!(w.finish(), b"data: {\"a\":1}");
    }

    #[test]
    fn commas() {
        let mut w = Writer::default();
        w.object(|w| {
            w.member("a", &1);
            w.optional("none", None::<u8>);
            w.member_array("b", |w| {
                w.text("x\"y");
                w.object(|_| {});
                w.raw("[1, 2]");
            });
            w.member_object("c", |w| w.optional("d", Some(true)));
            w.key("e").raw("{}");
        });
        let want = r#"{"a":1,"b":["x\"y",{},[1, 2]],"c":{"d":true},"e":{}}"#;
        assert_eq!(String::from_utf8(w.finish()).unwrap(), want);
    }
}
