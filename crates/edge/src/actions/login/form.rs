//! Parameters in a query or a form (`application/x-www-form-urlencoded`, WHATWG URL section 5).

use crate::web_url::encode;

/// The value of a parameter. `Err`: it is there more than once, which no server of a login may send (RFC 6749 section 3.1).
pub(super) fn parameter(query: &str, name: &str) -> Result<Option<String>, ()> {
    let mut found = query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key) == name).then(|| decoded(value))
    });
    let first = found.next();
    if found.next().is_some() { Err(()) } else { Ok(first) }
}

/// Pairs as a form's body.
pub(super) fn encoded(pairs: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        encode(&mut out, name);
        out.push('=');
        encode(&mut out, value);
    }
    out
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let escape = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escape = escape.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = escape.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => out.push(b' '),
            (other, _) => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_once() {
        let query = "a=1&b=x%20y+z&c&%64=%zz%+1%4&e=%C3%A4&f=1&f=2&+5=%2B";
        for (name, value) in
            [("a", "1"), ("b", "x y z"), ("c", ""), ("d", "%zz% 1%4"), ("e", "ä"), (" 5", "+")]
        {
            assert_eq!(parameter(query, name), Ok(Some(value.to_owned())), "{name}");
        }
        assert_eq!(parameter(query, "g"), Ok(None));
        assert_eq!(parameter(query, "f"), Err(()));
        assert_eq!(encoded(&[("a b", "c&d=e"), ("x", "ä")]), "a%20b=c%26d%3De&x=%C3%A4");
    }
}
