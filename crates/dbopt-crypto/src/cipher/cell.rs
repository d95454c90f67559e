//! Where a value belongs: what it is bound to besides its key.

use smallvec::SmallVec;

/// A cell of a table. A value that was sealed for one does not open in another.
///
/// Names are hashed as they are given: write them always in one way, such as `public.customer`. The row key is the
/// text of the primary key's columns, in their order, as PostgreSQL prints them; it has to be known before the row is
/// inserted, and a row whose key changes has to be sealed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    table: &'a str,
    column: &'a str,
    row: &'a [&'a str],
}

/// Bytes on the stack for what is authenticated besides the value; longer ones are on the heap.
pub(crate) type Associated = SmallVec<[u8; 128]>;

impl<'a> Cell<'a> {
    /// The cell of a table's column in a row.
    #[must_use]
    pub const fn new(table: &'a str, column: &'a str, row: &'a [&'a str]) -> Self {
        Self { table, column, row }
    }

    /// The bytes that are authenticated besides the value: the envelope's header, then table, column and the parts of the
    /// row key, each with its length as 32 bits, big-endian, so that no two cells have the same bytes.
    ///
    /// None when a part is longer than 4 GiB.
    pub(crate) fn associated(&self, header: &[u8]) -> Option<Associated> {
        let texts = || [self.table, self.column].into_iter().chain(self.row.iter().copied());
        let count = u32::try_from(self.row.len()).ok()?;
        let mut length = header.len() + size_of_val(&count);
        for text in texts() {
            length = length.checked_add(size_of_val(&count) + u32::try_from(text.len()).ok()? as usize)?;
        }
        // All room at once, since this is done for each value.
        let mut bytes = Associated::from_elem(0, length);
        let mut rest = &mut bytes[..];
        let mut put = |part: &[u8]| {
            let (here, after) = std::mem::take(&mut rest).split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = after;
        };
        put(header);
        put(&count.to_be_bytes());
        for text in texts() {
            put(&u32::try_from(text.len()).ok()?.to_be_bytes());
            put(text.as_bytes());
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Different cells have different bytes, whatever is in their names.
        #[test]
        fn cells_are_told_apart(
            a in (".{0,4}", ".{0,4}", prop::collection::vec(".{0,3}", 0..3)),
            b in (".{0,4}", ".{0,4}", prop::collection::vec(".{0,3}", 0..3)),
        ) {
            let bytes = |(table, column, row): &(String, String, Vec<String>)| {
                let row: Vec<_> = row.iter().map(String::as_str).collect();
                Cell::new(table, column, &row).associated(&[1, 2]).expect("short")
            };
            prop_assert_eq!(a == b, bytes(&a) == bytes(&b));
        }
    }
}
