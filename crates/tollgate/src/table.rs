//! Plain text tables for people.

/// A table: left-aligned columns, two spaces apart, a line of titles. Columns without any content are left out.
#[derive(Debug)]
pub(crate) struct Table {
    titles: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    right: Vec<&'static str>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(titles: &[&'static str]) -> Self {
        Self { titles: titles.to_vec(), rows: Vec::new(), right: Vec::new() }
    }

    /// Aligns these columns to the right: numbers.
    pub(crate) fn right(mut self, titles: &[&'static str]) -> Self {
        self.right = titles.to_vec();
        self
    }

    /// Adds a row; missing cells are empty.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(|cell| plain(&cell.into())).collect());
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, each line indented by so many spaces.
    pub(crate) fn render(&self, indent: usize) -> String {
        let shown: Vec<(usize, &str, usize)> = self
            .titles
            .iter()
            .enumerate()
            .filter_map(|(at, title)| {
                let widest = self.rows.iter().map(|row| width(cell(row, at))).max().unwrap_or(0);
                (widest > 0).then(|| (at, *title, widest.max(width(title))))
            })
            .collect();
        let line = |read: &dyn Fn(usize, &str) -> String| {
            let cells = shown.iter().map(|(at, title, wide)| {
                let text = read(*at, title);
                let space = " ".repeat(wide.saturating_sub(width(&text)));
                if self.right.contains(title) { format!("{space}{text}") } else { format!("{text}{space}") }
            });
            let joined = cells.collect::<Vec<_>>().join("  ");
            format!("{}{}\n", " ".repeat(indent), joined.trim_end())
        };
        let mut out = line(&|_, title| title.to_owned());
        for row in &self.rows {
            out.push_str(&line(&|at, _| cell(row, at).to_owned()));
        }
        out
    }
}

fn cell(row: &[String], at: usize) -> &str {
    row.get(at).map_or("", String::as_str)
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// A cell is one line and cannot drive the reader's terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_ones_are_left_out() {
        let mut table = Table::new(&["name", "note", "ms"]).right(&["ms"]);
        table.row(["ä", "", "5"]);
        table.row(["longer", "", "120"]);
        assert_eq!(table.render(2), "  name     ms\n  ä         5\n  longer  120\n");
    }

    #[test]
    fn a_cell_cannot_break_its_line() {
        let mut table = Table::new(&["a"]);
        table.row(["x\ny\u{1b}["]);
        assert_eq!(table.render(0), "a\nx y [\n");
    }
}
