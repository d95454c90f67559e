//! Whether something is allowed, and why.

use std::fmt;

/// An answer with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It is allowed.
    Allowed {
        /// The role of the subject, the one that it inherits it from, and so on to the one that is given it.
        through: Vec<String>,
        /// What that one is given: the permission, or a pattern of it.
        by: String,
    },
    /// It is not.
    Denied(Denial),
}

/// Why something is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// There is no such permission, so nobody has it.
    UnknownPermission,
    /// The subject has no role.
    NoRole,
    /// None of the subject's roles has it.
    NotGranted {
        /// Roles that would have it.
        have: Vec<String>,
        /// Roles of the subject that there are not.
        unknown: Vec<String>,
    },
    /// What is asked for belongs to a tenant, and the subject to none.
    NoTenant,
    /// What is asked for belongs to another tenant.
    OtherTenant,
}

impl Decision {
    /// Whether it is allowed.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let denial = match self {
            Self::Allowed { through, by } => {
                return match through.split_last() {
                    Some((last, [])) => write!(f, "allowed: role `{last}` is given `{by}`"),
                    Some((last, before)) => {
                        write!(
                            f,
                            "allowed: role `{}` inherits from `{last}`, which is given `{by}`",
                            before.join("` from `")
                        )
                    }
                    None => write!(f, "allowed by `{by}`"),
                };
            }
            Self::Denied(denial) => denial,
        };
        f.write_str("denied: ")?;
        match denial {
            Denial::UnknownPermission => f.write_str("there is no such permission"),
            Denial::NoRole => f.write_str("there is no role"),
            Denial::NotGranted { have, unknown } => {
                f.write_str("no role has it")?;
                if !unknown.is_empty() {
                    write!(f, "; `{}` is no role", unknown.join("`, `"))?;
                }
                if have.is_empty() {
                    f.write_str("; nor has any other")
                } else {
                    write!(f, "; `{}` would", have.join("`, `"))
                }
            }
            Denial::NoTenant => f.write_str("it belongs to a tenant, and the subject to none"),
            Denial::OtherTenant => f.write_str("it belongs to another tenant"),
        }
    }
}
