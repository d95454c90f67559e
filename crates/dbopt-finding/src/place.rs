//! Places in a text: byte spans, and the 1-based lines and columns that people read.

use serde::Serialize;

/// A half-open range of byte offsets in one text, `start <= end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
}

impl Span {
    /// The span from `start` to `end`; an end before the start is moved up to it.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }
}

/// A 1-based line and column. Columns count characters, not bytes; bytes that are not UTF-8 count one each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u32,
}

/// Where a finding stands: an input by its name as the user gave it, and as much of a position as is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// File name as given, or `<stdin>`.
    pub file: String,
    /// Line and column, when known.
    #[serde(flatten)]
    pub position: Option<Position>,
    /// The source line the position points into, when it may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
}

impl Place {
    /// A place that names a whole file.
    #[must_use]
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), position: None, snippet: None }
    }

    /// A place at a line and column of a file.
    #[must_use]
    pub fn at(file: impl Into<String>, line: u64, column: u32) -> Self {
        Self { file: file.into(), position: Some(Position { line, column }), snippet: None }
    }
}

/// Turns byte offsets of one text into positions.
#[derive(Clone, Debug)]
pub struct LineIndex<'a> {
    text: &'a [u8],
    /// Offset of the first byte of each line, ascending; the first is 0.
    starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    /// Indexes the line starts of `text`. A line ends with LF; a CR before it belongs to the line.
    #[must_use]
    pub fn new(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        let text = text.as_ref();
        let starts = std::iter::once(0)
            .chain(text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1))
            .collect();
        Self { text, starts }
    }

    /// The position of a byte offset; offsets past the end give the end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let before = &self.text[self.starts[line]..offset];
        let column = String::from_utf8_lossy(before).chars().count() + 1;
        Position { line: line as u64 + 1, column: u32::try_from(column).unwrap_or(u32::MAX) }
    }

    /// The text of the line that holds a byte offset, without its line end.
    #[must_use]
    pub fn line(&self, offset: usize) -> String {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        String::from_utf8_lossy(&self.text[self.starts[line]..end]).trim_end_matches('\r').to_owned()
    }

    /// The place of a byte offset in the file of this name, with its line as the snippet.
    #[must_use]
    pub fn place(&self, file: impl Into<String>, offset: usize) -> Place {
        Place { file: file.into(), position: Some(self.position(offset)), snippet: Some(self.line(offset)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_start_at_one() {
        let index = LineIndex::new("ab\ncd");
        assert_eq!(index.position(0), Position { line: 1, column: 1 });
        assert_eq!(index.position(2), Position { line: 1, column: 3 });
        assert_eq!(index.position(3), Position { line: 2, column: 1 });
        assert_eq!(index.position(99), Position { line: 2, column: 3 });
    }

    #[test]
    fn columns_count_characters() {
        let index = LineIndex::new("é=x");
        assert_eq!(index.position(2).column, 2);
        assert_eq!(LineIndex::new(&b"\xff\xfe="[..]).position(2).column, 3);
    }

    #[test]
    fn a_line_is_shown_without_its_end() {
        let index = LineIndex::new("one\r\ntwo\n");
        assert_eq!(index.line(1), "one");
        assert_eq!(index.line(5), "two");
        assert_eq!(index.line(9), "");
    }
}
