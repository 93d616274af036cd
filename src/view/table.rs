//! Tables for terminals: columns line up, and a row never gets wider than the screen.

use super::Style;
use super::text::{fit, one_line, pad, width};

/// One cell: a text, and the status word whose colour it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    status: Option<String>,
}

impl Cell {
    /// A badge (`[COMPLETED]`) in its colour.
    pub fn badge(status: &str) -> Self {
        Self { text: super::style::plain_badge(status), status: Some(status.to_owned()) }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    /// A text without colour, made safe for a terminal.
    fn from(text: T) -> Self {
        Self { text: one_line(text.as_ref()), status: None }
    }
}

/// Returns a table with a header and a rule below it, every line with its line break. Rows may be shorter than the
/// header; cells beyond it are left out. On a terminal the widest columns are cut (`…`) until a row fits, but no
/// column below 4 characters or its heading; into a pipe nothing is cut.
pub fn render(header: &[&str], rows: &[Vec<Cell>], style: &Style) -> String {
    let widths = widths(header, rows, style.columns);
    let mut page = String::new();
    let headings: Vec<Cell> = header.iter().map(Cell::from).collect();
    push_row(&mut page, &headings, &widths, style);
    let rule = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    page.push_str(&"-".repeat(rule));
    page.push('\n');
    for row in rows {
        push_row(&mut page, row, &widths, style);
    }
    page
}

fn widths(header: &[&str], rows: &[Vec<Cell>], columns: Option<usize>) -> Vec<usize> {
    let least: Vec<usize> = header.iter().map(|heading| width(heading).max(4)).collect();
    let mut widths: Vec<usize> = header.iter().map(|heading| width(heading)).collect();
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(&cell.text));
        }
    }
    let Some(columns) = columns else { return widths };
    let room = columns.saturating_sub(2 * widths.len().saturating_sub(1));
    loop {
        let total: usize = widths.iter().sum();
        let mut order: Vec<usize> = (0..widths.len()).filter(|at| widths[*at] > least[*at]).collect();
        order.sort_by_key(|at| std::cmp::Reverse(widths[*at]));
        let Some(widest) = order.first().copied().filter(|_| total > room) else { return widths };
        // Down to the next widest column at once, but not further than needed; at least one step.
        let next = order.get(1).map_or(0, |at| widths[*at]);
        let step = (total - room).min(widths[widest].saturating_sub(next).max(1));
        widths[widest] = widths[widest].saturating_sub(step).max(least[widest]);
    }
}

fn push_row(page: &mut String, row: &[Cell], widths: &[usize], style: &Style) {
    let start = page.len();
    for (at, (cell, columns)) in row.iter().zip(widths).enumerate() {
        if at > 0 {
            page.push_str("  ");
        }
        let text = fit(&cell.text, *columns);
        let gap = pad(&text, *columns).split_off(text.len());
        match &cell.status {
            Some(status) => page.push_str(&style.paint(super::style::colour(status), &text)),
            None => page.push_str(&text),
        }
        page.push_str(&gap);
    }
    page.truncate(start + page[start..].trim_end().len());
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec!["P0-1".into(), Cell::badge("completed"), "short".into()],
            vec!["日本".into(), Cell::badge("blocked"), "long ".repeat(40).into(), "beyond".into()],
            vec!["P0-3".into()],
        ]
    }

    #[test]
    fn columns_line_up() {
        let table = render(&["ID", "Status", "Title"], &rows()[..1], &Style::plain());
        assert_eq!(table, "ID    Status       Title\n------------------------\nP0-1  [COMPLETED]  short\n");
    }

    #[test]
    fn a_row_fits_into_80_columns() {
        for columns in [80, 40, 20] {
            let style = Style { columns: Some(columns), ..Style::plain() };
            let table = render(&["ID", "Status", "Title"], &rows(), &style);
            assert!(table.lines().all(|line| width(line) <= columns), "{table}");
            assert!(table.contains('…'), "{table}");
        }
    }

    #[test]
    fn a_screen_too_narrow_for_anything_still_ends() {
        let style = Style { columns: Some(1), ..Style::plain() };
        assert_eq!(render(&["ID", "Status", "Title"], &rows(), &style).lines().count(), 5);
        assert_eq!(render(&[], &[], &style), "\n\n");
    }

    #[test]
    fn a_pipe_gets_everything() {
        let table = render(&["ID", "Status", "Title"], &rows(), &Style::plain());
        assert!(table.contains(&"long ".repeat(40).trim_end().to_owned()));
        assert!(!table.contains("beyond"));
    }

    #[test]
    fn colour_wraps_the_text_and_not_the_gap() {
        let style = Style { is_coloured: true, ..Style::plain() };
        let table = render(&["Status", "Title"], &[vec![Cell::badge("failed"), "x".into()]], &style);
        assert!(table.contains("\x1b[0;31m[FAILED]\x1b[0m  x\n"), "{table:?}");
    }
}
