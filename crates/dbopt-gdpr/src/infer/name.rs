//! Names as people make them: words, one and many, and the names that frameworks give to classes.
//!
//! A column `author_id` and a table `authors` are told to belong together by convention only. Rails, Django, Laravel and Hibernate name
//! tables in the plural or not, with a prefix of the module or not; so names are compared by words, each in a form
//! that is the same for one and for many.

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

/// A form of a word that is the same for one and for many. It is compared and never shown: `movie` and `movies` are both `movy`.
pub(super) fn stem(word: &str) -> String {
    if let Some((one, _)) = IRREGULAR.iter().find(|(one, many)| word == *one || word == *many) {
        return (*one).to_owned();
    }
    if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") || word.len() < 3 {
        return word.to_owned();
    }
    let one = word.strip_suffix('s').unwrap_or(word);
    if let Some(rest) = one.strip_suffix("ie").or_else(|| one.strip_suffix('y')) {
        return format!("{rest}y");
    }
    // `boxes` and `houses`, `box` and `house`.
    let hisses = |rest: &&str| ["s", "x", "z", "ch", "sh"].iter().any(|end| rest.ends_with(end));
    one.strip_suffix('e').filter(hisses).unwrap_or(one).to_owned()
}

/// The stems of a name's words.
pub(super) fn stems(name: &str) -> Vec<String> {
    words(name).iter().map(|word| stem(word)).collect()
}

/// One of what a word says, as people write it.
pub(super) fn singular(word: &str) -> String {
    if let Some((one, _)) = IRREGULAR.iter().find(|(one, many)| word == *one || word == *many) {
        return (*one).to_owned();
    }
    let keeps = ["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    if keeps || word.len() < 3 {
        return word.to_owned();
    }
    if let Some(rest) = word.strip_suffix("ies").filter(|rest| rest.len() > 2 && *rest != "mov" && *rest != "cook") {
        return format!("{rest}y");
    }
    let hissing = ["sses", "uses", "xes", "zzes", "ches", "shes"].iter().any(|end| word.ends_with(end));
    if hissing && !matches!(word, "houses" | "causes" | "clauses" | "caches" | "axes") {
        return word[..word.len() - 2].to_owned();
    }
    word.strip_suffix('s').unwrap_or(word).to_owned()
}

/// The name of one row of a table: `order_items` has `order_item`.
pub(super) fn one_of(table: &str) -> Vec<String> {
    let mut words = words(table);
    if let Some(last) = words.last_mut() {
        *last = singular(last);
    }
    words
}

/// The names by which a column of types may tell a table: of the class (Rails, Django's `model`, Doctrine), and of the table itself.
pub(super) fn type_names(table: &str) -> Vec<String> {
    let capital = |word: &String| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    let one = one_of(table);
    let mut names = vec![one.iter().map(capital).collect::<String>(), one.join("_")];
    for other in [one.concat(), table.to_owned(), one.join("_").to_uppercase()] {
        if !names.contains(&other) {
            names.push(other);
        }
    }
    names
}

const IRREGULAR: &[(&str, &str)] = &[
    ("person", "people"),
    ("child", "children"),
    ("man", "men"),
    ("woman", "women"),
    ("taxon", "taxa"),
    ("index", "indices"),
    ("vertex", "vertices"),
    ("matrix", "matrices"),
    ("criterion", "criteria"),
    ("medium", "media"),
    ("alias", "aliases"),
    ("analysis", "analyses"),
    ("series", "series"),
    ("species", "species"),
    ("news", "news"),
    ("status", "statuses"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_by_their_words() {
        assert_eq!(words("userEmail2"), ["user", "email"]);
        assert_eq!(words("USER-EMAIL"), ["user", "email"]);
        assert_eq!(words("_id"), ["id"]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn one_and_many_have_one_stem() {
        for (one, many) in [
            ("user", "users"),
            ("category", "categories"),
            ("movie", "movies"),
            ("box", "boxes"),
            ("house", "houses"),
            ("address", "addresses"),
            ("status", "statuses"),
            ("person", "people"),
            ("invoice", "invoices"),
            ("case", "cases"),
            ("batch", "batches"),
            ("alias", "aliases"),
            ("key", "keys"),
        ] {
            assert_eq!(stem(one), stem(many), "{one}");
            assert_eq!(singular(many), one);
            assert_eq!(singular(one), one);
        }
        assert_ne!(stem("news"), stem("new"));
    }

    #[test]
    fn classes_are_named_as_frameworks_name_them() {
        assert_eq!(type_names("order_items"), ["OrderItem", "order_item", "orderitem", "order_items", "ORDER_ITEM"]);
        assert_eq!(type_names("people"), ["Person", "person", "people", "PERSON"]);
    }

    proptest! {
        #[test]
        fn any_name_has_stems(name in "\\PC*") {
            let _ = (stems(&name), type_names(&name));
        }
    }
}
