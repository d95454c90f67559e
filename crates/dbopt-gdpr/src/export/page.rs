//! The page for people: what is in the package, in plain words.
//!
//! One file without scripts or anything from elsewhere, so that it opens anywhere, prints, and tells nobody that it was opened. All
//! that comes from the database or the policy is escaped, and kept from changing the direction of the text around it (`bdi`).

use std::fmt::{self, Display, Write as _};

use super::manifest::{Column, Manifest, Purpose, Table};

/// Text as HTML.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<bdi>")?;
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // No character of HTML, other than white space.
                c if c.is_control() && !matches!(c, '\n' | '\t') => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        f.write_str("</bdi>")
    }
}

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;\
background:#fff}table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}caption{text-align:left;font-weight:600;\
padding:.25rem 0}th,td{border:1px solid #767676;padding:.3rem .5rem;text-align:left;vertical-align:top;\
overflow-wrap:anywhere}th{background:#f0f0f0}section{break-inside:avoid-page}@media print{body{margin:0;max-width:none}\
thead{display:table-header-group}tr{break-inside:avoid}}";

/// The page of a package.
pub(super) fn page(manifest: &Manifest) -> Result<String, fmt::Error> {
    let mut out = String::new();
    let title = match manifest.article {
        20 => "Your data, to take elsewhere",
        _ => "Your data",
    };
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    )?;
    introduction(manifest, &mut out)?;
    contents(manifest, &mut out)?;
    purposes(&manifest.purposes, &mut out)?;
    out.push_str("<h2>The tables</h2>\n");
    for (at, table) in manifest.tables.iter().enumerate() {
        self::table(at, table, &mut out)?;
    }
    missing(manifest, &mut out)?;
    out.push_str(FORMS);
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(out)
}

fn introduction(manifest: &Manifest, out: &mut String) -> fmt::Result {
    let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
    let what = match manifest.article {
        20 => {
            "the data that you provided, as Article 20 of the General Data Protection Regulation gives you a right to"
        }
        _ => "the data about you, as Article 15 of the General Data Protection Regulation gives you a right to",
    };
    writeln!(
        out,
        "<p>This package has {what}. It is dated <time>{}</time> and has {rows} rows of {} tables. Below is what each of them \
         is; the data itself is in the files beside this page.</p>",
        Text(&manifest.as_of),
        manifest.tables.len()
    )?;
    out.push_str(
        "<p>You may ask for data to be put right or erased, ask that it is processed no more or less, object to that, and complain \
         to a supervisory authority.</p>\n",
    );
    Ok(())
}

fn contents(manifest: &Manifest, out: &mut String) -> fmt::Result {
    out.push_str(
        "<h2>What there is</h2>\n<table>\n<caption>Tables and their files</caption>\n<thead><tr><th scope=\"col\">Table</th>\
         <th scope=\"col\">Rows</th><th scope=\"col\">Files</th></tr></thead>\n<tbody>\n",
    );
    for (at, table) in manifest.tables.iter().enumerate() {
        writeln!(
            out,
            "<tr><th scope=\"row\"><a href=\"#t{at}\">{}</a></th><td>{}</td><td><a href=\"{csv}\">CSV</a>, \
             <a href=\"{json}\">JSON Lines</a></td></tr>",
            Text(&format!("{}.{}", table.schema, table.name)),
            table.rows,
            csv = table.csv,
            json = table.json
        )?;
    }
    out.push_str("</tbody>\n</table>\n");
    let objects: Vec<_> = manifest.files.iter().filter(|file| file.name.contains(".objects/")).collect();
    if !objects.is_empty() {
        out.push_str("<h3>Large objects</h3>\n<ul>\n");
        for object in objects {
            writeln!(out, "<li><a href=\"{0}\">{0}</a>, {1} bytes</li>", object.name, object.size)?;
        }
        out.push_str("</ul>\n");
    }
    Ok(())
}

fn purposes(purposes: &[Purpose], out: &mut String) -> fmt::Result {
    out.push_str("<h2>What the data is for</h2>\n");
    if purposes.is_empty() {
        out.push_str("<p>No purpose is written down for these tables.</p>\n");
        return Ok(());
    }
    let list = |all: &[String]| -> String {
        if all.is_empty() {
            return "nobody".to_owned();
        }
        all.iter().map(|one| Text(one).to_string()).collect::<Vec<_>>().join("; ")
    };
    for purpose in purposes {
        writeln!(out, "<h3>{}</h3>\n<p>{}</p>\n<ul>", Text(&purpose.name), Text(&purpose.about))?;
        writeln!(out, "<li>Legal basis: {}</li>", basis(&purpose.basis))?;
        writeln!(out, "<li>Given to: {}</li>", list(&purpose.recipients))?;
        writeln!(out, "<li>Given outside of the European Union to: {}</li>", list(&purpose.transfers))?;
        if let Some(retention) = &purpose.retention {
            writeln!(out, "<li>Kept for: {}</li>", Text(retention))?;
        }
        out.push_str("</ul>\n");
    }
    Ok(())
}

fn basis(name: &str) -> &str {
    match name {
        "consent" => "your consent (Article 6(1)(a))",
        "contract" => "a contract with you (Article 6(1)(b))",
        "legal-obligation" => "a legal obligation (Article 6(1)(c))",
        "vital-interests" => "vital interests (Article 6(1)(d))",
        "public-task" => "a task in the public interest (Article 6(1)(e))",
        _ => "legitimate interests (Article 6(1)(f))",
    }
}

fn table(at: usize, table: &Table, out: &mut String) -> fmt::Result {
    let name = format!("{}.{}", table.schema, table.name);
    writeln!(out, "<section id=\"t{at}\" aria-labelledby=\"h{at}\">\n<h3 id=\"h{at}\">{}</h3>", Text(&name))?;
    for text in table.about.iter().chain(&table.comment) {
        writeln!(out, "<p>{}</p>", Text(text))?;
    }
    out.push_str("<ul>\n");
    writeln!(out, "<li>Rows: {}</li>", table.rows)?;
    if table.shared > 0 {
        writeln!(out, "<li>Of these also somebody else's: {}</li>", table.shared)?;
    }
    if table.others > 0 {
        writeln!(out, "<li>Of these written by others about you: {}</li>", table.others)?;
    }
    if let Some(purpose) = &table.purpose {
        writeln!(out, "<li>For: {}</li>", Text(purpose))?;
    }
    if let Some(retention) = &table.retention {
        writeln!(out, "<li>How long it stays: {}</li>", Text(retention))?;
    }
    writeln!(
        out,
        "</ul>\n<table>\n<caption>Columns of {}</caption>\n<thead><tr><th scope=\"col\">Column</th><th scope=\"col\">What it \
         is</th><th scope=\"col\">Type</th></tr></thead>\n<tbody>",
        Text(&name)
    )?;
    for column in &table.columns {
        self::column(column, out)?;
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
    Ok(())
}

fn column(column: &Column, out: &mut String) -> fmt::Result {
    write!(out, "<tr><th scope=\"row\">{}</th><td>", Text(&column.name))?;
    let mut said: Vec<String> = column.about.iter().chain(&column.comment).map(|text| Text(text).to_string()).collect();
    if let Some(purpose) = &column.purpose {
        said.push(format!("For: {}.", Text(purpose)));
    }
    if column.provided == Some(false) {
        said.push("You did not give it yourself.".to_owned());
    }
    if let Some(retention) = &column.retention {
        said.push(format!("How long it stays: {}.", Text(retention)));
    }
    writeln!(out, "{}</td><td>{}</td></tr>", said.join("<br>"), Text(&column.kind))
}

fn missing(manifest: &Manifest, out: &mut String) -> fmt::Result {
    out.push_str("<h2>What is not in this package</h2>\n<ul>\n");
    for missing in &manifest.missing {
        out.push_str("<li>");
        if let Some(table) = &missing.table {
            write!(out, "{}", Text(table))?;
            if let Some(column) = &missing.column {
                write!(out, ", column {}", Text(column))?;
            }
            if let Some(rows) = missing.rows {
                write!(out, " ({rows} {})", if rows == 1 { "row" } else { "rows" })?;
            }
            out.push_str(": ");
        }
        writeln!(out, "{}</li>", Text(&missing.why))?;
    }
    out.push_str("</ul>\n");
    Ok(())
}

const FORMS: &str = "<h2>How to read the files</h2>
<p>Each table is there twice with the same rows. A CSV file opens in a spreadsheet: the first line has the names of the columns, a field
without quotation marks is empty because there is no value, and a text that a spreadsheet would take for a formula has an
apostrophe before it. A file of JSON Lines has an object for each row, exactly as it is stored. Times are in UTC; bytes are
written as <code>\\x</code> and hexadecimal digits. <code>manifest.json</code> says the same as this page for programs, with a SHA-256
of each file.</p>
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_foreign_is_escaped_and_cannot_turn_the_text() {
        let text = Text("<script>\"'&\u{0}\u{7f}\u{202e}").to_string();
        assert_eq!(text, "<bdi>&lt;script&gt;&quot;&#39;&amp;\u{fffd}\u{fffd}\u{202e}</bdi>");
    }
}
