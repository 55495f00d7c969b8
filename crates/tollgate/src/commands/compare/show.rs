//! The comparison for people: a column a model.

use super::figures::{Compared, Spread};
use comfy_table::{ContentArrangement, Row, Table, presets};
use tollgate_edge::proxy::headers::dollars;

/// Most lines of an answer in the table.
const ANSWER_LINES: usize = 20;
/// Width, in characters, where there is no terminal.
pub(super) const USUAL_WIDTH: u16 = 100;
/// Width that a column needs to be read with ease; with more models there are several tables.
const COLUMN: u16 = 26;
/// Width of the column of titles.
const TITLES: u16 = 15;

const BOLD: &str = "\u{1b}[1m";
const RED: &str = "\u{1b}[31m";
const PLAIN: &str = "\u{1b}[0m";

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Characters in a line.
    pub(super) width: u16,
    /// Whether titles and errors stand out.
    pub(super) colour: bool,
    /// Whether answers stand whole below the table.
    pub(super) full: bool,
}

/// The tables, and whole answers below them when they are wanted.
pub(super) fn render(results: &[Compared], style: Style) -> String {
    let columns = usize::from((style.width.saturating_sub(TITLES) / COLUMN).max(1));
    let mut out = String::new();
    for some in results.chunks(columns) {
        out.push_str(&table(some, style));
        out.push('\n');
    }
    let most = results.iter().map(|result| result.runs.len()).max().unwrap_or(0);
    if most > 1 {
        out.push_str(&format!(
            "Each model was asked {most} times: figures are medians of the answered requests, the answer is the first.\n"
        ));
    }
    if style.full {
        for result in results {
            let (bold, plain) = if style.colour { (BOLD, PLAIN) } else { ("", "") };
            let said = Some(answer(result)).filter(|said| !said.is_empty());
            let said =
                said.unwrap_or_else(|| format!("failed: {}", clean(&result.error().unwrap_or_default())));
            out.push_str(&format!("\n{bold}== {} =={plain}\n{said}\n", clean(&result.model)));
        }
    }
    out
}

fn table(results: &[Compared], style: Style) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(style.width);
    let title = |text: &str| [text.to_owned()].into_iter();
    table.set_header(title("").chain(results.iter().map(|result| clean(&result.model))));
    for (name, cell) in ROWS {
        let cells: Vec<String> = results.iter().map(|result| clean(&cell(result))).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            table.add_row(title(name).chain(cells));
        }
    }
    let answers: Vec<String> = results.iter().map(answer).collect();
    if !style.full && answers.iter().any(|answer| !answer.is_empty()) {
        let mut row = Row::from(title("answer").chain(answers).collect::<Vec<_>>());
        row.max_height(ANSWER_LINES);
        table.add_row(row);
    }
    if style.colour { coloured(&table) } else { table.lines().map(|line| line + "\n").collect() }
}

type Cell = fn(&Compared) -> String;

/// The rows; one without any content is left out.
const ROWS: [(&str, Cell); 10] = [
    ("error", |result| result.error().unwrap_or_default()),
    ("answered by", |result| result.answered_by().join(", ")),
    ("attempts", |result| number(result.attempts())),
    ("input tokens", |result| number(result.input_tokens())),
    ("output tokens", |result| number(result.output_tokens())),
    ("cost", |result| result.cost_micros().map(|micros| format!("${}", dollars(micros))).unwrap_or_default()),
    ("first token", |result| time(result.first_ms())),
    ("total", |result| time(result.total_ms())),
    ("speed", |result| result.speed().map(|s| format!("{:.1} tokens/s", s.median)).unwrap_or_default()),
    ("dropped", |result| result.dropped().join(", ")),
];

fn number(count: Option<u64>) -> String {
    count.map(|count| count.to_string()).unwrap_or_default()
}

/// `85 ms`, `1.32 s`
fn time(spread: Option<Spread>) -> String {
    match spread.map(|spread| spread.median) {
        None => String::new(),
        Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
        Some(ms) if ms < 1000.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.2} s", ms / 1e3),
    }
}

/// The answer that is shown, or why there is none.
fn answer(result: &Compared) -> String {
    let Some(run) = result.shown() else { return String::new() };
    match (run.answer.trim(), &run.finish_reason) {
        ("", Some(reason)) => format!("(no text; it ended with `{}`)", clean(reason)),
        (text, _) => clean(text),
    }
}

/// What cannot drive the reader's terminal: of control characters only line ends are left.
fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\t', "    ");
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// The lines with titles in bold and errors in red.
fn coloured(table: &Table) -> String {
    let mut out = String::new();
    let (mut header, mut error) = (true, false);
    for line in table.lines() {
        // A line between rows has no cells; a row goes on where its title is empty.
        let cell = line.strip_prefix(BORDER).and_then(|cells| cells.split(DIVIDER).next()).map(str::trim);
        header &= !line.starts_with(HEADER_ENDS);
        error = match cell {
            None => false,
            Some("") => error,
            Some(title) => title == "error",
        };
        match (header && cell.is_some(), error) {
            (true, _) => out.push_str(&format!("{BOLD}{line}{PLAIN}\n")),
            (_, true) => out.push_str(&format!("{RED}{line}{PLAIN}\n")),
            _ => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

const BORDER: char = '│';
const DIVIDER: char = '┆';
const HEADER_ENDS: char = '╞';

#[cfg(test)]
mod tests {
    use super::super::figures::Run;
    use super::*;
    use std::time::Duration;

    const STYLE: Style = Style { width: USUAL_WIDTH, colour: false, full: false };

    fn result(model: &str, answer: &str) -> Compared {
        let run = Run {
            answered_by: Some(format!("openai:{model}")),
            attempts: 1,
            input_tokens: Some(12),
            output_tokens: Some(34),
            cost_micros: Some(1_234),
            first: Some(Duration::from_millis(412)),
            total: Duration::from_millis(1_320),
            speed: Some(37.44),
            answer: answer.into(),
            ..Run::default()
        };
        Compared { model: model.into(), runs: vec![run], lacking: None }
    }

    /// The cells of the row with this title, over all its lines.
    fn row(text: &str, title: &str) -> String {
        let mut lines = text.lines().skip_while(|line| !line.starts_with(&format!("│ {title}")));
        let first = lines.next().unwrap_or_else(|| panic!("no {title} in\n{text}"));
        let goes_on = |line: &&str| line.split(DIVIDER).next().is_some_and(|cell| cell.trim() == "│");
        let more = lines.take_while(goes_on);
        let all: Vec<&str> = std::iter::once(first).chain(more).collect();
        all.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_column_a_model() {
        let text = render(&[result("gpt-4o", "Hello there"), result("o3", "Hi")], STYLE);
        for (title, left, right) in [
            ("answered by", "openai:gpt-4o", "openai:o3"),
            ("attempts", "1", "1"),
            ("input tokens", "12", "12"),
            ("output tokens", "34", "34"),
            ("cost", "$0.001234", "$0.001234"),
            ("first token", "412 ms", "412 ms"),
            ("total", "1.32 s", "1.32 s"),
            ("speed", "37.4 tokens/s", "37.4 tokens/s"),
            ("answer ", "Hello there", "Hi"),
        ] {
            let row = row(&text, title);
            assert!(row.contains(left) && row.contains(right), "{title}: {row}\n{text}");
        }
        assert!(!text.contains("error") && !text.contains("dropped"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(USUAL_WIDTH)), "{text}");
    }

    #[test]
    fn long_answers_are_cut_or_stand_below() {
        let long = (1..=200).map(|n| format!("line {n}\n")).collect::<String>();
        let results = [result("a", &long), result("b", "short")];
        let text = render(&results, STYLE);
        assert!(text.contains("line 19") && !text.contains("line 21"), "{text}");
        assert!(text.contains('…'), "{text}");
        let full = render(&results, Style { full: true, ..STYLE });
        assert!(
            full.contains("== a ==\nline 1\n") && full.contains("line 200\n\n== b ==\nshort\n"),
            "{full}"
        );
        assert!(!full.contains("│ answer "), "{full}");
    }

    #[test]
    fn many_models_need_several_tables() {
        let results: Vec<Compared> = (0..7).map(|n| result(&format!("model-{n}"), "x")).collect();
        let text = render(&results, STYLE);
        assert_eq!(text.matches('┌').count(), 3, "{text}");
        assert_eq!(render(&results, Style { width: 10, ..STYLE }).matches('┌').count(), 7);
    }

    #[test]
    fn an_error_stands_out_and_nothing_drives_the_terminal() {
        let mut bad = result("bad\u{1b}[31m", "\u{1b}]0;title\u{7}\u{9}x");
        bad.runs[0].error = Some("status 401: no such key".into());
        let plain = render(std::slice::from_ref(&bad), STYLE);
        assert!(!plain.contains('\u{1b}') && !plain.contains('\u{7}'), "{plain:?}");
        assert!(row(&plain, "error").contains("status 401: no such key"));
        let coloured = render(&[bad], Style { colour: true, ..STYLE });
        let red: Vec<&str> = coloured.lines().filter(|line| line.starts_with(RED)).collect();
        let bold: Vec<&str> = coloured.lines().filter(|line| line.starts_with(BOLD)).collect();
        assert!(red.len() == 1 && red[0].contains("status 401") && red[0].ends_with(PLAIN), "{coloured}");
        assert!(bold.len() == 1 && bold[0].contains("bad"), "{coloured}");
    }

    #[test]
    fn an_empty_answer_says_why() {
        let mut empty = result("m", "");
        empty.runs[0].finish_reason = Some("length".into());
        assert!(render(&[empty], STYLE).contains("(no text; it ended with `length`)"));
    }

    #[test]
    fn times_are_short() {
        let shown = |median| time(Some(Spread { median, best: median, worst: median }));
        assert_eq!([shown(0.42), shown(85.4), shown(1324.0)], ["0.4 ms", "85 ms", "1.32 s"]);
    }
}
