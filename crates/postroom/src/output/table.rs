//! Tables for people.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Paint, Style, shortened};

/// The longest text in a cell; ids fit.
const CELL_CHARS_MAX: usize = 60;

/// A column is not made narrower than this to fit a terminal: it is left out then.
const COLUMN_MIN: usize = 8;

/// Between two columns.
const GAP: usize = 2;

/// Rows under headings.
pub struct Table {
    headings: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

/// A table as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The lines.
    pub text: String,
    /// The headings of the columns that there was no room for.
    pub left_out: &'static [&'static str],
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

    /// The table as text, its columns aligned, no line wider than `room` where that is known.
    pub fn render(&self, style: Style, room: Option<usize>) -> Rendered {
        let widths = self.fitted(room.unwrap_or(usize::MAX));
        let (shown, left_out) = self.headings.split_at(widths.len());
        let headings = shown.iter().map(|heading| (*heading, Some(Paint::Heading)));
        let mut text = line(headings, &widths, style);
        for row in &self.rows {
            let cells = row.iter().map(|cell| (cell.as_str(), Paint::of_status(cell)));
            text.push_str(&line(cells, &widths, style));
        }
        Rendered { text, left_out }
    }

    /// How wide each column is that is shown. The first names the row, and is what the next command
    /// is given: it stays whole as long as others can give way.
    fn fitted(&self, room: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.headings.len()).map(|at| self.natural(at)).collect();
        let least: Vec<usize> = widths.iter().map(|natural| (*natural).min(COLUMN_MIN)).collect();
        let mut shown = widths.len();
        let needed =
            |shown: usize| widths[0] + least[1..shown].iter().sum::<usize>() + GAP * (shown - 1);
        while shown > 1 && needed(shown) > room {
            shown -= 1;
        }
        widths.truncate(shown);
        while total(&widths) > room {
            let wide = (1..shown).filter(|at| widths[*at] > least[*at]);
            match wide.max_by_key(|at| widths[*at]) {
                Some(widest) => widths[widest] -= 1,
                None => {
                    widths[0] = room.max(1);
                    break;
                }
            }
        }
        widths
    }

    /// How wide the column would like to be.
    fn natural(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let widths = cells.map(|cell| cell.width());
        widths.chain([self.headings[column].width()]).max().unwrap_or(0)
    }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

fn line<'a>(
    cells: impl Iterator<Item = (&'a str, Option<Paint>)>,
    widths: &[usize],
    style: Style,
) -> String {
    let mut text = String::new();
    for (column, ((cell, paint), width)) in cells.zip(widths).enumerate() {
        let cell = cut(cell, *width);
        text.push_str(&paint.map_or_else(|| cell.clone(), |paint| style.paint(paint, &cell)));
        // Padded by hand: the codes of a colour have no width. Nothing follows the last column.
        if column + 1 < widths.len() {
            let missing = width.saturating_sub(cell.width());
            text.extend(std::iter::repeat_n(' ', missing + GAP));
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The text in at most `width` columns of a terminal, with a sign where something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut taken = 0;
    let fits = |c: &char| {
        taken += c.width().unwrap_or(0);
        taken < width
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["ID", "STATUS", "THREAD", "OUTPUT"]);
        let cells = ["a-name-of-20-letters", "queued", "一二三四五六七", "words and more words"];
        table.row(cells.map(str::to_owned));
        table
    }

    fn plain() -> Style {
        Style::never()
    }

    #[test]
    fn without_a_terminal_nothing_is_cut() {
        let Rendered { text, left_out } = table().render(plain(), None);
        assert_eq!(
            text,
            "ID                    STATUS  THREAD          OUTPUT\n\
             a-name-of-20-letters  queued  一二三四五六七  words and more words\n"
        );
        assert!(left_out.is_empty());
    }

    #[test]
    fn the_widest_columns_give_way_and_the_first_stays_whole() {
        let Rendered { text, left_out } = table().render(plain(), Some(52));
        let line = text.lines().nth(1).unwrap();
        assert!(line.starts_with("a-name-of-20-letters  queued  "), "{text}");
        assert!(line.ends_with('…') && line.width() <= 52, "{text}");
        assert!(left_out.is_empty());
    }

    #[test]
    fn what_has_no_room_is_left_out() {
        let Rendered { text, left_out } = table().render(plain(), Some(40));
        assert_eq!(left_out, ["OUTPUT"]);
        assert!(text.lines().all(|line| line.width() <= 40), "{text}");
        for room in 0..60 {
            let Rendered { text, .. } = table().render(plain(), Some(room));
            assert!(text.lines().all(|line| line.width() <= room.max(1)), "{room}: {text}");
        }
    }
}
