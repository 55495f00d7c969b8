//! Which names vaults and secrets may have.

/// The longest name.
const MAX_NAME: usize = 255;

/// Letters, digits, `_`, `-`, `.` and `/`. Between slashes there must be something, and neither `.` nor `..`:
/// names become paths.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    name.len() <= MAX_NAME
        && name.split('/').all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["openai", "api-key", "a.b", "team/prod", "A_1", "...", ".hidden"] {
            assert!(is_valid_name(name), "{name}");
        }
        for name in
            ["", ".", "..", "/etc", "a/../b", "a//b", "a/", "../x", "a\\b", "a b", "a\0b", "ключ", "C:"]
        {
            assert!(!is_valid_name(name), "{name}");
        }
        assert!(!is_valid_name(&"a".repeat(256)));
    }
}
