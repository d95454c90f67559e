//! Pages of a B-tree that is built anew.
//!
//! After `_bt_load` and `_bt_buildadd`: leaves are filled to the fill factor, inner pages to 70 %, a page's last entry moves to
//! the next and leaves its key behind, and equal keys are kept once with a list of their rows of up to a tenth of a page
//! (<https://www.postgresql.org/docs/current/btree.html#BTREE-DEDUPLICATION>).

use super::width::{ALIGN, up};

/// The page's header, the tail of a B-tree's page and the pointer to the key that bounds it.
const FIXED: i64 = 24 + 16 + 4;
const POINTER: i64 = 4;
/// A row's place in the table.
const PLACE: u32 = 6;
const INNER_FILLFACTOR: i64 = 70;

/// Equal keys: an entry's length, and in how many rows it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) bytes: u32,
    pub(super) rows: u32,
    /// How many such groups there are among those given, which need not be a whole number.
    pub(super) weight: f64,
}

/// How an index is built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Build {
    pub(super) fillfactor: u32,
    /// Whether equal keys are kept once.
    pub(super) is_deduplicated: bool,
    /// The mean length of a key in an inner page.
    pub(super) inner: u32,
    pub(super) page: u32,
}

/// How many pages an index of so many rows takes whose keys are distributed as these groups.
pub(super) fn pages(groups: &[Group], rows: f64, build: Build) -> u64 {
    /// So many rows show how entries fall onto pages.
    const ENOUGH: f64 = 100_000.0;
    let given: f64 = groups.iter().map(|group| group.weight * f64::from(group.rows)).sum();
    if rows < 0.5 || given <= 0.0 {
        return 1;
    }
    let scale = (rows / given).min((ENOUGH / given).max(1.0));
    let (mut leaf, mut simulated) = (Leaf::new(build), 0.0);
    for group in groups {
        // The part that is not whole is carried by rounding to the nearest; a group that would vanish counts as its bytes.
        let count = (group.weight * scale).round().max(1.0);
        for _ in 0..count as u64 {
            leaf.group(group, build);
        }
        simulated += count * f64::from(group.rows);
    }
    let leaves = (leaf.pages() * rows / simulated).ceil().max(1.0);
    // The level above, and that above it, up to a root; and the page that says where the root is.
    let room = i64::from(build.page) - FIXED;
    let spare = i64::from(build.page) * (100 - INNER_FILLFACTOR) / 100;
    let each = i64::from(build.inner) + POINTER;
    let per_page = ((room - POINTER - spare) / each).max(2) as f64;
    let (mut level, mut total) = (leaves, leaves + 1.0);
    while level > 1.0 {
        level = (level / per_page).ceil();
        total += level;
    }
    total as u64
}

/// The leaves, being filled.
struct Leaf {
    room: i64,
    spare: i64,
    longest: u32,
    full: u64,
    free: i64,
    count: u32,
    /// The last entry, and what of it is a list of rows, which the bounding key will not keep.
    last: (i64, i64),
}

impl Leaf {
    fn new(build: Build) -> Self {
        let page = i64::from(build.page);
        let room = page - FIXED;
        Self {
            room,
            spare: page * (100 - i64::from(build.fillfactor.clamp(10, 100))) / 100,
            longest: (build.page / 10) / ALIGN * ALIGN - POINTER as u32,
            full: 0,
            free: room,
            count: 0,
            last: (0, 0),
        }
    }

    fn group(&mut self, group: &Group, build: Build) {
        let together = self.longest.saturating_sub(group.bytes) / ALIGN * ALIGN / PLACE;
        if !build.is_deduplicated || together < 2 {
            for _ in 0..group.rows {
                self.add(group.bytes, 0);
            }
            return;
        }
        let mut left = group.rows;
        while left > 0 {
            let rows = left.min(together);
            let list = if rows == 1 { 0 } else { up(group.bytes + rows * PLACE, ALIGN) - group.bytes };
            self.add(group.bytes + list, list);
            left -= rows;
        }
    }

    fn add(&mut self, bytes: u32, list: u32) {
        let bytes = i64::from(bytes);
        let free = self.free - POINTER;
        let is_full = free < bytes + i64::from(ALIGN) || (free + self.last.1 < self.spare && self.count > 1);
        if self.count > 0 && is_full {
            self.full += 1;
            self.free = self.room - self.last.0 - POINTER;
            self.count = 1;
        }
        self.free -= bytes + POINTER;
        self.count += 1;
        self.last = (bytes, i64::from(list));
    }

    /// The pages so far, the last one for the part that is filled.
    fn pages(&self) -> f64 {
        let most = (self.room - self.spare) as f64;
        self.full as f64 + ((self.room - self.free) as f64 / most).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(fillfactor: u32, is_deduplicated: bool) -> Build {
        Build { fillfactor, is_deduplicated, inner: 16, page: 8192 }
    }

    fn check(rows: u32, bytes: u32, build: Build, count: f64) -> u64 {
        pages(&[Group { bytes, rows, weight: 1.0 }], f64::from(rows) * count, build)
    }

    #[test]
    fn unique_integers_are_as_the_server_writes_them() {
        // CREATE INDEX on 1,000,000 integers: 2,745 pages with 366 entries a leaf.
        assert_eq!(check(1, 16, build(90, false), 1_000_000.0), 2745);
        assert_eq!(check(1, 16, build(90, true), 1.0), 2);
        assert_eq!(pages(&[], 0.0, build(90, true)), 1, "an empty index has the page that says where the root is");
    }

    #[test]
    fn equal_keys_are_kept_once() {
        // CREATE INDEX on 1,000,000 times the same integer.
        let pages = check(1_000_000, 16, build(90, true), 1.0);
        assert!((840..=860).contains(&pages), "{pages}");
        assert_eq!(check(1, 16, build(90, true), 1e6), check(1, 16, build(90, false), 1e6));
    }

    #[test]
    fn leaves_are_filled_as_far_as_is_asked() {
        let (half, whole) = (check(1, 16, build(50, false), 1e6), check(1, 16, build(100, false), 1e6));
        assert!((1.95..2.05).contains(&(half as f64 / whole as f64)), "{half} {whole}");
    }
}
