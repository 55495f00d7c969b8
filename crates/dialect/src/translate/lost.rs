//! Names of what was lost.

/// Most names that are kept of one body or stream: people read them, and whoever sends a body may put a million
/// unknown members into it.
pub(super) const MOST: usize = 100;
/// Stands for all that is lost beyond that.
pub(super) const MORE: &str = "...";

/// Names a loss, once.
pub(super) fn lose(lost: &mut Vec<String>, path: impl Into<String> + AsRef<str>) {
    if lost.len() <= MOST && !lost.iter().any(|known| known == path.as_ref()) {
        lost.push(if lost.len() < MOST { path.into() } else { MORE.to_owned() });
    }
}

/// Leaves what is too much.
pub(super) fn cap(lost: &mut Vec<String>) {
    if lost.len() > MOST {
        lost.truncate(MOST);
        lost.push(MORE.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_once_and_there_is_an_end_to_them() {
        let mut lost = Vec::new();
        for at in 0..300 {
            lose(&mut lost, format!("a[{}]", at / 2));
        }
        assert_eq!(lost.len(), MOST + 1);
        assert_eq!(lost.get(MOST - 1..), Some(&["a[99]".to_owned(), "...".to_owned()][..]));
        let before = lost.clone();
        cap(&mut lost);
        assert_eq!(lost, before);
        lost.push("b".to_owned());
        cap(&mut lost);
        assert_eq!(lost, before);
    }
}
