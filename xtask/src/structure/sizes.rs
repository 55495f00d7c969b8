//! No file has more than 500 lines of code.

use crate::failure::Result;
use crate::workspace::{files, root, shown};
use std::fs;

/// Lines of code a file may have; blank lines and lines that are nothing but a comment are free.
const MOST: usize = 500;

pub(super) fn check() -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for folder in ["crates", "xtask", "tests"] {
        for file in files(&root().join(folder), &["rs", "py", "mjs"])? {
            let lines = code_lines(&fs::read_to_string(&file)?);
            if lines > MOST {
                wrong.push(format!("{}: {lines} lines of code; at most {MOST}", shown(&file)));
            }
        }
    }
    Ok(wrong)
}

fn code_lines(text: &str) -> usize {
    let is_code = |line: &&str| {
        !line.is_empty() && !line.starts_with("//") && !line.starts_with('#')
            || line.starts_with("#[")
            || line.starts_with("#!")
    };
    text.lines().map(str::trim).filter(is_code).count()
}

#[cfg(test)]
mod tests {
    use super::code_lines;

    #[test]
    fn comments_and_blank_lines_are_free() {
        assert_eq!(code_lines("//! a\n\n/// b\n#[test]\nfn c() {\n    // d\n    e(); // f\n}\n"), 4);
        assert_eq!(code_lines("# a comment of Python\nx = 1\n"), 1);
    }
}
