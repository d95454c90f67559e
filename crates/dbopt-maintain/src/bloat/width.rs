//! What a row takes, in a table and in an index.
//!
//! After `heap_form_tuple`, `index_form_tuple` and the rounds of the TOAST code
//! (<https://www.postgresql.org/docs/current/storage-page-layout.html>, <https://www.postgresql.org/docs/current/storage-toast.html>).

use crate::facts::Storage;

/// What the server aligns rows to.
pub(super) const ALIGN: u32 = 8;
/// A row's header before the bits that say which values are null.
const ROW_HEADER: u32 = 23;
/// An index entry's header.
const ENTRY_HEADER: u32 = 8;
/// What stands in a row for a value that was moved out.
const POINTER: u32 = 18;
/// Bytes of a value that one row of a TOAST table holds.
const CHUNK: u32 = 1996;

/// One value: its length as it is stored, and how it is placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub(super) bytes: u32,
    pub(super) length: i16,
    pub(super) align: u8,
    pub(super) storage: Storage,
}

impl Value {
    /// Where the data end when the value is put behind `offset`. A short value has a length of one byte and is not aligned.
    fn place(self, offset: u32) -> u32 {
        let is_short = self.length == -1 && self.storage != Storage::Plain && self.bytes <= 127;
        if is_short { offset + self.bytes } else { up(offset, u32::from(self.align.max(1))) + self.bytes }
    }

    fn can_move(self) -> bool {
        matches!(self.storage, Storage::External | Storage::Extended) && self.bytes > up(POINTER, ALIGN)
    }
}

/// A row, as it would be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Its length in the table.
    pub(super) bytes: u32,
    /// The lengths of the rows that its long values take in the TOAST table.
    pub(super) chunks: Vec<u32>,
}

/// A row of these values, null as none. Dropped columns are null in what is written anew.
pub(super) fn row(values: &[Option<Value>], target: u32) -> Row {
    let mut values = values.to_vec();
    let bitmap = if values.iter().any(Option::is_none) { (values.len() as u32).div_ceil(8) } else { 0 };
    let header = up(ROW_HEADER + bitmap, ALIGN);
    let mut chunks = Vec::new();
    loop {
        let data = values.iter().flatten().fold(0, |offset, value| value.place(offset));
        let largest = values.iter_mut().flatten().filter(|value| value.can_move()).max_by_key(|value| value.bytes);
        match largest {
            // The values are as they came out of the compression, which precedes this.
            Some(value) if header + data > target => {
                chunks.extend(chunk_rows(value.bytes));
                *value = Value { bytes: POINTER, length: -1, align: 1, storage: Storage::Main };
            }
            _ => return Row { bytes: header + data, chunks },
        }
    }
}

/// The rows of a TOAST table for a value of so many bytes: an identity, a number and a piece.
fn chunk_rows(bytes: u32) -> impl Iterator<Item = u32> {
    let piece = |bytes: u32| up(ROW_HEADER, ALIGN) + 8 + bytes + if bytes <= 126 { 1 } else { 4 };
    let (whole, rest) = (bytes / CHUNK, bytes % CHUNK);
    (0..whole).map(move |_| piece(CHUNK)).chain((rest > 0).then(|| piece(rest)))
}

/// An index entry of these values, null as none.
pub(super) fn entry(values: impl Iterator<Item = Option<Value>>) -> u32 {
    let (mut data, mut has_nulls) = (0, false);
    for value in values {
        match value {
            Some(value) => data = value.place(data),
            None => has_nulls = true,
        }
    }
    // The bits for nulls have room for all columns that an index may have.
    let header = if has_nulls { up(ENTRY_HEADER + 4, ALIGN) } else { ENTRY_HEADER };
    up(header + data, ALIGN)
}

/// The next multiple of `step`.
pub(super) fn up(bytes: u32, step: u32) -> u32 {
    bytes.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(bytes: u32) -> Option<Value> {
        Some(Value { bytes, length: bytes as i16, align: bytes as u8, storage: Storage::Plain })
    }

    fn text(bytes: u32) -> Option<Value> {
        Some(Value { bytes, length: -1, align: 4, storage: Storage::Extended })
    }

    #[test]
    fn values_are_aligned_and_short_texts_are_not() {
        let bytes = |values: &[Option<Value>]| row(values, 2032).bytes;
        assert_eq!(bytes(&[fixed(4), fixed(8), fixed(4)]), 24 + 20);
        assert_eq!(bytes(&[fixed(8), fixed(4), fixed(4)]), 24 + 16);
        assert_eq!(bytes(&[fixed(1), text(11)]), 24 + 12);
        assert_eq!(bytes(&[fixed(1), text(200)]), 24 + 204);
    }

    #[test]
    fn a_null_takes_a_bit_of_the_header() {
        assert_eq!(row(&[fixed(4), None], 2032).bytes, 24 + 4);
        assert_eq!(row(&[&[None][..], &[fixed(4); 8]].concat(), 2032).bytes, 32 + 32);
    }

    #[test]
    fn the_longest_values_are_moved_out_until_the_row_fits() {
        let moved = row(&[text(1500), text(400), text(1400)], 2032);
        assert_eq!(moved.bytes, 24 + 18 + 2 + 400 + 1400);
        assert_eq!(moved.chunks, [24 + 8 + 4 + 1500]);
        let huge = row(&[text(4000)], 2032);
        assert_eq!((huge.bytes, huge.chunks), (24 + 18, vec![2032, 2032, 24 + 8 + 1 + 8]));
        let plain = Value { bytes: 3000, length: -1, align: 4, storage: Storage::Main };
        assert_eq!(row(&[Some(plain)], 2032).bytes, 3024, "what may not be moved stays");
    }

    #[test]
    fn entries_of_indexes_are_aligned_as_a_whole() {
        assert_eq!(entry([fixed(4)].into_iter()), 16);
        assert_eq!(entry([fixed(4), fixed(8)].into_iter()), 24);
        assert_eq!(entry([fixed(4), None].into_iter()), 24);
        assert_eq!(entry([None].into_iter()), 16);
        assert_eq!(entry([text(30)].into_iter()), 40);
    }
}
