//! The HTML printer: one file that loads nothing, and may be opened wherever it came from.

use std::fmt::Write;

use crate::{
    chart::Chart,
    document::{Block, Document, Style, Table, Text},
    number,
    safe::controls,
};

/// The document as one HTML file without scripts, with outside text escaped. A policy in it forbids browsers to load or run anything.
#[must_use]
pub fn print(document: &Document) -> String {
    let title = document.blocks.iter().find_map(|block| match block {
        Block::Heading { level: 1, text } => Some(text.plain()),
        _ => None,
    });
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(title.as_deref().unwrap_or("dbopt"))
    );
    for block in &document.blocks {
        print_block(&mut out, block);
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn print_block(out: &mut String, block: &Block) {
    match block {
        Block::Heading { level, text } => {
            let level = (*level).clamp(1, 6);
            let _ = writeln!(out, "<h{level}>{}</h{level}>", inline(text));
        }
        Block::Paragraph(text) => {
            let _ = writeln!(out, "<p>{}</p>", inline(text));
        }
        Block::List(items) => {
            out.push_str("<ul>\n");
            for item in items {
                let _ = writeln!(out, "<li>{}</li>", inline(item));
            }
            out.push_str("</ul>\n");
        }
        Block::Table(table) => print_table(out, table),
        Block::Chart(chart) => print_chart(out, chart),
        Block::Code { text, .. } => {
            let _ = writeln!(out, "<pre><code>{}</code></pre>", escape(text.trim_end()));
        }
        Block::Findings(findings) => {
            out.push_str("<ul>\n");
            for finding in findings {
                let _ = write!(out, "<li><strong>{}</strong> {}", finding.severity, escape(&finding.to_string()));
                if let Some(help) = &finding.help {
                    let _ = write!(out, "<br><span class=\"dim\">{}</span>", escape(help));
                }
                out.push_str("</li>\n");
            }
            out.push_str("</ul>\n");
        }
    }
}

fn print_table(out: &mut String, table: &Table) {
    let class = |at: usize| if table.right.contains(&at) { " class=\"right\"" } else { "" };
    out.push_str("<table>\n<thead><tr>");
    for (at, cell) in table.header.iter().enumerate() {
        let _ = write!(out, "<th{}>{}</th>", class(at), escape(cell));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{}</td>", class(at), inline(cell).replace('\n', "<br>"));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n");
}

/// A figure of bars, each of which says its numbers when it is pointed at.
fn print_chart(out: &mut String, chart: &Chart) {
    const WIDTH: f64 = 960.0;
    const HEIGHT: f64 = 220.0;
    let most = chart.most();
    let step = WIDTH / chart.columns.len().max(1) as f64;
    let _ = writeln!(
        out,
        "<figure>\n<figcaption>{}{}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(&chart.title),
        legend(chart),
        escape(&chart.title)
    );
    for (column, name) in chart.columns.iter().enumerate() {
        let amounts: Vec<String> = chart
            .series
            .iter()
            .map(|series| format!("{} {}", number::count(series.values[column]), series.name))
            .collect();
        let _ = write!(out, "<g><title>{}: {}</title>", escape(name), escape(&amounts.join(", ")));
        let mut top = HEIGHT;
        for (at, series) in chart.series.iter().enumerate() {
            let value = series.values[column];
            if value > 0.0 && most > 0.0 {
                // What is not nothing is seen.
                let height = (value / most * HEIGHT).max(1.0);
                top -= height;
                let _ = write!(
                    out,
                    "<rect class=\"{}\" x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\"/>",
                    fill(series.style, at),
                    column as f64 * step,
                    top.max(0.0),
                    (step * 0.9).max(0.5)
                );
            }
        }
        out.push_str("</g>\n");
    }
    let ends = |name: Option<&String>| name.map_or(String::new(), |name| escape(name));
    let _ = writeln!(
        out,
        "</svg>\n<div class=\"axis\"><span>{}</span><span>at most {}</span><span>{}</span></div>\n</figure>",
        ends(chart.columns.first()),
        number::count(most),
        ends(chart.columns.last())
    );
}

fn legend(chart: &Chart) -> String {
    let entry = |(at, series): (usize, &crate::chart::Series)| {
        format!(" <span class=\"key {}\"></span> {}", fill(series.style, at), escape(&series.name))
    };
    chart.series.iter().enumerate().map(entry).collect()
}

fn fill(style: Style, at: usize) -> &'static str {
    match (style, at) {
        (Style::Good, _) => "fill-good",
        (Style::Bad, _) => "fill-bad",
        (Style::Dim, _) => "fill-dim",
        _ => "fill-plain",
    }
}

fn inline(text: &Text) -> String {
    let mut out = String::new();
    for run in &text.0 {
        let text = escape(&run.text);
        let _ = match run.style {
            Style::Plain => write!(out, "{text}"),
            Style::Strong => write!(out, "<strong>{text}</strong>"),
            Style::Code => write!(out, "<code>{text}</code>"),
            Style::Dim => write!(out, "<span class=\"dim\">{text}</span>"),
            Style::Good => write!(out, "<span class=\"good\">{text}</span>"),
            Style::Bad => write!(out, "<span class=\"bad\">{text}</span>"),
        };
    }
    out
}

/// Escapes what HTML would read as markup, in text and in quoted attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in controls(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c2024; background: #fff; }
h1, h2, h3 { line-height: 1.2; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
.right { text-align: right; }
code, pre { font-family: ui-monospace, monospace; font-size: .92em; }
pre { overflow-x: auto; padding: .75rem; background: #8881; }
figure { margin: 1rem 0; }
svg { width: 100%; height: auto; border-bottom: 1px solid #8888; }
.axis { display: flex; justify-content: space-between; color: #60646c; }
.key { display: inline-block; width: .8em; height: .8em; margin-left: .8em; }
.dim { color: #60646c; } .good { color: #18794e; } .bad { color: #c62a2f; }
.fill-plain { fill: #5b8def; background: #5b8def; } .fill-good { fill: #30a46c; background: #30a46c; }
.fill-bad { fill: #e5484d; background: #e5484d; } .fill-dim { fill: #b0b4ba; background: #b0b4ba; }
@media (prefers-color-scheme: dark) { body { color: #edeef0; background: #111113; } .dim, .axis { color: #b0b4ba; } .good { color: #3dd68c; } .bad { color: #ff9592; } }
";

#[cfg(test)]
mod tests {
    use dbopt_finding::Finding;

    use super::*;

    #[test]
    fn every_block_is_written_and_escaped() {
        let mut document = Document::default();
        document
            .heading(1, "A & B")
            .paragraph(Text::from("see ").and(Style::Code, "<script>").and(Style::Bad, "\x1b"))
            .list(vec![Text::from("one")])
            .table(Table::new(["a\"b", "n"]).right(1).row(["<td>", "1"]))
            .chart(Chart::new("per 'minute'", ["00:00", "<01>"]).series("in", Style::Good, [1.0, 3.0]))
            .code("sql", "SELECT '<' ;")
            .findings(vec![Finding::warning("x", "odd <line>").help("look")]);
        let html = print(&document);
        assert!(html.starts_with("<!doctype html>") && html.contains("<title>A &amp; B</title>"));
        for part in [
            "<p>see <code>&lt;script&gt;</code><span class=\"bad\">\\u{1b}</span></p>",
            "<li>one</li>",
            "<th>a&quot;b</th><th class=\"right\">n</th>",
            "<td>&lt;td&gt;</td><td class=\"right\">1</td>",
            "<title>&lt;01&gt;: 3 in</title><rect class=\"fill-good\"",
            "<pre><code>SELECT &#39;&lt;&#39; ;</code></pre>",
            "<strong>warning</strong> odd &lt;line&gt;",
        ] {
            assert!(html.contains(part), "{part}\n{html}");
        }
        assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("https://"));
    }
}
