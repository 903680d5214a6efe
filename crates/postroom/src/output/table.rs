//! Tables for people.

use super::{Paint, Style, shortened};

/// The longest text in a cell; ids fit.
const CELL_CHARS_MAX: usize = 60;

/// Rows under headings.
pub struct Table {
    headings: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    pub fn new(headings: &'static [&'static str]) -> Self {
        Self { headings, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| shortened(&cell, CELL_CHARS_MAX)).collect());
    }

    /// The table as text, its columns aligned.
    pub fn render(&self, style: Style) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let chars = cells.map(|cell| cell.chars().count());
            chars.chain([self.headings[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        let headings = self.headings.iter().map(|heading| (*heading, Some(Paint::Heading)));
        let mut text = line(headings, &widths, style);
        for row in &self.rows {
            let cells = row.iter().map(|cell| (cell.as_str(), Paint::of_status(cell)));
            text.push_str(&line(cells, &widths, style));
        }
        text
    }
}

fn line<'a>(
    cells: impl Iterator<Item = (&'a str, Option<Paint>)>,
    widths: &[usize],
    style: Style,
) -> String {
    let mut text = String::new();
    for (column, (cell, paint)) in cells.enumerate() {
        text.push_str(&paint.map_or_else(|| cell.to_owned(), |paint| style.paint(paint, cell)));
        // Padded by hand: the codes of a colour have no width. Nothing follows the last column.
        if column + 1 < widths.len() {
            let missing = widths[column].saturating_sub(cell.chars().count());
            text.extend(std::iter::repeat_n(' ', missing + 2));
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
