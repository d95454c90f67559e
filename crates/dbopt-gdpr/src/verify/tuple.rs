//! Rows of binary `COPY` (<https://www.postgresql.org/docs/current/sql-copy.html>): two bytes with the number of fields, then each with
//! four bytes of length, -1 for NULL. The server sends a message for each row, the first one behind a header, and a last one of -1.

/// What stands at the beginning of all.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// A message without the header. None when there should be one and it is not.
pub(super) fn after_header(message: &[u8]) -> Option<&[u8]> {
    let rest = message.strip_prefix(SIGNATURE)?;
    let (_, rest) = rest.split_at_checked(4)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.get(usize::try_from(u32::from_be_bytes(*length)).ok()?..)
}

/// Whether it is the last message.
pub(super) fn is_end(message: &[u8]) -> bool {
    message == (-1i16).to_be_bytes()
}

/// The fields of a row. None when it is none.
pub(super) fn fields(message: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let (count, mut rest) = message.split_first_chunk::<2>()?;
    let count = usize::try_from(i16::from_be_bytes(*count)).ok()?;
    let mut fields = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<4>()?;
        match i32::from_be_bytes(*length) {
            -1 => {
                fields.push(None);
                rest = after;
            }
            length => {
                let (field, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
                fields.push(Some(field));
                rest = after;
            }
        }
    }
    rest.is_empty().then_some(fields)
}

/// A place of a row (`ctid`) as it is sent: block and line.
pub(super) fn place(field: &[u8]) -> Option<(u32, u16)> {
    let (block, line) = field.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*block), u16::from_be_bytes(line.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_row_is_its_fields() {
        let message = [SIGNATURE, &[0, 0, 0, 0, 0, 0, 0, 1, 9], b"\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0"].concat();
        let row = after_header(&message).expect("a header");
        assert_eq!(fields(row), Some(vec![Some(&b"ab"[..]), None, Some(b"")]));
        assert_eq!(place(&[0, 1, 0, 2, 0, 3]), Some((65_538, 3)));
        assert!(is_end(&[0xff, 0xff]) && after_header(row).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_are_trusted(message in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = (fields(&message), after_header(&message), place(&message));
        }
    }
}
