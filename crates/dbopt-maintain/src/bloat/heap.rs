//! Pages of a table that is written anew.
//!
//! Rows go onto the last page one after the other, as `raw_heap_insert` of VACUUM FULL does it.

use super::width::{ALIGN, up};

/// A page's header, and the pointer to each row.
const PAGE_HEADER: u32 = 24;
const POINTER: u32 = 4;

/// How many pages rows of these lengths fill; the last one counts for the part that is filled, as further rows of the same
/// kind would follow.
pub(super) fn pages(rows: impl Iterator<Item = u32>, fillfactor: u32, page: u32) -> f64 {
    let room = page - PAGE_HEADER;
    let spare = page * (100 - fillfactor.clamp(10, 100)) / 100;
    let (mut full, mut filled, mut used, mut count) = (0_u64, 0_u64, 0_u32, 0_u32);
    for bytes in rows {
        let needed = up(bytes, ALIGN);
        if count > 0 && used + needed + POINTER + spare > room {
            full += 1;
            filled += u64::from(used);
            (used, count) = (0, 0);
        }
        used += needed + POINTER;
        count += 1;
    }
    // How full pages become: as full as those before, or, of a first page, as full as they may.
    let usual = if full > 0 { filled as f64 / full as f64 } else { f64::from(room - spare) };
    full as f64 + (f64::from(used) / usual).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fill_pages() {
        // 8,168 bytes hold 226 rows of 32 + 4 bytes.
        assert_eq!(pages(std::iter::repeat_n(28, 226 * 10), 100, 8192).ceil(), 10.0);
        assert!(pages(std::iter::repeat_n(28, 226 * 10 + 1), 100, 8192) > 10.0);
        // Rows of more than half a page waste the rest of it.
        assert_eq!(pages(std::iter::repeat_n(4200, 10), 100, 8192), 10.0);
        assert_eq!(pages(std::iter::empty(), 100, 8192), 0.0);
    }

    #[test]
    fn a_part_of_the_page_is_left_free() {
        let half = pages(std::iter::repeat_n(28, 10_000), 50, 8192);
        let whole = pages(std::iter::repeat_n(28, 10_000), 100, 8192);
        assert!((1.95..2.05).contains(&(half / whole)), "{half} {whole}");
    }
}
