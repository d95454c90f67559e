//! Roles by permissions: who may do what, worked out once.
//!
//! Roles inherit from roles, and are given permissions by name or by pattern. A pattern means those permissions that are there when
//! the matrix is made: nothing is allowed that nobody wrote down. There is nothing that takes a right away, so that a role
//! more is never a right less, and the order of roles does not matter.

use std::collections::{BTreeMap, HashMap};

use super::{
    Decision, Denial, Permission,
    permission::{Pattern, is_permission},
};

/// Most permissions and roles.
const MOST: usize = 4096;

/// A role as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// The roles whose permissions it has, too.
    pub inherits: Vec<String>,
    /// What it is given: permissions, or patterns such as `orders:*`.
    pub permissions: Vec<String>,
    /// Whether it is for all tenants, and not only for that of its holder.
    pub all_tenants: bool,
}

impl Role {
    /// A role that is given permissions.
    #[must_use]
    pub fn new(name: impl Into<String>, permissions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { name: name.into(), permissions: permissions.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// That inherits from others.
    #[must_use]
    pub fn inherits(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.inherits = roles.into_iter().map(Into::into).collect();
        self
    }
}

/// Why roles are no matrix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRoles {
    /// There are more permissions or roles than any service has.
    #[error("there are more than {MOST} permissions or roles")]
    TooMany,
    /// A declared permission is no name of one.
    #[error("`{0}` is no permission")]
    Permission(String),
    /// A permission is declared twice.
    #[error("permission `{0}` is there twice")]
    SamePermission(String),
    /// Two roles have the same name, or one has none.
    #[error("role `{0}` has no name, or that of another")]
    Name(String),
    /// A role inherits from one that there is not.
    #[error("role `{role}` inherits from `{from}`, which there is not")]
    NoRole {
        /// The role.
        role: String,
        /// What there is not.
        from: String,
    },
    /// A role inherits from itself.
    #[error("roles inherit in a circle: `{}`", .0.join("` from `"))]
    Cycle(Vec<String>),
    /// A role is given what is no permission, or matches none that is declared.
    #[error("role `{role}` is given `{permission}`, which is no permission that there is")]
    NoPermission {
        /// The role.
        role: String,
        /// What it is given.
        permission: String,
    },
}

/// Who may do what.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    permissions: Vec<Box<str>>,
    by_name: HashMap<Box<str>, Permission>,
    roles: Vec<Role>,
    by_role: HashMap<Box<str>, usize>,
    /// For each role a bit for each permission, what it inherits included.
    allowed: Vec<Box<[u64]>>,
    /// For each role whether it, or one that it inherits from, is for all tenants.
    all_tenants: Vec<bool>,
}

impl Matrix {
    /// From all permissions that there are, and the roles.
    ///
    /// # Errors
    /// With all that is wrong.
    pub fn new(
        permissions: impl IntoIterator<Item = impl Into<String>>,
        roles: impl IntoIterator<Item = Role>,
    ) -> Result<Self, Vec<InvalidRoles>> {
        let mut matrix = Self::default();
        let mut faults = Vec::new();
        for name in permissions {
            let name = name.into();
            if !is_permission(&name) {
                faults.push(InvalidRoles::Permission(name));
            } else if matrix.by_name.contains_key(name.as_str()) {
                faults.push(InvalidRoles::SamePermission(name));
            } else if let Some(at) = u16::try_from(matrix.permissions.len()).ok().filter(|at| usize::from(*at) < MOST) {
                matrix.by_name.insert(name.as_str().into(), Permission(at));
                matrix.permissions.push(name.into());
            } else {
                return Err(vec![InvalidRoles::TooMany]);
            }
        }
        for role in roles {
            if role.name.is_empty() || matrix.by_role.contains_key(role.name.as_str()) {
                faults.push(InvalidRoles::Name(role.name));
            } else if matrix.roles.len() < MOST {
                matrix.by_role.insert(role.name.as_str().into(), matrix.roles.len());
                matrix.roles.push(role);
            } else {
                return Err(vec![InvalidRoles::TooMany]);
            }
        }
        let given = matrix.given(&mut faults);
        let order = matrix.order(&mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        matrix.allowed = given;
        matrix.all_tenants = matrix.roles.iter().map(|role| role.all_tenants).collect();
        // Those that are inherited from come first, and are complete.
        for at in order {
            for from in &matrix.roles[at].inherits {
                let from = matrix.by_role[from.as_str()];
                let inherited = matrix.allowed[from].clone();
                matrix.allowed[at].iter_mut().zip(inherited).for_each(|(bits, more)| *bits |= more);
                matrix.all_tenants[at] |= matrix.all_tenants[from];
            }
        }
        Ok(matrix)
    }

    /// The permission of a name.
    #[must_use]
    pub fn permission(&self, name: &str) -> Option<Permission> {
        self.by_name.get(name).copied()
    }

    /// All permissions.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        self.permissions.iter().map(AsRef::as_ref)
    }

    /// All roles, as they were written down.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Whether one of some roles has a permission. Roles that there are not have none.
    #[inline]
    #[must_use]
    pub fn allows(&self, roles: &[impl AsRef<str>], permission: Permission) -> bool {
        roles.iter().filter_map(|role| self.by_role.get(role.as_ref())).any(|role| self.has(*role, permission))
    }

    /// Whether one of some roles of a tenant has a permission on what belongs to a tenant. Nobody without a tenant has one on what
    /// belongs to one, unless a role that has the permission is for all tenants.
    #[must_use]
    pub fn allows_in(
        &self,
        roles: &[impl AsRef<str>],
        permission: Permission,
        own: Option<&str>,
        tenant: &str,
    ) -> bool {
        let is_own = own == Some(tenant);
        let with = roles.iter().filter_map(|role| self.by_role.get(role.as_ref()));
        with.filter(|role| is_own || self.all_tenants[**role]).any(|role| self.has(*role, permission))
    }

    /// The same as [`Self::allows`], and with a tenant the same as [`Self::allows_in`], with the reason.
    pub fn explain(
        &self,
        roles: &[impl AsRef<str>],
        permission: &str,
        own: Option<&str>,
        tenant: Option<&str>,
    ) -> Decision {
        let Some(permission) = self.permission(permission) else { return Decision::Denied(Denial::UnknownPermission) };
        if roles.is_empty() {
            return Decision::Denied(Denial::NoRole);
        }
        let known = || roles.iter().filter_map(|role| self.by_role.get(role.as_ref()).copied());
        let Some(_) = known().find(|role| self.has(*role, permission)) else {
            let have = (0..self.roles.len()).filter(|role| self.has(*role, permission));
            let unknown = roles.iter().map(AsRef::as_ref).filter(|role| !self.by_role.contains_key(*role));
            return Decision::Denied(Denial::NotGranted {
                have: have.map(|role| self.roles[role].name.clone()).collect(),
                unknown: unknown.map(str::to_owned).collect(),
            });
        };
        let crosses = tenant.is_some_and(|tenant| own != Some(tenant));
        match known().find(|role| self.has(*role, permission) && (!crosses || self.all_tenants[*role])) {
            Some(role) => {
                let (through, by) = self.way(role, permission);
                Decision::Allowed { through, by }
            }
            None if own.is_none() => Decision::Denied(Denial::NoTenant),
            None => Decision::Denied(Denial::OtherTenant),
        }
    }

    /// Whether a role, or one that it inherits from, is for all tenants.
    #[must_use]
    pub fn is_for_all_tenants(&self, role: &str) -> bool {
        self.by_role.get(role).is_some_and(|role| self.all_tenants[*role])
    }

    /// Permissions that no role has.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        (0_u16..).zip(&self.permissions).filter_map(|(at, name)| {
            let has = (0..self.roles.len()).any(|role| self.has(role, Permission(at)));
            (!has).then_some(&**name)
        })
    }

    fn has(&self, role: usize, Permission(at): Permission) -> bool {
        let (word, bit) = (usize::from(at) / 64, at % 64);
        self.allowed[role].get(word).is_some_and(|bits| bits >> bit & 1 == 1)
    }

    /// What each role is given itself.
    fn given(&self, faults: &mut Vec<InvalidRoles>) -> Vec<Box<[u64]>> {
        let mut given = Vec::with_capacity(self.roles.len());
        for role in &self.roles {
            let mut bits = vec![0_u64; self.permissions.len().div_ceil(64)];
            for text in &role.permissions {
                let mut any = false;
                if let Ok(pattern) = Pattern::parse(text) {
                    for (at, _) in self.permissions.iter().enumerate().filter(|(_, name)| pattern.matches(name)) {
                        bits[at / 64] |= 1 << (at % 64);
                        any = true;
                    }
                }
                if !any {
                    let (role, permission) = (role.name.clone(), text.clone());
                    faults.push(InvalidRoles::NoPermission { role, permission });
                }
            }
            given.push(bits.into());
        }
        given
    }

    /// The roles, each after those that it inherits from. It is no recursion, because chains may be long.
    fn order(&self, faults: &mut Vec<InvalidRoles>) -> Vec<usize> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Done,
        }
        let mut from: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, role) in self.roles.iter().enumerate() {
            let known = |name: &String| match self.by_role.get(name.as_str()) {
                Some(other) => Some(*other),
                None => {
                    faults.push(InvalidRoles::NoRole { role: role.name.clone(), from: name.clone() });
                    None
                }
            };
            from.insert(at, role.inherits.iter().filter_map(known).collect());
        }
        let mut states = vec![State::New; self.roles.len()];
        let mut order = Vec::with_capacity(self.roles.len());
        for start in 0..self.roles.len() {
            let mut path: Vec<(usize, usize)> = vec![(start, 0)];
            if states[start] != State::New {
                continue;
            }
            states[start] = State::Open;
            while let Some((at, next)) = path.last_mut() {
                let Some(other) = from[at].get(*next).copied() else {
                    states[*at] = State::Done;
                    order.push(*at);
                    path.pop();
                    continue;
                };
                *next += 1;
                match states[other] {
                    State::Done => {}
                    State::New => {
                        states[other] = State::Open;
                        path.push((other, 0));
                    }
                    State::Open => {
                        let names = path.iter().map(|(at, _)| *at).skip_while(|at| *at != other);
                        let names = names.chain([other]).map(|at| self.roles[at].name.clone());
                        faults.push(InvalidRoles::Cycle(names.collect()));
                    }
                }
            }
        }
        order
    }

    /// From a role to the one that is given a permission: the shortest way.
    fn way(&self, role: usize, permission: Permission) -> (Vec<String>, String) {
        let name = &*self.permissions[usize::from(permission.0)];
        let mut before: HashMap<usize, usize> = HashMap::new();
        let mut queue = std::collections::VecDeque::from([role]);
        while let Some(at) = queue.pop_front() {
            let is_it = |text: &&String| Pattern::parse(text).is_ok_and(|pattern| pattern.matches(name));
            if let Some(by) = self.roles[at].permissions.iter().find(is_it) {
                let mut through = vec![self.roles[at].name.clone()];
                let mut at = at;
                while let Some(other) = before.get(&at).copied().filter(|_| at != role) {
                    through.push(self.roles[other].name.clone());
                    at = other;
                }
                through.reverse();
                return (through, by.clone());
            }
            for other in self.roles[at].inherits.iter().filter_map(|name| self.by_role.get(name.as_str()).copied()) {
                if other != role && self.has(other, permission) && !before.contains_key(&other) {
                    before.insert(other, at);
                    queue.push_back(other);
                }
            }
        }
        (vec![self.roles[role].name.clone()], name.to_owned())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
