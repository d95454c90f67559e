//! Patterns of routes.

use std::{fmt, str::FromStr};

/// Which routes a rule is for: `/ml`, `/users/*/export`, `/ml/**`.
///
/// `*` is any one segment, `**` at the end any number of them, none too. Empty segments do not count, in patterns and in
/// routes: `//ml/` is `/ml`, so that a client cannot get around a rule by a slash. The rest is compared as it is; a
/// service that takes `/ML` for `/ml` says the route in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePattern {
    segments: Box<[Segment]>,
    /// Whether more may follow.
    open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Any,
    Is(Box<str>),
}

/// Why a text is no pattern of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRoute {
    /// It does not begin with a slash.
    #[error("a route begins with `/`")]
    NoSlash,
    /// `**` stands before the end.
    #[error("`**` is only for the end of a route")]
    Inner,
    /// A star is a part of a segment.
    #[error("`*` stands for a whole segment")]
    Star,
}

impl RoutePattern {
    /// Whether a route is one of these. What follows a `?` is no part of a route.
    #[must_use]
    pub fn matches(&self, route: &str) -> bool {
        let path = route.split_once('?').map_or(route, |(path, _)| path);
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        let begins = self.segments.iter().all(|expected| match (expected, segments.next()) {
            (_, None) => false,
            (Segment::Any, Some(_)) => true,
            (Segment::Is(expected), Some(segment)) => **expected == *segment,
        });
        begins && (self.open || segments.next().is_none())
    }
}

impl FromStr for RoutePattern {
    type Err = InvalidRoute;

    fn from_str(text: &str) -> Result<Self, InvalidRoute> {
        let path = text.strip_prefix('/').ok_or(InvalidRoute::NoSlash)?;
        let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let open = segments.last() == Some(&"**");
        if open {
            segments.pop();
        }
        let segments = segments.into_iter().map(|segment| match segment {
            "*" => Ok(Segment::Any),
            "**" => Err(InvalidRoute::Inner),
            _ if segment.contains('*') => Err(InvalidRoute::Star),
            _ => Ok(Segment::Is(segment.into())),
        });
        Ok(Self { segments: segments.collect::<Result<_, _>>()?, open })
    }
}

impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Any => f.write_str("/*")?,
                Segment::Is(text) => write!(f, "/{text}")?,
            }
        }
        match (self.open, self.segments.is_empty()) {
            (true, _) => f.write_str("/**"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let pattern: RoutePattern = pattern.parse().expect("a pattern");
        for route in matching {
            assert!(pattern.matches(route), "{pattern} {route}");
        }
        for route in other {
            assert!(!pattern.matches(route), "{pattern} {route}");
        }
    }

    #[test]
    fn segments_are_compared_and_slashes_do_not_help() {
        check("/ml", &["/ml", "/ml/", "//ml", "ml", "/ml?x=/y"], &["/", "/ml/x", "/mlx", "/ML"]);
        check("/users/*/export", &["/users/7/export"], &["/users/export", "/users/7/8/export", "/users//export"]);
        check("/ml/**", &["/ml", "/ml/a", "/ml/a/b"], &["/m", "/"]);
        check("/**", &["/", "", "/a/b"], &[]);
        check("/", &["/", "//"], &["/a"]);
    }

    #[test]
    fn what_is_none_says_why() {
        for (bad, why) in [
            ("ml", InvalidRoute::NoSlash),
            ("", InvalidRoute::NoSlash),
            ("/**/x", InvalidRoute::Inner),
            ("/ml*", InvalidRoute::Star),
        ] {
            assert_eq!(bad.parse::<RoutePattern>(), Err(why));
        }
        for good in ["/", "/ml", "/**", "/users/*/export", "/ml/**"] {
            assert_eq!(good.parse::<RoutePattern>().map(|pattern| pattern.to_string()).as_deref(), Ok(good));
        }
    }
}
