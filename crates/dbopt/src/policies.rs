//! The kinds of policy that this program knows, a line for each.

use dbopt_policy::Kind;

/// The kinds by name.
pub(crate) const KINDS: &[Kind] = &[
    Kind::of::<dbopt_crypto::EncryptionPolicy>(),
    Kind::of::<dbopt_gdpr::GdprPolicy>(),
    Kind::of::<dbopt_maintain::MaintenancePolicy>(),
    Kind::of::<dbopt_auth::AccessPolicy>(),
    Kind::of::<dbopt_auth::PasswordPolicy>(),
    Kind::of::<dbopt_ratelimit::LimitPolicy>(),
    Kind::of::<dbopt_run::RunPolicy>(),
];

/// The kind of a name.
pub(crate) fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_kind_ships_a_policy_that_is_good() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
        for kind in KINDS {
            let path = folder.join(format!("{}.toml", kind.name));
            let checked = dbopt_policy::check(&path, KINDS, dbopt_policy::Options { secrets: false });
            assert_eq!((checked.kind, checked.findings), (Some(kind.name), Vec::new()));
        }
        let shipped = std::fs::read_dir(folder).expect("a folder").count();
        assert_eq!(shipped, KINDS.len(), "a policy is shipped for each kind, and for nothing else");
    }
}
