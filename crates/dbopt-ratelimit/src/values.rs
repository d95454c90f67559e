//! What is said of certain values of parts: lists of who is let through or kept out, limits of a user's own.

use std::{collections::HashMap, fmt};

use crate::{Facts, Network, Part};

/// Something for each of some values of parts. Addresses are matched by network, the longest prefix first.
#[derive(Clone, PartialEq, Eq)]
pub struct Values<T> {
    exact: Vec<(Part, HashMap<Box<str>, T>)>,
    /// By falling length of the prefix.
    networks: Vec<(Network, T)>,
}

/// A list of values.
pub type List = Values<()>;

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self { exact: Vec::new(), networks: Vec::new() }
    }
}

impl<T> Values<T> {
    /// Adds a value of a part, and gives back what was said of it before. Addresses are added by [`Values::add_network`].
    pub fn add(&mut self, part: Part, value: impl Into<Box<str>>, of: T) -> Option<T> {
        let at = self.exact.iter().position(|(other, _)| *other == part).unwrap_or_else(|| {
            self.exact.push((part, HashMap::new()));
            self.exact.len() - 1
        });
        self.exact[at].1.insert(value.into(), of)
    }

    /// Adds a network, and gives back what was said of it before.
    pub fn add_network(&mut self, network: Network, of: T) -> Option<T> {
        if let Some((_, known)) = self.networks.iter_mut().find(|(known, _)| *known == network) {
            return Some(std::mem::replace(known, of));
        }
        let at = self.networks.partition_point(|(known, _)| known.prefix() >= network.prefix());
        self.networks.insert(at, (network, of));
        None
    }

    /// What is said of a request: by the first part that has a value here, and then by its network.
    #[must_use]
    pub fn find(&self, facts: &impl Facts) -> Option<&T> {
        let exact = || self.exact.iter().find_map(|(part, values)| values.get(&*facts.fact(part)?));
        let network = || {
            let address = facts.address().filter(|_| !self.networks.is_empty())?;
            self.networks.iter().find(|(network, _)| network.contains(address)).map(|(_, of)| of)
        };
        exact().or_else(network)
    }

    /// Whether nothing is said of anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.networks.is_empty()
    }

    /// How many values and networks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exact.iter().map(|(_, values)| values.len()).sum::<usize>() + self.networks.len()
    }

    /// What is said, with whom it is said of; API keys are not shown. In no order.
    pub fn iter(&self) -> impl Iterator<Item = (String, &T)> {
        let exact = self.exact.iter().flat_map(|(part, values)| {
            values.iter().map(move |(value, of)| match part {
                Part::ApiKey => ("an API key".to_owned(), of),
                _ => (format!("{part}:{value}"), of),
            })
        });
        exact.chain(self.networks.iter().map(|(network, of)| (network.to_string(), of)))
    }
}

/// Only how many.
impl<T> fmt::Debug for Values<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;

    #[test]
    fn a_value_is_found_by_part_and_by_network() {
        let mut values = Values::default();
        values.add(Part::User, "7", 1);
        values.add(Part::ApiKey, "hush", 2);
        values.add_network("10.0.0.0/8".parse().expect("a network"), 3);
        values.add_network("10.1.0.0/16".parse().expect("a network"), 4);
        let find = |request: Request<'_>| values.find(&request).copied();
        assert_eq!(find(Request::new().user("7").address([10, 0, 0, 1])), Some(1));
        assert_eq!(find(Request::new().user("8").api_key("hush")), Some(2));
        assert_eq!(find(Request::new().address([10, 0, 0, 1])), Some(3));
        assert_eq!(find(Request::new().address([10, 1, 0, 1])), Some(4));
        assert_eq!(find(Request::new().user("8").address([192, 0, 2, 1])), None);
        assert_eq!((values.len(), values.add(Part::User, "7", 9)), (4, Some(1)));
        assert!(!format!("{values:?}").contains("hush") && values.iter().all(|(name, _)| !name.contains("hush")));
    }
}
