//! The policy `passwords` (feature `policy`).

use std::num::NonZeroUsize;

use dbopt_crypto::{Key, KeyId};
use dbopt_policy::{Bytes, Fault, FromValue, Policy, SecretRef, Shape, Table, Value};

use super::{Cost, Legacy, PasswordConfig, PasswordError, Passwords, Peppers};

/// The longest password that a policy may allow, in bytes: more is no password but an attack.
const MOST_BYTES: i64 = 4096;
/// The fewest characters that NIST SP 800-63B, section 3.1.1.2, allows.
const LEAST_CHARACTERS: usize = 8;

/// What the policy says.
#[derive(Clone, Debug)]
pub struct PasswordPolicy {
    /// All but the peppers, whose secrets are not looked up yet.
    pub config: PasswordConfig,
    peppers: Vec<(KeyId, SecretRef)>,
    active: Option<KeyId>,
}

impl PasswordPolicy {
    /// Looks up the peppers.
    ///
    /// # Errors
    /// When one cannot be had, or is no key.
    pub fn config(&self) -> Result<PasswordConfig, Fault> {
        let mut keys = Vec::with_capacity(self.peppers.len());
        for (id, secret) in &self.peppers {
            let key = Key::parse(secret.resolve()?.expose());
            let key =
                key.map_err(|error| Fault::new("bad-pepper", format!("pepper `{id}` cannot be used: {error}")))?;
            keys.push((id.clone(), key));
        }
        let peppers = Peppers::new(keys, self.active.clone());
        let peppers = peppers.map_err(|error| Fault::new("bad-pepper", error.to_string()))?;
        Ok(PasswordConfig { peppers, ..self.config.clone() })
    }

    /// Looks up the peppers, and is ready.
    ///
    /// # Errors
    /// As for [`Self::config`], and when the operating system gives no random bytes.
    pub fn passwords(&self) -> Result<Passwords, Fault> {
        Passwords::new(self.config()?).map_err(|error: PasswordError| Fault::new("no-passwords", error.to_string()))
    }
}

impl Policy for PasswordPolicy {
    const KIND: &'static str = "passwords";
    const ABOUT: &'static str = "How passwords are hashed, and which hashes are still accepted.";

    fn read(table: &Table<'_>) -> Option<Self> {
        let fallback = PasswordConfig::default();
        let cost = table.section("argon2id", "What a new hash costs; one that costs less is replaced at login.", cost);
        let shortest = table.or("shortest", "The fewest characters of a new password.", fallback.shortest);
        let longest = table.or("longest", "The most bytes of a password, new or not.", Length(fallback.longest)).0;
        if shortest < LEAST_CHARACTERS {
            let fault =
                Fault::new("short-passwords", format!("passwords may have fewer than {LEAST_CHARACTERS} characters"));
            table.warn("shortest", fault.help("Say `shortest = 8` or more; 15 where a password is all there is."));
        }
        if shortest > longest {
            table.reject("longest", Fault::new("contradiction", "no password is long enough and short enough"));
        }
        let at_once = table
            .optional::<std::num::NonZeroU32>("at_once", "How many hashes run at once, each in memory of its own.");
        let at_once = at_once.and_then(|count| NonZeroUsize::try_from(count).ok()).unwrap_or(fallback.at_once);
        let waiting =
            table.or("waiting", "How many more wait; the rest is told at once to come again.", fallback.waiting);
        let patience = table.or("patience", "How long they wait.", fallback.patience);
        let legacy = table
            .or(
                "accept",
                "The algorithms that are accepted besides argon2id, until their hashes are replaced.",
                LegacyList(fallback.legacy),
            )
            .0;
        let (peppers, active) =
            table.section("pepper", "A secret that is not in the database, and goes into each hash.", peppers);
        Some(Self {
            config: PasswordConfig {
                cost: cost?,
                shortest,
                longest,
                at_once,
                waiting,
                patience,
                legacy,
                peppers: Peppers::default(),
            },
            peppers,
            active,
        })
    }
}

fn cost(table: &Table<'_>) -> Option<Cost> {
    let fallback = Cost::default();
    let memory = table.or("memory", "The memory of a hash.", Bytes(u64::from(fallback.memory()) * 1024));
    let passes = table.or("passes", "How often it is gone over.", fallback.passes());
    let lanes = table.or("lanes", "How many parts of it could be gone over at once.", fallback.lanes());
    if !memory.0.is_multiple_of(1024) {
        table.reject("memory", Fault::new("bad-cost", format!("`{memory}` is no whole number of kB")));
        return None;
    }
    let cost = Cost::new(u32::try_from(memory.0 / 1024).unwrap_or(u32::MAX), passes, lanes);
    match cost {
        Ok(cost) => {
            if !cost.is_enough() {
                let fault = Fault::new("weak-cost", format!("argon2id with {cost} costs less than OWASP asks for"));
                table.warn(
                    "memory",
                    fault.help(format!("Take at least {}, or ask `dbopt password calibrate`.", fallback)),
                );
            }
            if lanes > 1 {
                let fault =
                    Fault::new("many-lanes", "lanes are computed one after another here, and at once by an attacker");
                table.warn("lanes", fault.help("Say `lanes = 1`."));
            }
            Some(cost)
        }
        Err(error) => {
            let key = match error {
                super::InvalidCost::Lanes => "lanes",
                super::InvalidCost::Passes | super::InvalidCost::Work => "passes",
                super::InvalidCost::Memory { .. } => "memory",
            };
            table.reject(key, Fault::new("bad-cost", error.to_string()));
            None
        }
    }
}

fn peppers(table: &Table<'_>) -> (Vec<(KeyId, SecretRef)>, Option<KeyId>) {
    let active = table.optional::<Name>("active", "The one that new hashes have; without it, none.");
    let keys = table.named("key", "A pepper, by its name of up to 8 characters.", |name, table| {
        let secret = table.required::<SecretRef>("secret", "Where its 32 bytes or more are, in hexadecimal or base64.");
        let id = match KeyId::new(name) {
            Ok(id) => Some(id),
            // The read that describes the document has no name.
            Err(_) if name.is_empty() => None,
            Err(error) => {
                table.reject("", Fault::new("bad-pepper", error.to_string()));
                None
            }
        };
        Some((id?, secret?))
    });
    let keys: Vec<_> = keys.into_iter().map(|(_, key)| key).collect();
    let active = active.map(|Name(id)| id);
    let known = keys.iter().any(|(id, _)| Some(id) == active.as_ref());
    if let Some(id) = &active
        && !known
        && !table.contains(id.as_str())
    {
        let fault = Fault::new("unknown-pepper", format!("there is no pepper `{id}`"));
        table.reject("active", fault.help(format!("Add a section `[pepper.key.{id}]`.")));
    }
    for (id, _) in keys.iter().filter(|(id, _)| id.as_str().len() > 8) {
        table.reject("key", Fault::new("bad-pepper", format!("the name of pepper `{id}` is longer than 8 characters")));
    }
    (keys, active)
}

/// The name of a key.
struct Name(KeyId);

impl FromValue for Name {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        value.parsed(&Self::shape(), |text| {
            KeyId::new(text).map(Self).map_err(|error| Fault::new("bad-pepper", error.to_string()))
        })
    }

    fn shape() -> Shape {
        Shape::Text { what: "the name of a key", pattern: Some("^[a-z0-9._-]{1,64}$"), examples: &["p1"] }
    }
}

/// Bytes of a password.
struct Length(usize);

impl FromValue for Length {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        usize::try_from(value.integer(8, MOST_BYTES)?).ok().map(Self)
    }

    fn shape() -> Shape {
        Shape::Integer { min: 8, max: MOST_BYTES }
    }
}

/// Names of algorithms.
struct LegacyList(Vec<Legacy>);

impl FromValue for LegacyList {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        let names = Legacy::ALL.map(|legacy| (legacy.name(), legacy));
        let items = value.items(&Self::shape())?;
        let read: Vec<_> = items.iter().filter_map(|item| item.choice(&names)).collect();
        (read.len() == items.len()).then_some(Self(read))
    }

    fn shape() -> Shape {
        Shape::List(Box::new(Shape::OneOf(Legacy::ALL.iter().map(|legacy| legacy.name()).collect())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(body: &str) -> Result<(PasswordPolicy, Vec<String>), Vec<String>> {
        let text = format!("policy = 'passwords'\nversion = 1\n{body}");
        match dbopt_policy::parse::<PasswordPolicy>(text, "p.toml") {
            Ok(loaded) => Ok((loaded.policy, loaded.findings.iter().map(|finding| finding.code.to_string()).collect())),
            Err(refused) => Err(refused.findings.iter().map(|finding| finding.code.to_string()).collect()),
        }
    }

    #[test]
    fn each_key_has_its_effect() {
        let (policy, weak) = read(
            "shortest = 15\nlongest = 200\nat_once = 3\nwaiting = 7\npatience = '2s'\naccept = ['bcrypt']\n\
             [argon2id]\nmemory = '46MB'\npasses = 3\nlanes = 1\n\
             [pepper]\nactive = 'p2'\nkey.p1.secret = 'env:P1'\nkey.p2.secret = 'env:P2'\n",
        )
        .expect("good");
        let config = &policy.config;
        assert_eq!(config.cost, Cost::new(46 * 1024, 3, 1).expect("a cost"));
        assert_eq!((config.shortest, config.longest, config.at_once.get(), config.waiting), (15, 200, 3, 7));
        assert_eq!((config.patience, &*config.legacy), (Duration::from_secs(2), &[Legacy::Bcrypt][..]));
        assert_eq!(policy.peppers.len(), 2);
        assert_eq!(policy.active.as_ref().map(KeyId::as_str), Some("p2"));
        assert_eq!(weak, [""; 0]);
    }

    #[test]
    fn nothing_but_the_header_is_the_default() {
        let (policy, weak) = read("").expect("good");
        assert_eq!((policy.config.cost, weak.len()), (Cost::default(), 0));
        let passwords = policy.passwords().expect("no secrets are needed");
        assert!(passwords.hash(b"correct horse").expect("a hash").starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[test]
    fn weak_choices_are_told() {
        let weak = |body| read(body).expect("valid").1;
        assert_eq!(weak("[argon2id]\nmemory = '19MB'\npasses = 1"), ["weak-cost"]);
        assert_eq!(weak("[argon2id]\nlanes = 4"), ["many-lanes"]);
        assert_eq!(weak("shortest = 6"), ["short-passwords"]);
    }

    #[test]
    fn faults_are_told() {
        let faults = |body| read(body).expect_err("faults");
        assert_eq!(faults("[argon2id]\nmemory = '20000000B'"), ["bad-cost"]);
        assert_eq!(faults("[argon2id]\nmemory = '4kB'"), ["bad-cost"]);
        assert_eq!(faults("[argon2id]\npasses = 0"), ["bad-cost"]);
        assert_eq!(faults("[argon2id]\nmemory = '4GB'\npasses = 1000"), ["bad-cost"]);
        assert_eq!(faults("accept = ['md5']"), ["bad-value"]);
        assert_eq!(faults("longest = 100000"), ["out-of-range"]);
        assert_eq!(faults("longest = 9\nshortest = 12"), ["contradiction"]);
        assert_eq!(faults("pepper.active = 'p1'"), ["unknown-pepper"]);
        assert_eq!(faults("pepper.key.pepper-26.secret = 'env:P'"), ["bad-pepper"]);
        assert_eq!(faults("pepper.key.P1.secret = 'env:P'"), ["bad-pepper"]);
        assert_eq!(faults("pepper.key.p1.secret = 'hunter2'"), ["bad-secret"]);
    }

    #[test]
    fn a_pepper_that_is_no_key_is_told_without_it() {
        let folder = std::env::temp_dir().join(format!("dbopt-auth-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("pepper");
        let (policy, _) = read(&format!("pepper.key.p1.secret = 'file:{}'", path.display())).expect("good");
        assert_eq!(policy.config().expect_err("missing").code, "missing-secret");
        std::fs::write(&path, "hunter2").expect("written");
        std::os::unix::fs::chown(&path, None, None).expect("ours");
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("changed");
        let fault = policy.config().expect_err("no key");
        assert!(fault.code == "bad-pepper" && !fault.to_string().contains("hunter2"), "{fault}");
        std::fs::write(&path, "ab".repeat(16) + &"cd".repeat(16)).expect("written");
        assert!(policy.config().is_ok());
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
