//! A bounded set of names that can be merged in any order.

use std::hash::BuildHasher;
use std::sync::Arc;

use crate::hash;

/// At most [`NameSet::MOST`] names: those whose hashes are smallest, so that neither the order in which names come
/// nor the order of merging matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSet {
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
        match self.names.binary_search_by(|held| order(held).cmp(&key).then_with(|| held.cmp(name))) {
            Ok(_) => {}
            Err(at) => {
                if at < Self::MOST {
                    if self.names.is_empty() {
                        self.names.reserve_exact(1);
                    }
                    self.names.insert(at, Arc::clone(name));
                }
                if at >= Self::MOST || self.names.len() > Self::MOST {
                    self.names.truncate(Self::MOST);
                    self.more = true;
                }
            }
        }
    }

    /// Adds all names of another set.
    pub fn merge(&mut self, other: &Self) {
        for name in &other.names {
            self.insert(name);
        }
        self.more |= other.more;
    }

    /// The names in alphabetical order.
    #[must_use]
    pub fn sorted(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names.iter().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// Whether the set holds the name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names.iter().any(|held| &**held == name)
    }

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many names are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether names were left out because of the bound.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.more
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
