//! The reference page: every example holds, and the page in `docs/` is the one the tables give.

use super::world::World;
use crate::functions::docs::SECTIONS;
use std::path::Path;

#[test]
fn every_example_has_the_result_that_is_printed() {
    let world = World::default();
    for section in SECTIONS {
        for doc in section.docs {
            assert!(doc.example.contains(doc.name()), "{} does not call {}", doc.example, doc.name());
            let [example, result] = [doc.example, doc.result].map(|source| {
                world.eval(source, section.scope).unwrap_or_else(|error| panic!("{source}: {error}"))
            });
            assert_eq!(example, result, "{}", doc.example);
        }
    }
}

#[test]
fn the_page_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/expressions.md");
    let generated = crate::reference();
    if std::env::var_os("TOLLGATE_UPDATE_DOCS").is_some() {
        std::fs::write(&page, &generated).unwrap();
    }
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(written == generated, "docs/expressions.md is stale; run `make docs` and look at the difference");
}

#[test]
fn no_cell_breaks_the_tables_of_the_page() {
    for line in crate::reference().lines().filter(|line| line.starts_with('|')) {
        let bars = line.replace("\\|", "").matches('|').count();
        assert!(bars == 5 || bars == 3, "{line}");
        assert!(!line.contains("|  |"), "a cell is empty: {line}");
    }
}
