//! The terminal printer.

use std::fmt::Write;

use anstyle::{AnsiColor, Style as Ansi};
use comfy_table::{CellAlignment, ContentArrangement, presets};
use dbopt_finding::{Finding, Severity};

use crate::{
    chart::{self, Chart},
    document::{Block, Document, Run, Style, Table, Text},
    safe::controls,
};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether to use ANSI colours.
    pub color: bool,
    /// Columns of the terminal; tables are wrapped to it.
    pub width: u16,
}

/// The document as text for a terminal.
#[must_use]
pub fn print(document: &Document, options: &Options) -> String {
    let mut out = String::new();
    let mut after_heading = true;
    for block in &document.blocks {
        if !out.is_empty() && !after_heading {
            out.push('\n');
        }
        after_heading = false;
        match block {
            Block::Heading { level, text } => {
                after_heading = *level > 1;
                print_heading(&mut out, *level, text, options);
            }
            Block::Paragraph(text) => {
                let _ = writeln!(out, "{}", inline(text, options));
            }
            Block::List(items) => {
                for item in items {
                    let _ = writeln!(out, "  - {}", inline(item, options));
                }
            }
            Block::Table(table) => print_table(&mut out, table, options),
            Block::Chart(chart) => print_chart(&mut out, chart, options),
            Block::Code { text, .. } => {
                for line in controls(text.trim_end()).lines() {
                    let _ = writeln!(out, "    {line}");
                }
            }
            Block::Findings(findings) => {
                for finding in findings {
                    out.push_str(&print_finding(finding, options));
                }
            }
        }
    }
    out
}

/// One finding in the form of the field's command lines: severity, place, message, source line and help.
#[must_use]
pub fn print_finding(finding: &Finding, options: &Options) -> String {
    let style = match finding.severity {
        Severity::Error => AnsiColor::Red.on_default().bold(),
        Severity::Warning => AnsiColor::Yellow.on_default().bold(),
        Severity::Note => AnsiColor::Cyan.on_default().bold(),
    };
    let severity = paint(&finding.severity.to_string(), style, options);
    let mut out = format!("{severity}: {} [{}]\n", controls(&finding.to_string()), finding.code);
    if let Some(place) = &finding.place
        && let (Some(position), Some(snippet)) = (place.position, &place.snippet)
    {
        print_snippet(&mut out, position.line, position.column, snippet, options);
    }
    if let Some(help) = &finding.help {
        let _ = writeln!(out, "{}: {}", paint("hint", Ansi::new().bold(), options), controls(help));
    }
    out
}

/// The source line with a caret under the column; only the part around the column when the line is long.
fn print_snippet(out: &mut String, line: u64, column: u32, snippet: &str, options: &Options) {
    let width = usize::from(options.width.max(40)) - 14;
    let column = column.saturating_sub(1) as usize;
    let from = column.saturating_sub(width / 2);
    let cut: String = snippet.chars().skip(from).take(width).collect();
    let number = line.to_string();
    let bar = paint("|", Ansi::new().dimmed(), options);
    let _ = writeln!(out, "  {number} {bar} {}", controls(&cut).replace('\t', " "));
    let before: String = snippet.chars().skip(from).take(column - from).collect();
    let pad = " ".repeat(controls(&before).chars().count());
    let _ = writeln!(out, "  {} {bar} {pad}^", " ".repeat(number.len()));
}

fn print_heading(out: &mut String, level: u8, text: &Text, options: &Options) {
    let plain = controls(&text.plain()).into_owned();
    let style = if level == 1 { Ansi::new().bold().underline() } else { Ansi::new().bold() };
    let _ = writeln!(out, "{}", paint(&plain, style, options));
}

fn print_table(out: &mut String, table: &Table, options: &Options) {
    let mut drawn = comfy_table::Table::new();
    drawn.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    drawn.set_width(options.width.saturating_sub(2).max(40));
    drawn.set_header(table.header.iter().map(|cell| paint(&controls(cell), Ansi::new().underline(), options)));
    for row in &table.rows {
        drawn.add_row(row.iter().map(|cell| inline(cell, options)));
    }
    for at in &table.right {
        if let Some(column) = drawn.column_mut(*at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in drawn.to_string().lines() {
        let _ = writeln!(out, " {}", line.trim_end());
    }
}

/// How many lines a chart is high.
const CHART_HEIGHT: usize = 8;

fn print_chart(out: &mut String, chart: &Chart, options: &Options) {
    let legend = chart.series.iter().enumerate().map(|(at, series)| {
        let sign = paint(&chart::sign(at).to_string(), ansi(series.style), options);
        format!("  {sign} {}", controls(&series.name))
    });
    let _ = writeln!(out, "  {}{}", controls(&chart.title), legend.collect::<String>());
    let lines = chart::lines(chart, CHART_HEIGHT);
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (label, cells) in lines {
        // Neighbours of one series are painted together.
        let cells = cells.chunk_by(|one, next| one == next).map(|cells| match cells[0] {
            Some(at) => paint(&chart::sign(at).to_string().repeat(cells.len()), ansi(chart.series[at].style), options),
            None => " ".repeat(cells.len()),
        });
        let line = format!("  {label:>width$} │{}", cells.collect::<String>());
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let _ = writeln!(out, "  {:width$} └{}", "", "─".repeat(chart.columns.len()));
    let _ = writeln!(out, "  {:width$}  {}", "", controls(&chart::axis(chart)));
}

fn inline(text: &Text, options: &Options) -> String {
    text.0.iter().map(|run| inline_run(run, options)).collect()
}

fn inline_run(run: &Run, options: &Options) -> String {
    paint(&controls(&run.text), ansi(run.style), options)
}

fn ansi(style: Style) -> Ansi {
    match style {
        Style::Plain => Ansi::new(),
        Style::Strong => Ansi::new().bold(),
        Style::Dim => Ansi::new().dimmed(),
        Style::Good => AnsiColor::Green.on_default(),
        Style::Bad => AnsiColor::Red.on_default(),
        Style::Code => AnsiColor::Cyan.on_default(),
    }
}

fn paint(text: &str, style: Ansi, options: &Options) -> String {
    if options.color && style != Ansi::new() {
        format!("{}{text}{}", style.render(), style.render_reset())
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use dbopt_finding::Place;

    use super::*;

    const PLAIN: Options = Options { color: false, width: 80 };

    #[test]
    fn a_finding_shows_its_line_and_column() {
        let mut place = Place::at("a.log", 12, 5);
        place.snippet = Some("2024 oops".to_owned());
        let finding = Finding::error("bad-line", "no severity").at(place).help("check the prefix");
        insta::assert_snapshot!(print_finding(&finding, &PLAIN), @r"
        error: a.log:12:5: no severity [bad-line]
          12 | 2024 oops
             |     ^
        hint: check the prefix
        ");
    }

    #[test]
    fn tables_align_and_fit() {
        let mut document = Document::default();
        document.heading(2, "Sizes").table(
            Table::new(["index", "size"])
                .right(1)
                .row(["orders_pkey", "2 MB"])
                .row(["orders_customer_id_idx", "16 kB"]),
        );
        insta::assert_snapshot!(print(&document, &PLAIN), @r"
        Sizes
          index                    size
          orders_pkey              2 MB
          orders_customer_id_idx  16 kB
        ");
    }

    #[test]
    fn a_chart_is_drawn_in_signs() {
        let mut document = Document::default();
        let chart =
            Chart::new("requests", ["10:00", "10:01", "10:02"]).series("admitted", Style::Good, [4.0, 8.0, 2.0]);
        document.chart(chart.series("refused", Style::Bad, [0.0, 8.0, 0.0]));
        insta::assert_snapshot!(print(&document, &PLAIN), @r"
          requests  █ admitted  ░ refused
          16 │ ░
             │ ░
             │ ░
             │ ░
             │ █
             │ █
             │██
           0 │███
             └───
              10:00 10:02
        ");
    }

    #[test]
    fn colour_is_only_used_when_asked_for() {
        let mut document = Document::default();
        document.paragraph(Text::styled(Style::Good, "fine"));
        assert_eq!(print(&document, &PLAIN), "fine\n");
        assert!(print(&document, &Options { color: true, width: 80 }).contains("\x1b[32m"));
    }

    #[test]
    fn outside_text_cannot_colour_the_terminal() {
        let mut document = Document::default();
        document.paragraph("a\x1b[2Jb").code("text", "c\x07").table(Table::new(["x"]).row(["\x1b]0;t\x07"]));
        assert!(!print(&document, &PLAIN).contains(['\x1b', '\x07']));
    }
}
