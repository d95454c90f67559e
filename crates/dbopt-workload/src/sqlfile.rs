//! A file of SQL statements: each statement is an execution of unknown duration.

use std::sync::Arc;

use dbopt_finding::Place;
use dbopt_sql::Skipped;

use crate::builder::Builder;
use crate::error::Error;
use crate::input::Blocks;
use crate::model::{InputCoverage, SourcePlace};
use crate::read;

/// The largest file that is read.
const LARGEST: usize = 256 << 20;

/// Reads a file of statements.
pub(crate) fn read(blocks: &mut Blocks, builder: &mut Builder, covered: &mut InputCoverage) -> Result<(), Error> {
    let text = read::whole(blocks, LARGEST).map_err(|source| Error::Read { name: covered.name.clone(), source })?;
    covered.bytes = text.len() as u64;
    covered.lines = memchr::memchr_iter(b'\n', &text).count() as u64;
    let text = String::from_utf8_lossy(&text);
    let file: Arc<str> = Arc::from(covered.name.as_str());
    let split = dbopt_sql::split(&text);
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    for span in split.statements {
        covered.records += 1;
        let line = lines.line(span.start);
        if !dbopt_sql::begins_command(&text[span.start..span.end]) {
            covered.skip("no SQL statement", 1, Some(Place::at(&*file, line, 1)));
            continue;
        }
        covered.recognised += 1;
        let place = SourcePlace { file: Arc::clone(&file), line };
        builder.statement(&text[span.start..span.end], place);
    }
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    for skipped in split.skipped {
        let (why, span) = match skipped {
            Skipped::MetaCommand(span) => ("psql command", span),
            Skipped::CopyData(span) => ("data of COPY", span),
        };
        covered.skip(why, 1, Some(Place::at(&*file, lines.line(span.start), 1)));
    }
    Ok(())
}

/// Counts lines as offsets grow.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    fn line(&mut self, at: usize) -> u64 {
        self.line += memchr::memchr_iter(b'\n', &self.text[self.at..at]).count() as u64;
        self.at = at;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use crate::{Input, InputKind, ReadOptions, read_inputs};

    #[test]
    fn statements_of_a_file_are_calls_of_unknown_duration() {
        let text =
            "\\set x 1\nselect * from t where id = 1;\n\nselect *\nfrom t where id = 2;\ninsert into t values (';');\n";
        let input = Input::bytes("q.sql", text).kind(InputKind::Sql);
        let workload = read_inputs(vec![input], &ReadOptions::default(), &|_| ControlFlow::Continue(()))
            .expect("the file is usable");
        assert_eq!(workload.classes.len(), 2);
        let select = &workload.classes[0];
        assert_eq!((select.calls, select.untimed_calls, select.text.as_str()), (2, 2, "select * from t where id = $1"));
        let mut lines: Vec<u64> = select.samples.iter().filter_map(|s| s.place.as_ref()).map(|p| p.line).collect();
        lines.sort_unstable();
        assert_eq!(lines, [2, 4]);
        assert_eq!(workload.coverage.inputs[0].skipped[0].why, "psql command");
    }

    #[test]
    fn what_begins_no_statement_is_reported_with_its_line() {
        let input = Input::bytes(
            "q.sql",
            "select * from t;

this is no SQL;
",
        )
        .kind(InputKind::Sql);
        let workload = read_inputs(vec![input], &ReadOptions::default(), &|_| ControlFlow::Continue(()))
            .expect("half of the file is usable");
        let covered = &workload.coverage.inputs[0];
        assert_eq!((covered.records, covered.recognised), (2, 1));
        assert_eq!(
            workload.findings[0].to_string(),
            "q.sql:3:1: 1 of 2 records were not understood: 1 no SQL statement"
        );
    }
}
