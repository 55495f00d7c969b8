//! Where a browser may be sent after a login or a logout: a place on the same server, whatever the request says.

use crate::web_url::encode;

/// The longest that is remembered, in bytes: it is kept in a cookie, and a browser's cookie has 4096.
const LONGEST: usize = 1500;

/// The path, and perhaps a query, when it can lead nowhere else; else `/`.
///
/// Browsers read `\` as `/` and drop tabs and line ends (WHATWG URL, section 4.4), so that `/\evil.example` or
/// `/<tab>/evil.example` would be another server.
pub(super) fn local_path(text: &str) -> String {
    let inside = text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte >= b' ' && byte != 0x7f && byte != b'\\');
    let mut path = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '!'..='~' => path.push(character),
            other => encode(&mut path, other.encode_utf8(&mut [0; 4])),
        }
    }
    if inside && path.len() <= LONGEST { path } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_places_on_the_same_server() {
        for good in
            ["/", "/a", "/a?b=c&d=%2F%2Fe", "/a//b", "/a?next=http://x", "/%5Cevil", "/%09/x", "/a:b@c"]
        {
            assert_eq!(local_path(good), good);
        }
        for bad in [
            "",
            "a",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\evil.example",
            "/a\\b",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            " /a",
            "http://evil.example/",
            "https:evil.example",
            "javascript:alert(1)",
            "/\u{0}",
            "/\u{7f}",
            "/a\r\nset-cookie: x=y",
        ] {
            assert_eq!(local_path(bad), "/", "{bad:?}");
        }
        assert_eq!(local_path(&format!("/{}", "a".repeat(LONGEST))), "/");
        assert_eq!(local_path(&format!("/{}", "ä".repeat(LONGEST / 4))), "/", "what counts is what is kept");
        assert_eq!(local_path("/a b/ä?c"), "/a%20b/%C3%A4?c");
    }

    proptest! {
        #[test]
        fn what_it_gives_is_always_local(text in ".{0,60}") {
            let path = local_path(&text);
            prop_assert!(path.starts_with('/') && !path.starts_with("//") && !path.contains('\\'));
            prop_assert!(path.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
