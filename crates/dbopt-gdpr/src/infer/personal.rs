//! Columns that look like data of persons, by their names and types.

use dbopt_catalog::TypeName;

/// What a column looks like, with its article; none when it looks like no data of persons.
#[must_use]
pub fn personal(name: &str, kind: &TypeName) -> Option<&'static str> {
    let words = words(name);
    let base = kind.base.as_deref().unwrap_or(&kind.name);
    let base = base.rsplit('.').next().unwrap_or(base);
    if matches!(base, "inet" | "cidr") {
        return Some("a network address");
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

const BIRTH: &str = "a date of birth";
const PLACE: &str = "a place";
const NUMBER: &str = "a number that identifies a person";

/// Names by their words, each with what the column looks like.
const NAMES: &[(&[&str], &str)] = &[
    (&["email", "mail", "e mail", "emails"], "an e-mail address"),
    (&["phone", "telephone", "tel", "mobile", "fax", "msisdn", "phones", "cell"], "a telephone number"),
    (&["ip", "ipaddr", "remote addr", "ip address", "ips"], "a network address"),
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
    (&["password", "passwd", "passphrase", "secret", "token", "otp", "salt"], "a credential"),
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
        "a person's name",
    ),
    (&["address", "street", "zip", "postcode", "postal", "city", "addr", "zipcode"], "a postal address"),
    (&["latitude", "longitude", "lat", "lng", "lon", "geo", "location", "position", "coordinates"], PLACE),
    (
        &["gender", "sex", "religion", "ethnicity", "nationality", "diagnosis", "disability"],
        "a special category of data",
    ),
    (&["user agent", "useragent", "fingerprint", "device", "cookie", "session data"], "a trace of a device"),
    (&["avatar", "photo", "picture", "portrait", "signature"], "a picture of a person"),
    (&["bio", "biography", "about me", "signature html"], "what a person says of themselves"),
    (&["name"], "a name"),
    (
        &["body", "comment", "note", "notes", "message", "remark", "remarks", "text", "description", "content"],
        "free text",
    ),
];

/// The words of a name: `userEmail2`, `user_email` and `USER-EMAIL` have the same.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in name.chars() {
        if !letter.is_alphabetic() {
            before = ' ';
            continue;
        }
        let begins = before == ' ' || letter.is_uppercase() && before.is_lowercase();
        match words.last_mut().filter(|_| !begins) {
            Some(word) => word.extend(letter.to_lowercase()),
            None => words.push(letter.to_lowercase().collect()),
        }
        before = letter;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(name: &str, kind: &str) -> Option<&'static str> {
        personal(name, &TypeName::of(kind))
    }

    #[test]
    fn names_are_read_by_their_words() {
        assert_eq!(words("userEmail2"), ["user", "email"]);
        assert_eq!(words("USER-EMAIL"), ["user", "email"]);
        assert_eq!(words("_id"), ["id"]);
        assert_eq!(words(""), [""; 0]);
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
