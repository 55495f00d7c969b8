//! Every dependency has a line in `docs/dependencies.md`, and no line is left over.

/// Compares the root manifest with the page.
pub(super) fn check(manifest: &str, page: &str) -> Vec<String> {
    let used = dependencies(manifest);
    let described = described(page);
    let lacking = used.iter().filter(|name| !described.contains(name));
    let mut wrong: Vec<String> =
        lacking.map(|name| format!("docs/dependencies.md: no line for {name}")).collect();
    let stale = described.iter().filter(|name| !used.contains(name));
    wrong.extend(stale.map(|name| format!("docs/dependencies.md: {name} is no dependency any more")));
    wrong
}

/// Names in `[workspace.dependencies]`, without our own crates.
fn dependencies(manifest: &str) -> Vec<&str> {
    let lines = manifest.lines().skip_while(|line| line.trim() != "[workspace.dependencies]").skip(1);
    let section = lines.take_while(|line| !line.starts_with('['));
    let names = section.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    names.map(|(name, _)| name.trim()).filter(|name| !name.starts_with("tollgate-")).collect()
}

/// Names at the start of a table's rows: ``| `name`, `name` | ...``
fn described(page: &str) -> Vec<&str> {
    let first_cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let names = first_cells.flat_map(|cell| cell.split(", "));
    // What comes with the fuzz targets or a tool is not in the root manifest: such rows begin without a backtick.
    names.map(|name| name.trim_matches(|c| c == '`' || c == ' ')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[workspace]\nx = 1\n[workspace.dependencies]\n# why\ntollgate-expr = { path = \"a\" }\n\
                            bytes = \"1\"\nclap = { version = \"4\" }\n\nproptest = \"1\"\n\n[profile.dev]\ny = 1\n";

    #[test]
    fn a_missing_line_and_a_stale_one() {
        let page = "| crate | why |\n|---|---|\n| `bytes`, `clap` | because |\n| `gone` | once |\n";
        let wrong = check(MANIFEST, page);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].contains("proptest") && wrong[1].contains("gone"));
    }

    #[test]
    fn a_full_page() {
        assert!(check(MANIFEST, "| `bytes` | a |\n| `clap` | b |\n| `proptest` | c |\n").is_empty());
    }
}
