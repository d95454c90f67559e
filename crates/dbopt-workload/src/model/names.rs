//! A bounded set of names that can be merged in any order.

use std::hash::BuildHasher;
use std::sync::Arc;

use crate::hash;

/// At most [`NameSet::MOST`] names: those whose hashes are smallest, so that neither the order in which names come
/// nor the order of merging matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSet {
    /// Shared by all classes that have the same names; nothing when there is none.
    inner: Option<Arc<Inner>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Inner {
    /// By hash, ascending.
    names: Vec<Arc<str>>,
    /// Whether names were left out.
    more: bool,
}

impl NameSet {
    /// The bound.
    pub const MOST: usize = 16;

    /// Adds a name.
    pub fn insert(&mut self, name: &Arc<str>) {
        let key = order(name);
        let place = self.names().binary_search_by(|held| order(held).cmp(&key).then_with(|| held.cmp(name)));
        let Err(at) = place else { return };
        let Inner { names, more } = Arc::make_mut(self.inner.get_or_insert_default());
        if at < Self::MOST {
            if names.is_empty() {
                names.reserve_exact(1);
            }
            names.insert(at, Arc::clone(name));
        }
        if at >= Self::MOST || names.len() > Self::MOST {
            names.truncate(Self::MOST);
            *more = true;
        }
    }

    /// Adds all names of another set.
    pub fn merge(&mut self, other: &Self) {
        if self.inner.is_none() {
            self.inner.clone_from(&other.inner);
            return;
        }
        for name in other.names() {
            self.insert(name);
        }
        if other.is_cut()
            && let Some(inner) = &mut self.inner
        {
            Arc::make_mut(inner).more = true;
        }
    }

    fn names(&self) -> &[Arc<str>] {
        self.inner.as_ref().map_or(&[], |inner| &inner.names)
    }

    /// The names in alphabetical order.
    #[must_use]
    pub fn sorted(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names().iter().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// Whether the set holds the name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names().iter().any(|held| &**held == name)
    }

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.is_none()
    }

    /// How many names are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names().len()
    }

    /// Whether names were left out because of the bound.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.more)
    }
}

fn order(name: &str) -> u64 {
    hash::fixed().hash_one(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_names_does_not_matter() {
        let names: Vec<Arc<str>> = (0..40).map(|n| Arc::from(format!("user{n}"))).collect();
        let mut forward = NameSet::default();
        let mut backward = NameSet::default();
        names.iter().for_each(|name| forward.insert(name));
        names.iter().rev().for_each(|name| backward.insert(name));
        assert_eq!(forward, backward);
        assert_eq!(forward.len(), NameSet::MOST);
        assert!(forward.is_cut());
    }
}
