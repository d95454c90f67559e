//! Extensions that give better answers. None is required.

use super::{Area, Check, Facts, Verdict};

/// An extension, what it is for, and the commands that use it.
struct Extension {
    name: &'static str,
    without: &'static str,
    commands: &'static [&'static str],
    /// Whether the server must load it when it starts.
    preloaded: bool,
}

const EXTENSIONS: [Extension; 2] = [
    Extension {
        name: "hypopg",
        without: "Without it, advice rests on dbopt's own model of the planner.",
        commands: &["advise"],
        preloaded: false,
    },
    Extension {
        name: "pg_stat_statements",
        without: "Without it, a workload can be read from logs alone.",
        commands: &["advise"],
        preloaded: true,
    },
];

pub(super) fn check(facts: &Facts) -> Vec<Check> {
    EXTENSIONS.iter().map(|extension| one(facts, extension)).collect()
}

fn one(facts: &Facts, extension: &Extension) -> Check {
    let name = extension.name;
    let check =
        |verdict, found: String| Check::new(Area::Extensions, name, verdict, found).commands(extension.commands);
    let create = format!("CREATE EXTENSION {name};");
    let loaded = facts
        .setting("shared_preload_libraries")
        .map(|libraries| libraries.split(',').any(|library| library.trim().trim_matches('"') == name));
    let unloaded = extension.preloaded && loaded == Some(false);
    let load = unloaded.then(|| load(facts, "shared_preload_libraries", name));
    match facts.extensions.get(name) {
        Some(Some(version)) if !unloaded => check(Verdict::Good, format!("version {version}")),
        Some(Some(_)) => check(Verdict::Limited, "installed, but the server does not load it".to_owned())
            .help("The server has to be restarted afterwards.")
            .fix(load),
        Some(None) => {
            let help = match loaded {
                Some(false) if extension.preloaded => "The server has to be restarted before it works. ",
                None if extension.preloaded => {
                    "It works when shared_preload_libraries, which this user may not see, names it. "
                }
                _ => "",
            };
            check(Verdict::Limited, "available, not installed in this database".to_owned())
                .help(format!("{help}{}", extension.without))
                .fix(load.into_iter().chain([create]))
        }
        None => {
            let package = match name {
                "hypopg" => format!("postgresql-{}-hypopg", facts.version / 10_000),
                _ => format!("postgresql-contrib or postgresql-{}", facts.version / 10_000),
            };
            check(Verdict::Limited, "not on the server".to_owned())
                .help(format!("{} On Debian and Ubuntu it is in the package {package}.", extension.without))
        }
    }
}

/// The statement that adds a library to a list setting.
pub(super) fn load(facts: &Facts, setting: &str, library: &str) -> String {
    let others = facts.setting(setting).unwrap_or_default().split(',').map(|other| other.trim().trim_matches('"'));
    let libraries = others.filter(|other| !other.is_empty()).chain([library]).map(dbopt_sql::quote_literal);
    format!("ALTER SYSTEM SET {setting} = {};", libraries.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(installed: Option<&str>, preload: Option<&str>) -> Check {
        let mut facts = Facts { version: 150_000, ..Facts::default() };
        facts.extensions.insert("pg_stat_statements".to_owned(), installed.map(str::to_owned));
        if let Some(preload) = preload {
            facts.settings.insert("shared_preload_libraries".to_owned(), preload.to_owned());
        }
        one(&facts, &EXTENSIONS[1])
    }

    #[test]
    fn what_has_to_be_loaded_keeps_what_is_loaded() {
        let check = statements(None, Some("auto_explain"));
        assert_eq!(
            check.fix,
            [
                "ALTER SYSTEM SET shared_preload_libraries = 'auto_explain', 'pg_stat_statements';",
                "CREATE EXTENSION pg_stat_statements;"
            ]
        );
        assert_eq!(statements(Some("1.10"), Some("pg_stat_statements")).verdict, Verdict::Good);
        assert_eq!(statements(Some("1.10"), Some("")).verdict, Verdict::Limited);
    }

    #[test]
    fn a_hidden_setting_is_not_taken_for_an_empty_one() {
        assert_eq!(statements(Some("1.10"), None).verdict, Verdict::Good);
        assert_eq!(statements(None, None).fix, ["CREATE EXTENSION pg_stat_statements;"]);
    }

    #[test]
    fn what_is_not_there_is_named_with_its_package() {
        let check = one(&Facts { version: 160_002, ..Facts::default() }, &EXTENSIONS[0]);
        assert!(check.help.as_deref().is_some_and(|help| help.contains("postgresql-16-hypopg")), "{check:?}");
    }
}
