//! Columns that look like data of persons, by their names and types.

use dbopt_catalog::TypeName;

use super::name::words;

/// What a column looks like, with its article; none when it looks like no data of persons.
#[must_use]
pub fn personal(name: &str, kind: &TypeName) -> Option<&'static str> {
    let words = words(name);
    let base = kind.base.as_deref().unwrap_or(&kind.name);
    let base = base.rsplit('.').next().unwrap_or(base);
    if matches!(base, "inet" | "cidr") {
        return Some(ADDRESS);
    }
    // Keys, flags and times say something about a person only with what they belong to.
    let is_text = matches!(kind.category, 'S' | 'U' | 'A' | 'E') || matches!(base, "bytea" | "json" | "jsonb" | "xml");
    let is_date = base == "date";
    if matches!(kind.category, 'B') || words.last().is_some_and(|last| matches!(last.as_str(), "id" | "count" | "at")) {
        return None;
    }
    let has = |word: &str| {
        let parts: Vec<&str> = word.split(' ').collect();
        words.windows(parts.len()).any(|run| run.iter().map(String::as_str).eq(parts.iter().copied()))
    };
    let (_, what) = NAMES.iter().find(|(names, what)| {
        (is_text
            || is_date && *what == BIRTH
            || base == "point" && *what == PLACE
            || is_number(kind) && *what == NUMBER)
            && names.iter().any(|name| has(name))
    })?;
    Some(what)
}

fn is_number(kind: &TypeName) -> bool {
    kind.category == 'N'
}

/// How much a column's look says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strength {
    /// It looks like this by a name that other things have as well: `name`, `description`, `position`.
    Weak,
    /// Hardly anything else has such a name.
    Strong,
}

/// How much it says that a column looks like this, by what [`personal`] gives.
pub(crate) fn strength(what: &str) -> Strength {
    if [NAME, TEXT, PLACE, PICTURE].contains(&what) { Strength::Weak } else { Strength::Strong }
}

pub(super) const MAIL: &str = "an e-mail address";
pub(super) const MAILS: &str = "a text with e-mail addresses";
pub(super) const PHONE: &str = "a telephone number";
pub(super) const ADDRESS: &str = "a network address";
pub(super) const CREDENTIAL: &str = "a credential";
pub(super) const PERSON: &str = "a person's name";
pub(super) const DEVICE: &str = "a trace of a device";
pub(super) const NAME: &str = "a name";
const TEXT: &str = "free text";
const PICTURE: &str = "a picture of a person";
pub(super) const BIRTH: &str = "a date of birth";
const PLACE: &str = "a place";
const NUMBER: &str = "a number that identifies a person";

/// Names by their words, each with what the column looks like.
const NAMES: &[(&[&str], &str)] = &[
    (&["email", "mail", "e mail", "emails"], MAIL),
    (&["phone", "telephone", "tel", "mobile", "fax", "msisdn", "phones", "cell"], PHONE),
    (&["ip", "ipaddr", "remote addr", "ip address", "ips"], ADDRESS),
    (
        &[
            "ssn",
            "passport",
            "iban",
            "bic",
            "tax number",
            "vat",
            "national",
            "credit card",
            "card number",
            "nhs",
            "pan",
        ],
        NUMBER,
    ),
    (&["birth", "birthday", "birthdate", "dob", "born"], BIRTH),
    (&["password", "passwd", "passphrase", "secret", "token", "otp", "salt"], CREDENTIAL),
    (
        &[
            "first name",
            "last name",
            "firstname",
            "lastname",
            "full name",
            "fullname",
            "surname",
            "given name",
            "family name",
            "display name",
            "user name",
            "username",
            "nickname",
            "nick",
            "login",
            "maiden name",
            "screen name",
            "real name",
        ],
        PERSON,
    ),
    (&["address", "street", "zip", "postcode", "postal", "city", "addr", "zipcode"], "a postal address"),
    (&["latitude", "longitude", "lat", "lng", "lon", "geo", "location", "position", "coordinates"], PLACE),
    (
        &["gender", "sex", "religion", "ethnicity", "nationality", "diagnosis", "disability"],
        "a special category of data",
    ),
    (&["user agent", "useragent", "fingerprint", "device", "cookie", "session data"], DEVICE),
    (&["avatar", "photo", "picture", "portrait", "signature"], PICTURE),
    (&["bio", "biography", "about me", "signature html"], "what a person says of themselves"),
    (&["name"], NAME),
    (&["body", "comment", "note", "notes", "message", "remark", "remarks", "text", "description", "content"], TEXT),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(name: &str, kind: &str) -> Option<&'static str> {
        personal(name, &TypeName::of(kind))
    }

    #[test]
    fn likely_names_are_known_and_others_are_not() {
        assert_eq!(looks("email", "text"), Some("an e-mail address"));
        assert_eq!(looks("contactEmail", "character varying"), Some("an e-mail address"));
        assert_eq!(looks("current_sign_in_ip", "inet"), Some("a network address"));
        assert_eq!(looks("seen_from", "inet"), Some("a network address"));
        assert_eq!(looks("birth_date", "date"), Some("a date of birth"));
        assert_eq!(looks("national_number", "bigint"), Some("a number that identifies a person"));
        assert_eq!(looks("last_name", "text"), Some("a person's name"));
        for (name, kind) in [
            ("email_id", "bigint"),
            ("email_confirmed", "boolean"),
            ("email_sent_at", "timestamp with time zone"),
            ("total", "numeric"),
            ("zip_count", "integer"),
            ("description_length", "integer"),
            ("shipped", "date"),
        ] {
            assert_eq!(looks(name, kind), None, "{name}");
        }
    }
}
