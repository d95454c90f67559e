//! Routes of a service and what each asks for, so that none is forgotten: what is not listed nobody reaches.
//!
//! A path is compared as it was sent, as routers do. Of two patterns that fit, the one with the first fixed segment more wins. Ways to write a path
//! that a router or a proxy behind might read as another path fit nothing: empty segments, `.` and `..`, a backslash, and
//! percent-encoding of what needs none (RFC 3986, section 6.2.2).

use std::{collections::BTreeMap, fmt};

/// Most routes, and most segments of one.
const MOST: usize = 4096;
const MOST_SEGMENTS: usize = 64;

/// What a route asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Nothing: it is for everybody, and nobody is asked who they are.
    Nothing,
    /// A token, of whomever.
    Token,
    /// A token of somebody who has this permission.
    Permission(String),
}

/// A route as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The methods, in capital letters.
    pub methods: Vec<String>,
    /// The path: `{name}` is any one segment, `{*name}` at the end any that follow, at least one.
    pub path: String,
    /// What it asks for.
    pub asks: Asks,
}

/// Why routes cannot be told apart, or one cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRoute {
    /// There are more than any service has.
    #[error("there are more than {MOST} routes, or one with more than {MOST_SEGMENTS} segments")]
    TooMany,
    /// A path is none.
    #[error("`{0}` is no path")]
    Path(String),
    /// Two routes are the same but for the names in braces.
    #[error("`{method} {path}` is there twice")]
    Same {
        /// The method.
        method: String,
        /// The path of the second.
        path: String,
    },
}

/// The routes of a service.
#[derive(Clone, Default)]
pub struct Routes {
    count: usize,
    by_method: BTreeMap<String, Node>,
}

/// What may follow a segment.
#[derive(Clone, Default)]
struct Node {
    fixed: BTreeMap<String, Node>,
    any: Option<Box<Node>>,
    rest: Option<Asks>,
    here: Option<Asks>,
}

impl Routes {
    /// From all that there are.
    ///
    /// # Errors
    /// When one cannot be read, or is there twice.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Result<Self, InvalidRoute> {
        let mut all = Self::default();
        routes.into_iter().try_for_each(|route| all.add(&route))?;
        Ok(all)
    }

    /// Adds one.
    ///
    /// # Errors
    /// When it cannot be read, or is there already.
    pub fn add(&mut self, route: &Route) -> Result<(), InvalidRoute> {
        for method in &route.methods {
            self.count += 1;
            if self.count > MOST {
                return Err(InvalidRoute::TooMany);
            }
            self.add_to(method, route)?;
        }
        Ok(())
    }

    fn add_to(&mut self, method: &str, route: &Route) -> Result<(), InvalidRoute> {
        let bad = || InvalidRoute::Path(route.path.clone());
        let path = route.path.strip_prefix('/').ok_or_else(bad)?;
        if path.split('/').count() > MOST_SEGMENTS {
            return Err(InvalidRoute::TooMany);
        }
        let mut node = self.by_method.entry(method.to_owned()).or_default();
        let mut segments = path.split('/').peekable();
        let slot = loop {
            let segment = segments.next().ok_or_else(bad)?;
            let is_last = segments.peek().is_none();
            match segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
                Some(name) if is_last && name.strip_prefix('*').is_some_and(is_name) => break &mut node.rest,
                Some(name) if is_name(name) => node = node.any.get_or_insert_default(),
                // The root, and a path with a slash at its end, have an empty last segment.
                None if segment.is_empty() && is_last => node = node.fixed.entry(String::new()).or_default(),
                None if is_plain(segment) && !segment.contains(['{', '}', '?', '#']) => {
                    node = node.fixed.entry(segment.to_owned()).or_default();
                }
                _ => return Err(bad()),
            }
            if is_last {
                break &mut node.here;
            }
        };
        if slot.is_some() {
            return Err(InvalidRoute::Same { method: method.to_owned(), path: route.path.clone() });
        }
        *slot = Some(route.asks.clone());
        Ok(())
    }

    /// What the route of a request asks for; none where there is no such route. HEAD is GET where it is not listed itself.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<&Asks> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').take(MOST_SEGMENTS + 1).collect();
        let (last, before) = segments.split_last()?;
        if segments.len() > MOST_SEGMENTS
            || !before.iter().all(|it| is_plain(it))
            || !(last.is_empty() || is_plain(last))
        {
            return None;
        }
        let of = |method: &str| self.by_method.get(method)?.find(&segments);
        of(method).or_else(|| if method == "HEAD" { of("GET") } else { None })
    }
}

impl Node {
    fn find(&self, segments: &[&str]) -> Option<&Asks> {
        let Some((first, rest)) = segments.split_first() else { return self.here.as_ref() };
        let fixed = self.fixed.get(*first).and_then(|node| node.find(rest));
        let any = || self.any.as_ref().filter(|_| !first.is_empty()).and_then(|node| node.find(rest));
        let all = || self.rest.as_ref().filter(|_| !first.is_empty());
        fixed.or_else(any).or_else(all)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a segment is read by everybody as the same.
fn is_plain(segment: &str) -> bool {
    if matches!(segment, "" | "." | "..") || segment.bytes().any(|byte| byte == b'\\' || byte <= b' ' || byte == 0x7f) {
        return false;
    }
    segment.match_indices('%').all(|(at, _)| {
        let byte = segment.get(at + 1..at + 3).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        byte.is_some_and(|byte| {
            !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b'\\' | b'%' | 0)
        })
    })
}

/// How many there are.
impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("methods", &self.by_method.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route(method: &str, path: &str, asks: &str) -> Route {
        let asks = match asks {
            "" => Asks::Nothing,
            "token" => Asks::Token,
            other => Asks::Permission(other.to_owned()),
        };
        Route { methods: vec![method.to_owned()], path: path.to_owned(), asks }
    }

    fn routes() -> Routes {
        Routes::new([
            route("GET", "/", ""),
            route("POST", "/login", ""),
            route("GET", "/orders", "orders:list"),
            route("GET", "/orders/{id}", "orders:read"),
            route("DELETE", "/orders/{id}", "orders:delete"),
            route("GET", "/orders/new", "token"),
            route("GET", "/orders/{id}/lines/{line}", "lines:read"),
            route("GET", "/orders/new/lines/first", "first:read"),
            route("GET", "/files/{*path}", "files:read"),
            route("POST", "/shop.Orders/List", "orders:list"),
        ])
        .expect("good")
    }

    fn found(method: &str, path: &str) -> Option<String> {
        Some(match routes().find(method, path)? {
            Asks::Nothing => String::new(),
            Asks::Token => "token".to_owned(),
            Asks::Permission(name) => name.clone(),
        })
    }

    #[test]
    fn the_more_fixed_route_wins() {
        let asks = |method, path| found(method, path).expect("a route");
        assert_eq!((asks("GET", "/"), asks("POST", "/login")), (String::new(), String::new()));
        assert_eq!((&*asks("GET", "/orders/7"), &*asks("GET", "/orders/new")), ("orders:read", "token"));
        assert_eq!((&*asks("HEAD", "/orders/7"), &*asks("DELETE", "/orders/new")), ("orders:read", "orders:delete"));
        // Where the fixed one leads nowhere, the other is tried.
        assert_eq!(asks("GET", "/orders/new/lines/2"), "lines:read");
        assert_eq!(asks("GET", "/orders/new/lines/first"), "first:read");
        assert_eq!(asks("GET", "/files/a/b%20c.txt"), "files:read");
        assert_eq!(asks("POST", "/shop.Orders/List"), "orders:list");
    }

    #[test]
    fn what_is_not_listed_is_not_there() {
        for (method, path) in [
            ("POST", "/orders"),
            ("get", "/orders"),
            ("HEAD", "/login"),
            ("GET", "/orders/"),
            ("GET", "/orders//lines/1"),
            ("GET", "/Orders"),
            ("GET", "/files"),
            ("GET", "/files/"),
            ("GET", "orders"),
            ("GET", ""),
            ("GET", "*"),
        ] {
            assert_eq!(found(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn what_others_may_read_as_another_path_is_not_there() {
        for path in [
            "/files/../orders",
            "/files/./a",
            "/files//a",
            "/files/%2e%2e/orders",
            "/files/a%2Fb",
            "/files/a%5cb",
            "/files/a\\b",
            "/orders/%61",
            "/orders/a%00",
            "/orders/%252e",
            "/orders/%",
            "/orders/%zz",
            "/orders/%+1",
        ] {
            assert_eq!(found("GET", path), None, "{path}");
        }
        let long = format!("/files{}", "/a".repeat(MOST_SEGMENTS));
        assert_eq!(found("GET", &long), None);
    }

    #[test]
    fn routes_that_cannot_be_are_told() {
        let fault = |paths: &[&str]| {
            let routes = paths.iter().map(|path| route("GET", path, "a:b"));
            Routes::new(routes).expect_err("a fault").to_string()
        };
        assert_eq!(fault(&["/a/{x}", "/a/{y}"]), "`GET /a/{y}` is there twice");
        for path in ["", "a", "/a//b", "/a/..", "/{}", "/{*}", "/{*rest}/a", "/a{x}", "/{x}b", "/a?b", "/%61"] {
            assert_eq!(fault(&[path]), format!("`{path}` is no path"));
        }
    }

    proptest! {
        /// Whatever is asked for, what is found is what one of the patterns says that fit.
        #[test]
        fn what_is_found_fits(path in "(/[a-c.%{}]{0,3}){0,4}") {
            if let Some(asks) = routes().find("GET", &path) {
                let fits = |pattern: &str| {
                    let (mut want, mut have) = (pattern.split('/'), path.split('/'));
                    loop {
                        match (want.next(), have.next()) {
                            (Some(want), Some(_)) if want.starts_with("{*") => return true,
                            (Some(want), Some(have)) if want == have || want.starts_with('{') && !have.is_empty() => {}
                            (None, None) => return true,
                            _ => return false,
                        }
                    }
                };
                prop_assert!(["/", "/orders", "/orders/{id}", "/files/{*path}"].iter().any(|it| fits(it)), "{asks:?}");
            }
        }
    }
}
