//! A file of SQL statements: each statement is an execution of unknown duration.

use std::sync::Arc;

use crate::builder::Builder;
use crate::error::Error;
use crate::input::Blocks;
use crate::model::{InputCoverage, SourcePlace};
use crate::{read, sql};

/// The largest file that is read.
const LARGEST: usize = 256 << 20;

/// Reads a file of statements.
pub(crate) fn read(blocks: &mut Blocks, builder: &mut Builder, covered: &mut InputCoverage) -> Result<(), Error> {
    let text = read::whole(blocks, LARGEST).map_err(|source| Error::Read { name: covered.name.clone(), source })?;
    covered.bytes = text.len() as u64;
    covered.lines = memchr::memchr_iter(b'\n', &text).count() as u64;
    let file: Arc<str> = Arc::from(covered.name.as_str());
    let mut line = 1;
    let mut counted = 0;
    for (start, end) in sql::split(&text) {
        line += memchr::memchr_iter(b'\n', &text[counted..start]).count() as u64;
        counted = start;
        covered.records += 1;
        covered.recognised += 1;
        let statement = String::from_utf8_lossy(&text[start..end]);
        builder.statement(&statement, SourcePlace { file: Arc::clone(&file), line });
    }
    Ok(())
}
