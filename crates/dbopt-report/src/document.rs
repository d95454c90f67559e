//! The document.

use dbopt_finding::Finding;

use crate::chart::Chart;

/// Blocks in reading order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// The blocks.
    pub blocks: Vec<Block>,
}

/// One block of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A heading; level 1 is the largest.
    Heading {
        /// 1 to 4.
        level: u8,
        /// Its text.
        text: Text,
    },
    /// Running text.
    Paragraph(Text),
    /// Short lines that belong together.
    List(Vec<Text>),
    /// A table.
    Table(Table),
    /// A chart.
    Chart(Chart),
    /// Text to paste somewhere, shown as it is.
    Code {
        /// `sql`, `text` and so on.
        language: &'static str,
        /// The text.
        text: String,
    },
    /// Findings on inputs.
    Findings(Vec<Finding>),
}

/// Text in runs of one style each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(pub Vec<Run>);

/// A run of text in one style.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The text.
    pub text: String,
    /// How it is shown.
    pub style: Style,
}

/// How a run is shown; a terminal without colour shows them all alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Style {
    /// As it is.
    #[default]
    Plain,
    /// Worth the first look.
    Strong,
    /// Worth a look only when needed.
    Dim,
    /// Better than before.
    Good,
    /// Worse, or wrong.
    Bad,
    /// A name or a piece of SQL within text.
    Code,
}

/// A table with a header row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Header texts.
    pub header: Vec<String>,
    /// Columns that are aligned to the right.
    pub right: Vec<usize>,
    /// Rows of as many cells as the header has.
    pub rows: Vec<Vec<Text>>,
}

impl Document {
    /// Appends a heading.
    pub fn heading(&mut self, level: u8, text: impl Into<Text>) -> &mut Self {
        self.push(Block::Heading { level, text: text.into() })
    }

    /// Appends a paragraph.
    pub fn paragraph(&mut self, text: impl Into<Text>) -> &mut Self {
        self.push(Block::Paragraph(text.into()))
    }

    /// Appends a list, unless it is empty.
    pub fn list(&mut self, items: Vec<Text>) -> &mut Self {
        if items.is_empty() { self } else { self.push(Block::List(items)) }
    }

    /// Appends a table, unless it has no rows.
    pub fn table(&mut self, table: Table) -> &mut Self {
        if table.rows.is_empty() { self } else { self.push(Block::Table(table)) }
    }

    /// Appends a chart, unless it has no columns.
    pub fn chart(&mut self, chart: Chart) -> &mut Self {
        if chart.columns.is_empty() { self } else { self.push(Block::Chart(chart)) }
    }

    /// Appends text to paste.
    pub fn code(&mut self, language: &'static str, text: impl Into<String>) -> &mut Self {
        self.push(Block::Code { language, text: text.into() })
    }

    /// Appends findings, unless there are none.
    pub fn findings(&mut self, findings: Vec<Finding>) -> &mut Self {
        if findings.is_empty() { self } else { self.push(Block::Findings(findings)) }
    }

    fn push(&mut self, block: Block) -> &mut Self {
        self.blocks.push(block);
        self
    }
}

impl Text {
    /// The same text with a further run.
    #[must_use]
    pub fn and(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push(Run { text: text.into(), style });
        self
    }

    /// One run of a style.
    #[must_use]
    pub fn styled(style: Style, text: impl Into<String>) -> Self {
        Self::default().and(style, text)
    }

    /// The text without its styles.
    #[must_use]
    pub fn plain(&self) -> String {
        self.0.iter().map(|run| run.text.as_str()).collect()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::styled(Style::Plain, text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::styled(Style::Plain, text)
    }
}

impl Table {
    /// A table with these headers.
    #[must_use]
    pub fn new(header: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same table with a column aligned to the right.
    #[must_use]
    pub fn right(mut self, column: usize) -> Self {
        self.right.push(column);
        self
    }

    /// The same table with a further row.
    #[must_use]
    pub fn row(mut self, cells: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.push(cells);
        self
    }

    /// Appends a row, with empty cells added or further cells left out to fit the header.
    pub fn push(&mut self, cells: impl IntoIterator<Item = impl Into<Text>>) {
        let mut row: Vec<Text> = cells.into_iter().map(Into::into).collect();
        row.resize(self.header.len(), Text::default());
        self.rows.push(row);
    }
}
