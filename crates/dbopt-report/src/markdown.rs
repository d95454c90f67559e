//! The Markdown printer (GitHub's flavour, for tables).

use std::fmt::Write;

use crate::{
    document::{Block, Document, Style, Table, Text},
    safe::controls,
    terminal,
};

/// The document as Markdown, with outside text escaped.
#[must_use]
pub fn print(document: &Document) -> String {
    let mut out = String::new();
    for block in &document.blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        match block {
            Block::Heading { level, text } => {
                let _ = writeln!(out, "{} {}", "#".repeat(usize::from((*level).clamp(1, 6))), inline(text));
            }
            Block::Paragraph(text) => {
                let _ = writeln!(out, "{}", inline(text));
            }
            Block::List(items) => {
                for item in items {
                    let _ = writeln!(out, "- {}", inline(item));
                }
            }
            Block::Table(table) => print_table(&mut out, table),
            Block::Chart(chart) => {
                // Signs without colour, as a terminal shows them.
                let mut alone = Document::default();
                alone.chart(chart.clone());
                let drawn = terminal::print(&alone, &terminal::Options { color: false, width: 120 });
                let _ = writeln!(out, "```text\n{}\n```", drawn.trim_end().replace('`', "'"));
            }
            Block::Code { language, text } => {
                let fence = "`".repeat(longest_run(text).max(2) + 1);
                let _ = writeln!(out, "{fence}{language}\n{}\n{fence}", controls(text.trim_end()));
            }
            Block::Findings(findings) => {
                for finding in findings {
                    let _ = write!(out, "- **{}** {}", finding.severity, escape(&finding.to_string()));
                    if let Some(help) = &finding.help {
                        let _ = write!(out, " — {}", escape(help));
                    }
                    out.push('\n');
                }
            }
        }
    }
    out
}

fn print_table(out: &mut String, table: &Table) {
    let cells: Vec<String> = table.header.iter().map(|cell| escape(cell)).collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
    let rules: Vec<&str> =
        (0..table.header.len()).map(|at| if table.right.contains(&at) { "---:" } else { "---" }).collect();
    let _ = writeln!(out, "| {} |", rules.join(" | "));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| inline(cell).replace('\n', "<br>")).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
}

fn inline(text: &Text) -> String {
    let mut out = String::new();
    for run in &merged(text).0 {
        match run.style {
            Style::Strong => {
                let _ = write!(out, "**{}**", escape(&run.text));
            }
            Style::Code if run.text.contains(['\n', '|']) => out.push_str(&escape(&run.text)),
            Style::Code => {
                let fence = "`".repeat(longest_run(&run.text) + 1);
                let pad = if fence.len() > 1 { " " } else { "" };
                let _ = write!(out, "{fence}{pad}{}{pad}{fence}", controls(&run.text));
            }
            Style::Plain | Style::Dim | Style::Good | Style::Bad => out.push_str(&escape(&run.text)),
        }
    }
    out
}

/// The text with neighbours of one style as one run: `**a****b**` would not be read as two.
fn merged(text: &Text) -> Text {
    let mut merged = Text::default();
    for run in &text.0 {
        match merged.0.last_mut() {
            Some(last) if last.style == run.style => last.text.push_str(&run.text),
            _ => merged.0.push(run.clone()),
        }
    }
    merged
}

/// Escapes what Markdown would read as markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in controls(text).chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// Length of the longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use dbopt_finding::Finding;

    use super::*;

    #[test]
    fn blocks_are_written_in_order() {
        let mut document = Document::default();
        document
            .heading(2, "Read")
            .paragraph(Text::from("see ").and(Style::Code, "a_b").and(Style::Plain, " or a_b"))
            .table(Table::new(["table", "rows"]).right(1).row(["a|b", "12"]))
            .code("sql", "SELECT 1;\n")
            .findings(vec![Finding::warning("x", "odd line").help("look at it")]);
        insta::assert_snapshot!(print(&document), @r"
        ## Read

        see `a_b` or a\_b

        | table | rows |
        | --- | ---: |
        | a\|b | 12 |

        ```sql
        SELECT 1;
        ```

        - **warning** odd line — look at it
        ");
    }

    #[test]
    fn neighbours_of_one_style_are_one() {
        let mut document = Document::default();
        document.paragraph(Text::styled(Style::Strong, "a").and(Style::Strong, "b").and(Style::Plain, " c"));
        assert_eq!(print(&document), "**ab** c\n");
    }

    #[test]
    fn code_cannot_end_its_own_fence() {
        let mut document = Document::default();
        document.code("text", "a\n```\nb");
        assert!(print(&document).starts_with("````text\n"));
    }
}
