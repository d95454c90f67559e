//! What a column's name says of the person that it names: whose the row is, or who did something with it.

/// What somebody is to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Whose it is, or who wrote it: `author_id`, `owner_id`.
    Owner,
    /// Who made it, of which it is not said whose it is then: `created_by`.
    Maker,
    /// Who is the other one: `recipient_id`, `friend_id`.
    Other,
    /// Who did something with it: `approved_by`, `editor_id`.
    Actor,
}

/// The role that the words of a column say, in the form of [`super::name::stem`].
pub(crate) fn role(words: &[String]) -> Option<Role> {
    let mut words = words;
    while let [head @ .., last] = words
        && matches!(last.as_str(), "id" | "uuid" | "guid" | "fk")
    {
        words = head;
    }
    // `last_edited_by_user_id`, `from_user_id`.
    if let [head @ .., last] = words
        && is_person(last)
        && !head.is_empty()
    {
        words = head;
    }
    match words {
        [] => None,
        [.., from] if from == "from" => Some(Role::Owner),
        [to] if to == "to" => Some(Role::Other),
        [.., verb, by] if by == "by" => {
            Some(if matches!(verb.as_str(), "created" | "made" | "added" | "written" | "posted" | "submitted") {
                Role::Maker
            } else {
                Role::Actor
            })
        }
        [.., verb, to] if to == "to" && verb == "assigned" => Some(Role::Actor),
        [.., last] => ROLES.iter().find(|(names, _)| names.contains(&last.as_str())).map(|(_, role)| *role),
    }
}

/// Whether a word is one for persons in general.
pub(super) fn is_person(word: &str) -> bool {
    matches!(word, "user" | "person" | "account" | "member" | "customer" | "profile" | "people")
}

const ROLES: &[(&[&str], Role)] = &[
    (
        &[
            "author",
            "owner",
            "sender",
            "voter",
            "poster",
            "commenter",
            "uploader",
            "buyer",
            "follower",
            "requester",
            "requestor",
            "submitter",
            "viewer",
            "subscriber",
            "participant",
            "blocker",
            "reporter",
            "student",
            "patient",
            "applicant",
            "attendee",
            "payer",
            "booker",
        ],
        Role::Owner,
    ),
    (&["creator"], Role::Maker),
    (
        &[
            "recipient",
            "receiver",
            "friend",
            "followee",
            "followed",
            "invitee",
            "addressee",
            "seller",
            "contact",
            "partner",
            "blocked",
            "muted",
            "mentioned",
            "target",
            "winner",
            "payee",
            "referrer",
            "referred",
        ],
        Role::Other,
    ),
    (
        &[
            "assignee",
            "assigner",
            "assignor",
            "reviewer",
            "approver",
            "moderator",
            "editor",
            "updater",
            "modifier",
            "deleter",
            "inviter",
            "resolver",
            "manager",
            "supervisor",
            "operator",
            "closer",
            "publisher",
            "curator",
            "mentor",
            "teacher",
            "host",
            "actor",
            "committer",
            "merger",
            "granter",
            "admin",
            "agent",
            "inspector",
            "verifier",
            "trainer",
        ],
        Role::Actor,
    ),
];

#[cfg(test)]
mod tests {
    use super::{super::name::stems, *};

    #[test]
    fn roles_are_told_by_the_last_word() {
        let of = |name: &str| role(&stems(name));
        assert_eq!(of("author_id"), Some(Role::Owner));
        assert_eq!(of("lastEditorId"), Some(Role::Actor));
        assert_eq!(of("created_by"), Some(Role::Maker));
        assert_eq!(of("created_by_id"), Some(Role::Maker));
        assert_eq!(of("approved_by"), Some(Role::Actor));
        assert_eq!(of("assigned_to"), Some(Role::Actor));
        assert_eq!(of("recipient_uuid"), Some(Role::Other));
        assert_eq!(of("last_edited_by_user_id"), Some(Role::Actor));
        assert_eq!((of("from_user_id"), of("to_user_id")), (Some(Role::Owner), Some(Role::Other)));
        assert_eq!((of("target_account_id"), of("user_id")), (Some(Role::Other), None));
        for name in ["product_id", "id", "", "by", "authored", "sort_by_x"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
