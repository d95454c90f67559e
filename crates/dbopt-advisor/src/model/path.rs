//! Ways to get the rows of a set of relations, and which of them are worth keeping (`pathnode.c`).

use std::{cmp::Ordering, sync::Arc};

/// A set of relations of one block, by bit.
pub(crate) type Mask = u64;

/// One key of an order: what is ordered by, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathKey {
    /// Number of the expression among those that orders matter for.
    pub(crate) id: usize,
    /// `DESC`.
    pub(crate) descending: bool,
    /// `NULLS FIRST`.
    pub(crate) nulls_first: bool,
}

/// What a path does, for labels and for the indexes used.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// This step in short, such as `Hash Join`.
    pub(crate) label: Label,
    /// Steps below, in order.
    pub(crate) children: Vec<Arc<Node>>,
}

/// A step in short. Text is made only when it is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Label {
    /// A fixed text.
    Fixed(&'static str),
    /// A scan of a relation with the name given.
    Scan(&'static str, Arc<str>),
    /// A scan of an index, by its number in the list of all indexes.
    Index(&'static str, Arc<str>, usize),
}

impl Node {
    pub(crate) fn new(label: Label, children: Vec<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { label, children })
    }
}

/// A way to get rows.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// Cost before the first row.
    pub(crate) startup: f64,
    /// Cost of all rows.
    pub(crate) total: f64,
    /// Rows, of one worker when it is partial.
    pub(crate) rows: f64,
    /// The order of the rows.
    pub(crate) order: Arc<[PathKey]>,
    /// Relations whose current row this path depends on.
    pub(crate) outer: Mask,
    /// Workers for which this path is one's share; 0 when it yields all rows.
    pub(crate) workers: u32,
    /// Cost of another scan with the same outer row: before the first row, and in all.
    pub(crate) rescan: (f64, f64),
    /// Whether the path can go back to a marked row, which a merge join's inner side must.
    pub(crate) marks: bool,
    /// What it does.
    pub(crate) node: Arc<Node>,
}

impl Path {
    /// A path whose rescans cost the same as its first scan.
    pub(crate) fn new(startup: f64, total: f64, rows: f64, node: Arc<Node>) -> Self {
        // A cost that is not a number must not win any comparison.
        let finite = |cost: f64| if cost.is_finite() { cost.max(0.0) } else { 1e100 };
        let (startup, total) = (finite(startup), finite(total).max(finite(startup)));
        Self {
            startup,
            total,
            rows,
            order: Arc::from([]),
            outer: 0,
            workers: 0,
            rescan: (startup, total),
            marks: false,
            node,
        }
    }

    /// The same with an order.
    pub(crate) fn ordered(mut self, order: Arc<[PathKey]>) -> Self {
        self.order = order;
        self
    }

    /// The same, depending on outer rows.
    pub(crate) fn with_outer(mut self, outer: Mask) -> Self {
        self.outer = outer;
        self
    }

    /// Whether the rows come in this order, at least.
    pub(crate) fn is_sorted_by(&self, keys: &[PathKey]) -> bool {
        self.order.len() >= keys.len() && self.order[..keys.len()] == *keys
    }

    /// How many leading keys of this order the rows have.
    pub(crate) fn presorted(&self, keys: &[PathKey]) -> usize {
        self.order.iter().zip(keys).take_while(|(a, b)| a == b).count()
    }

    /// Cost of the first `rows` rows.
    pub(crate) fn cost_of(&self, rows: f64) -> f64 {
        if self.rows <= 0.0 || rows >= self.rows {
            self.total
        } else {
            self.startup + (self.total - self.startup) * (rows / self.rows)
        }
    }
}

/// The paths of one set of relations that are worth keeping.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    /// Complete paths, cheapest total first.
    pub(crate) list: Vec<Path>,
    /// One worker's share, cheapest total first.
    pub(crate) partial: Vec<Path>,
}

/// `STD_FUZZ_FACTOR`: costs closer than 1 % are the same.
const FUZZ: f64 = 1.01;
/// Paths kept of each kind; the cheapest stay.
const MOST: usize = 24;

impl Paths {
    /// Keeps a path unless another is as good in every respect (`add_path`).
    pub(crate) fn add(&mut self, path: Path, startup_matters: bool) {
        if path.workers > 0 {
            keep(&mut self.partial, path, false);
        } else {
            keep(&mut self.list, path, startup_matters);
        }
    }

    /// The cheapest complete path that depends on nothing outside.
    pub(crate) fn cheapest(&self) -> Option<&Path> {
        self.list.iter().find(|path| path.outer == 0)
    }

    /// The one of these that gives its first row soonest.
    pub(crate) fn cheapest_startup(&self) -> Option<&Path> {
        self.list.iter().filter(|path| path.outer == 0).min_by(|a, b| a.startup.total_cmp(&b.startup))
    }
}

/// `add_path`: of two paths that differ in cost by less than the fuzz, the better ordered or sooner one stays.
fn keep(list: &mut Vec<Path>, new: Path, startup_matters: bool) {
    let mut accepted = true;
    list.retain(|old| {
        if !accepted {
            return true;
        }
        let costs = compare_costs(&new, old, startup_matters, FUZZ);
        let orders = compare_orders(&new, old);
        let (Some(costs), Some(orders)) = (costs, orders) else { return true };
        let new_fits = new.outer & !old.outer == 0 && new.rows <= old.rows;
        let old_fits = old.outer & !new.outer == 0 && old.rows <= new.rows;
        match (costs, orders) {
            (Ordering::Less, Ordering::Less | Ordering::Equal) | (Ordering::Equal, Ordering::Less) => !new_fits,
            (Ordering::Greater, Ordering::Greater | Ordering::Equal) | (Ordering::Equal, Ordering::Greater) => {
                accepted = !old_fits;
                true
            }
            (Ordering::Equal, Ordering::Equal) => {
                let exact = compare_costs(&new, old, startup_matters, 1.000_000_000_1);
                let better = new.rows < old.rows || new.rows <= old.rows && exact == Some(Ordering::Less);
                if new_fits && better {
                    return false;
                }
                accepted = !old_fits;
                true
            }
            _ => true,
        }
    });
    if accepted {
        let at = list.partition_point(|old| old.total <= new.total);
        list.insert(at, new);
        list.truncate(MOST);
    }
}

/// `compare_path_costs_fuzzily`; `None` when one starts sooner and the other ends sooner, and both matter.
fn compare_costs(a: &Path, b: &Path, startup_matters: bool, fuzz: f64) -> Option<Ordering> {
    if a.total > b.total * fuzz {
        return (!startup_matters || b.startup <= a.startup * fuzz).then_some(Ordering::Greater);
    }
    if b.total > a.total * fuzz {
        return (!startup_matters || a.startup <= b.startup * fuzz).then_some(Ordering::Less);
    }
    Some(if a.startup > b.startup * fuzz {
        Ordering::Greater
    } else if b.startup > a.startup * fuzz {
        Ordering::Less
    } else {
        Ordering::Equal
    })
}

/// `compare_pathkeys`: the longer of two orders that agree is the better, and so the lesser here.
fn compare_orders(a: &Path, b: &Path) -> Option<Ordering> {
    let common = a.order.iter().zip(&*b.order).take_while(|(a, b)| a == b).count();
    (common == a.order.len().min(b.order.len())).then(|| b.order.len().cmp(&a.order.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(startup: f64, total: f64) -> Path {
        Path::new(startup, total, 10.0, Node::new(Label::Fixed("test"), vec![]))
    }

    fn sorted(path: Path) -> Path {
        path.ordered(Arc::from([PathKey { id: 0, descending: false, nulls_first: false }]))
    }

    #[test]
    fn dearer_paths_stay_only_for_their_order_or_start() {
        let mut paths = Paths::default();
        paths.add(path(50.0, 100.0), true);
        paths.add(path(60.0, 120.0), true);
        assert_eq!(paths.list.len(), 1);
        paths.add(path(0.0, 150.0), true);
        paths.add(sorted(path(60.0, 200.0)), true);
        assert_eq!(paths.list.len(), 3);
        paths.add(sorted(path(0.0, 10.0)), true);
        assert_eq!(paths.list.len(), 1);
    }

    #[test]
    fn costs_that_are_not_numbers_lose() {
        let mut paths = Paths::default();
        paths.add(path(f64::NAN, f64::NAN), true);
        paths.add(path(0.0, 5.0), true);
        assert_eq!(paths.cheapest().map(|path| path.total), Some(5.0));
    }
}
