//! Reading JSON whose shape a stranger chose: what is known is taken out, what is left over is named.

use super::error::DecodeError;
use super::request::{Json, Text};
use std::borrow::Cow;
use std::fmt;

/// Where in a body a value stands. Lives on the stack; a text is made of it only for an error or a loss.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'p> {
    /// The body itself.
    Root,
    /// A member of an object.
    Key(&'p Path<'p>, &'p str),
    /// An item of a list.
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    /// The path of a member.
    pub(crate) fn key<'a>(&'a self, name: &'a str) -> Path<'a> {
        Path::Key(self, name)
    }

    /// The path of an item.
    pub(crate) fn index(&self, at: usize) -> Path<'_> {
        Path::Index(self, at)
    }
}

impl fmt::Display for Path<'_> {
    /// `messages[2].content[0].type`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, name) => f.write_str(name),
            Path::Key(parent, name) => write!(f, "{parent}.{name}"),
            Path::Index(parent, at) => write!(f, "{parent}[{at}]"),
        }
    }
}

/// The members of one object. Each `take` removes a member; [`Fields::rest`] gives what nobody knew.
///
/// `null` counts as absent everywhere. Of duplicate keys the last one counts.
pub(crate) struct Fields<'a, 'p> {
    members: Vec<(Text<'a>, Json<'a>)>,
    path: &'p Path<'p>,
}

impl<'a, 'p> Fields<'a, 'p> {
    /// The members of `value`, which must be an object.
    pub(crate) fn of(value: Json<'a>, path: &'p Path<'p>) -> Result<Self, DecodeError> {
        match value {
            Json::Object(object) => Ok(Self { members: object.into_vec(), path }),
            other => Err(DecodeError::wrong(path, "an object", &other)),
        }
    }

    /// Where the object stands.
    pub(crate) fn path(&self) -> &'p Path<'p> {
        self.path
    }

    /// Whether a member is there and not null: for dialects that take a name in two spellings.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(key, value)| key == name && !value.is_null())
    }

    /// Any value; `None` when absent or null.
    pub(crate) fn take(&mut self, name: &str) -> Option<Json<'a>> {
        let at = self.members.iter().rposition(|(key, _)| key == name)?;
        let found = Some(self.members.remove(at).1);
        // Of several the last counts; the others go with it, in one pass, since there may be very many.
        if self.members.iter().take(at).any(|(key, _)| key == name) {
            self.members.retain(|(key, _)| key != name);
        }
        found.filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<Text<'a>>, DecodeError> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Str(text)) => Ok(Some(text)),
            Some(other) => Err(DecodeError::wrong(&self.path.key(name), "a string", &other)),
        }
    }

    /// A text that must be there.
    pub(crate) fn required_text(&mut self, name: &str) -> Result<Text<'a>, DecodeError> {
        self.text(name)?.ok_or_else(|| DecodeError::missing(&self.path.key(name)))
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, DecodeError> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(DecodeError::wrong(&self.path.key(name), "a boolean", &other)),
        }
    }

    /// A whole number from 0; `40.0` is one too.
    pub(crate) fn whole(&mut self, name: &str) -> Result<Option<u64>, DecodeError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let float = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=9e15).contains(number));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number between 0 and 9e15"
        )]
        let whole = value.as_u64().or_else(|| float.map(|number| number as u64));
        whole.map(Some).ok_or_else(|| DecodeError::wrong(&self.path.key(name), "a whole number", &value))
    }

    /// Any number.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>, DecodeError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| DecodeError::wrong(&self.path.key(name), "a number", &value))
    }

    /// The items of a list; empty when absent.
    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Json<'a>>, DecodeError> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Json::Array(items)) => Ok(items),
            Some(other) => Err(DecodeError::wrong(&self.path.key(name), "an array", &other)),
        }
    }

    /// The names of the members that are left over, in the order of the body; `null` ones are not worth a word.
    pub(crate) fn rest(self) -> impl Iterator<Item = (Text<'a>, Json<'a>)> {
        self.members.into_iter().filter(|(_, value)| !value.is_null())
    }
}

/// What a JSON value is, for messages.
pub(crate) fn kind(value: &Json<'_>) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::Str(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

/// The text of a value that must be one.
pub(crate) fn text<'a>(value: Json<'a>, path: &Path<'_>) -> Result<Text<'a>, DecodeError> {
    match value {
        Json::Str(text) => Ok(text),
        other => Err(DecodeError::wrong(path, "a string", &other)),
    }
}

/// A text that outlives the body it was read from.
pub(crate) fn owned(text: &str) -> Text<'static> {
    Cow::Owned(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_people_write_them() {
        let root = Path::Root;
        let messages = root.key("messages");
        let third = messages.index(2);
        let content = third.key("content");
        assert_eq!(content.index(0).to_string(), "messages[2].content[0]");
        assert_eq!(root.to_string(), "");
    }

    #[test]
    fn fields_are_taken_once_and_the_rest_is_named() {
        let value: Json<'_> =
            serde_json::from_str(r#"{"a":1,"b":"x","a":40.0,"c":null,"d":[],"e":-1}"#).unwrap();
        let mut fields = Fields::of(value, &Path::Root).unwrap();
        assert_eq!(["a", "c", "x"].map(|name| fields.has(name)), [true, false, false]);
        assert_eq!(fields.whole("a").unwrap(), Some(40), "the last of two");
        assert_eq!(fields.whole("a").unwrap(), None);
        let error = fields.boolean("b").unwrap_err();
        assert_eq!(error.to_string(), "'b' must be a boolean, not a string");
        assert_eq!(fields.whole("e").unwrap_err().to_string(), "'e' must be a whole number, not a number");
        assert_eq!(fields.rest().map(|(name, _)| name.into_owned()).collect::<Vec<_>>(), ["d"]);
    }
}
