//! Tests of the matrix.

use proptest::prelude::*;

use super::*;

const PERMISSIONS: [&str; 6] =
    ["orders:read", "orders:write", "orders:lines:read", "reports:read", "users:manage", "ops:restart"];

fn shop() -> Matrix {
    let roles = [
        Role::new("viewer", ["orders:read"]),
        Role::new("analyst", ["reports:*"]).inherits(["viewer"]),
        Role::new("manager", ["orders:*"]).inherits(["analyst"]),
        Role::new("admin", ["users:manage"]).inherits(["manager"]),
        Role { all_tenants: true, ..Role::new("support", ["orders:read"]) },
    ];
    Matrix::new(PERMISSIONS, roles).expect("a matrix")
}

fn check(roles: &[&str], permission: &str, expected: &str) {
    let matrix = shop();
    let decision = matrix.explain(roles, permission, None, None);
    assert_eq!(decision.to_string(), expected);
    let allowed = matrix.permission(permission).is_some_and(|permission| matrix.allows(roles, permission));
    assert_eq!(decision.is_allowed(), allowed);
}

#[test]
fn each_answer_has_its_reason() {
    check(&["viewer"], "orders:read", "allowed: role `viewer` is given `orders:read`");
    check(&["nobody", "viewer"], "orders:read", "allowed: role `viewer` is given `orders:read`");
    check(
        &["admin"],
        "reports:read",
        "allowed: role `admin` from `manager` inherits from `analyst`, which is given `reports:*`",
    );
    check(&["admin"], "orders:lines:read", "allowed: role `admin` inherits from `manager`, which is given `orders:*`");
    check(&["viewer"], "orders:write", "denied: no role has it; `manager`, `admin` would");
    check(&["Admin"], "users:manage", "denied: no role has it; `Admin` is no role; `admin` would");
    check(&["admin"], "ops:restart", "denied: no role has it; nor has any other");
    check(&["admin"], "orders:delete", "denied: there is no such permission");
    check(&["admin"], "orders:*", "denied: there is no such permission");
    check(&["admin"], "*", "denied: there is no such permission");
    check(&[], "orders:read", "denied: there is no role");
}

#[test]
fn tenants_are_kept_apart() {
    let matrix = shop();
    let read = matrix.permission("orders:read").expect("a permission");
    let case = |role: &str, own: Option<&str>, tenant: &str| {
        let allowed = matrix.allows_in(&[role], read, own, tenant);
        let decision = matrix.explain(&[role], "orders:read", own, Some(tenant));
        assert_eq!(decision.is_allowed(), allowed);
        decision
    };
    assert!(case("viewer", Some("acme"), "acme").is_allowed());
    assert_eq!(case("viewer", Some("acme"), "Acme"), Decision::Denied(Denial::OtherTenant));
    assert_eq!(case("admin", Some("acme"), "other"), Decision::Denied(Denial::OtherTenant));
    assert_eq!(case("admin", None, "other"), Decision::Denied(Denial::NoTenant));
    assert_eq!(case("admin", Some(""), "other"), Decision::Denied(Denial::OtherTenant));
    assert!(case("support", None, "other").is_allowed());
    // A role for all tenants does not lend that to another role's permissions.
    let manage = matrix.permission("users:manage").expect("a permission");
    assert!(!matrix.allows_in(&["support", "admin"], manage, Some("acme"), "other"));
    assert!(matrix.allows_in(&["support", "admin"], manage, Some("acme"), "acme"));
}

#[test]
fn all_that_is_wrong_is_told() {
    let roles = [
        Role::new("a", ["orders:read"]).inherits(["b"]),
        Role::new("b", ["orders:*"; 0]).inherits(["c", "nobody"]),
        Role::new("c", ["payments:*"]).inherits(["a"]),
        Role::new("d", ["*:read"]).inherits(["d"]),
        Role::new("a", ["orders:read"]),
    ];
    let faults = Matrix::new(["orders:read", "Orders", "orders:read"], roles).expect_err("faults");
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "`Orders` is no permission",
            "permission `orders:read` is there twice",
            "role `a` has no name, or that of another",
            "role `b` is given `orders:*`, which is no permission that there is",
            "role `c` is given `payments:*`, which is no permission that there is",
            "role `d` is given `*:read`, which is no permission that there is",
            "role `b` inherits from `nobody`, which there is not",
            "roles inherit in a circle: `a` from `b` from `c` from `a`",
            "roles inherit in a circle: `d` from `d`",
        ]
        .into_iter()
        .filter(|fault| !fault.contains("role `b` is given"))
        .collect::<Vec<_>>()
    );
}

#[test]
fn long_chains_and_many_permissions_are_worked_out() {
    let permissions: Vec<String> = (0..1_000).map(|at| format!("p:{at}")).collect();
    let role = |at: usize| {
        let role = Role::new(format!("r{at}"), [format!("p:{}", at % 1_000)]);
        if at == 0 { role } else { role.inherits([format!("r{}", at - 1)]) }
    };
    let matrix = Matrix::new(permissions, (0..4_000).map(role)).expect("a matrix");
    let last = matrix.permission("p:999").expect("a permission");
    assert!(matrix.allows(&["r3999"], last) && !matrix.allows(&["r998"], last));
    assert_eq!(matrix.unused().count(), 0);
    let many = (0..=MOST).map(|at| format!("p:{at}"));
    assert_eq!(Matrix::new(many, []).expect_err("too many"), [InvalidRoles::TooMany]);
}

#[test]
fn permissions_that_nobody_has_are_found() {
    assert_eq!(shop().unused().collect::<Vec<_>>(), ["ops:restart"]);
}

/// Roles that inherit from earlier ones only, so that there is no circle.
fn roles() -> impl Strategy<Value = Vec<Role>> {
    let given = prop::sample::subsequence(
        vec!["orders:read", "orders:*", "reports:read", "reports:*", "users:manage", "ops:*"],
        0..4,
    );
    prop::collection::vec((given, prop::collection::vec(any::<prop::sample::Index>(), 0..3), any::<bool>()), 1..8)
        .prop_map(|drafts| {
            let role = |(at, (given, from, all_tenants)): (usize, (Vec<&str>, Vec<prop::sample::Index>, bool))| {
                let from: Vec<_> =
                    from.iter().filter(|_| at > 0).map(|from| format!("r{}", from.index(at.max(1)))).collect();
                Role { all_tenants, ..Role::new(format!("r{at}"), given).inherits(from) }
            };
            drafts.into_iter().enumerate().map(role).collect()
        })
}

/// What a role may do, worked out by walking.
fn walked(roles: &[Role], role: &str, permission: &str) -> bool {
    let Some(role) = roles.iter().find(|other| other.name == role) else { return false };
    role.permissions.iter().any(|text| Pattern::parse(text).is_ok_and(|pattern| pattern.matches(permission)))
        || role.inherits.iter().any(|from| walked(roles, from, permission))
}

proptest! {
    #[test]
    fn the_matrix_says_what_walking_does_and_explains_the_same(roles in roles(), own in proptest::option::of("[ab]"), tenant in "[ab]") {
        let matrix = Matrix::new(PERMISSIONS, roles.clone()).expect("a matrix");
        for name in PERMISSIONS {
            let permission = matrix.permission(name).expect("a permission");
            for role in &roles {
                let own_roles = [&role.name];
                prop_assert_eq!(matrix.allows(&own_roles, permission), walked(&roles, &role.name, name));
                let decision = matrix.explain(&own_roles, name, own.as_deref(), None);
                prop_assert_eq!(decision.is_allowed(), matrix.allows(&own_roles, permission));
                let inside = matrix.allows_in(&own_roles, permission, own.as_deref(), &tenant);
                prop_assert_eq!(matrix.explain(&own_roles, name, own.as_deref(), Some(&tenant)).is_allowed(), inside);
                prop_assert!(!inside || matrix.allows(&own_roles, permission));
                if let Decision::Allowed { through, by } = decision {
                    // The way is one: each inherits from the next, and the last is given it.
                    let role_of = |name: &String| roles.iter().find(|role| role.name == *name).expect("a role");
                    prop_assert_eq!(&through[0], &role.name);
                    for pair in through.windows(2) {
                        prop_assert!(role_of(&pair[0]).inherits.contains(&pair[1]));
                    }
                    prop_assert!(role_of(through.last().expect("one")).permissions.contains(&by));
                }
            }
        }
    }

    /// Of a subject: a role more never takes a right away, and a role less never gives one.
    #[test]
    fn a_role_more_is_never_a_right_less(roles in roles(), held in prop::collection::vec(any::<prop::sample::Index>(), 0..4), more in any::<prop::sample::Index>()) {
        let matrix = Matrix::new(PERMISSIONS, roles.clone()).expect("a matrix");
        let fewer: Vec<_> = held.iter().map(|at| at.get(&roles).name.clone()).collect();
        let all: Vec<_> = fewer.iter().cloned().chain([more.get(&roles).name.clone()]).collect();
        for name in PERMISSIONS {
            let permission = matrix.permission(name).expect("a permission");
            prop_assert!(!matrix.allows(&fewer, permission) || matrix.allows(&all, permission));
            prop_assert!(!matrix.allows_in(&fewer, permission, Some("a"), "b") || matrix.allows_in(&all, permission, Some("a"), "b"));
        }
    }

    /// Of the policy: a role that is added, or inherits from one more, or is given one more, takes nothing from anybody.
    #[test]
    fn a_policy_that_grows_takes_nothing_away(roles in roles(), at in any::<prop::sample::Index>(), given in prop::sample::select(PERMISSIONS.to_vec())) {
        let before = Matrix::new(PERMISSIONS, roles.clone()).expect("a matrix");
        let mut grown = roles.clone();
        let at = at.index(grown.len());
        grown[at].permissions.push(given.to_owned());
        if at > 0 {
            grown[at].inherits.push("r0".to_owned());
        }
        grown.push(Role::new("new", ["*"]));
        let after = Matrix::new(PERMISSIONS, grown).expect("a matrix");
        for name in PERMISSIONS {
            for role in &roles {
                let may = |matrix: &Matrix| matrix.allows(&[&role.name], matrix.permission(name).expect("a permission"));
                prop_assert!(!may(&before) || may(&after));
            }
        }
    }

    #[test]
    fn any_roles_are_read(inherits in prop::collection::vec(("[ab]", prop::collection::vec("[abc]", 0..3), "[a-z:*]{0,6}"), 0..6)) {
        let roles = inherits.into_iter().map(|(name, from, given)| Role::new(name, [given]).inherits(from));
        let _ = Matrix::new(PERMISSIONS, roles);
    }
}
