//! Did you mean: the known name nearest to a written one.

/// The name among `known` that differs from `written` by the fewest letters, when it is near enough to be meant: up to
/// a third of its letters may be wrong, and `-` counts as `_`.
#[must_use]
pub fn suggest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > 100 {
        return None;
    }
    let written: Vec<char> = folded(written);
    known
        .into_iter()
        .filter_map(|name| {
            let folded = folded(name);
            let distance = distance(&written, &folded);
            (distance <= written.len().max(folded.len()).div_ceil(3)).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn folded(name: &str) -> Vec<char> {
    name.chars().map(|letter| if letter == '-' { '_' } else { letter.to_ascii_lowercase() }).collect()
}

/// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours, one each.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, against) in other.iter().enumerate() {
            let replaced = above[column] + usize::from(letter != against);
            let mut best = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *letter == other[column - 1] && one[row - 1] == *against {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_meant_and_far_ones_are_not() {
        let known = ["timeout", "retries", "windows", "zone"];
        assert_eq!(suggest("tiemout", known), Some("timeout"));
        assert_eq!(suggest("window", known), Some("windows"));
        assert_eq!(suggest("ZONE", known), Some("zone"));
        assert_eq!(suggest("colour", known), None);
        assert_eq!(suggest(&"x".repeat(1_000_000), known), None);
    }

    #[test]
    fn swapped_neighbours_count_once() {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&letters("ab"), &letters("ba")), 1);
        assert_eq!(distance(&letters(""), &letters("abc")), 3);
        assert_eq!(distance(&letters("kitten"), &letters("sitting")), 3);
    }
}
