//! Names of permissions, and patterns of them.

/// The longest name.
const LONGEST: usize = 128;
/// Most parts of a name.
const MOST_PARTS: usize = 4;

/// A permission of one [`super::Matrix`]: asked for by name once, and checked without it from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Permission(pub(super) u16);

/// The text is no permission, and no pattern of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a permission is up to {MOST_PARTS} parts of `a-z`, `0-9`, `_` and `-` with `:` between them")]
pub struct InvalidPermission;

/// Whether a text can be the name of a permission, such as `orders:read`.
#[must_use]
pub fn is_permission(text: &str) -> bool {
    text.len() <= LONGEST && text.split(':').count() <= MOST_PARTS && text.split(':').all(is_part)
}

fn is_part(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    !text.is_empty() && text.bytes().all(is_letter)
}

/// What a role is given: a permission, or all that begin in a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    One(Box<str>),
    /// `orders:*`, and `*` with nothing before: what begins with this, its colon included.
    Below(Box<str>),
}

impl Pattern {
    /// Reads a permission, or a pattern with a `*` as its last part. There are no others: `orders:*:own` and `ord*` would
    /// be read in more than one way.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidPermission> {
        if text == "*" {
            return Ok(Self::Below("".into()));
        }
        match text.strip_suffix(":*") {
            Some(before) if is_permission(before) => Ok(Self::Below(format!("{before}:").into())),
            None if is_permission(text) => Ok(Self::One(text.into())),
            _ => Err(InvalidPermission),
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::One(one) => **one == *name,
            Self::Below(before) => name.starts_with(&**before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read() {
        let matches = |pattern: &str, name: &str| Pattern::parse(pattern).expect("a pattern").matches(name);
        assert!(matches("orders:read", "orders:read"));
        assert!(matches("orders:*", "orders:read") && matches("orders:*", "orders:lines:read"));
        assert!(matches("*", "orders:read") && matches("*", "login"));
        assert!(!matches("orders:*", "orders"), "what is above is not below");
        assert!(!matches("orders:*", "orders-archive:read") && !matches("orders:read", "orders:readall"));
        for text in
            ["", ":", "*:read", "orders:*:own", "ord*", "orders:**", "**", "Orders:read", "a:b:c:d:e", "a b", "orders:"]
        {
            assert_eq!(Pattern::parse(text), Err(InvalidPermission), "{text}");
        }
        assert!(!is_permission("*") && !is_permission("orders:*"));
    }
}
