//! Reloading a document when its files change.
//!
//! The files are asked for their state instead of the kernel for events: it works on every file system, sees a file that
//! is replaced by renaming as editors and Kubernetes do, and a policy has no hurry. A document that has become bad
//! changes nothing: the last good one stays, and the findings are told.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::SystemTime,
};

use dbopt_finding::Finding;

use crate::{Loaded, Options, Policy, Refused, load_with};

/// A document and the state of its files.
#[derive(Debug)]
pub struct Watch<T> {
    path: PathBuf,
    options: Options,
    current: T,
    /// The files of the last attempt, good or bad.
    files: Vec<(PathBuf, Option<State>)>,
}

/// What changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a, T> {
    /// The document was loaded anew.
    Reloaded {
        /// The document, which is the current one from now on.
        policy: &'a T,
        /// What is worth saying about it; no errors.
        findings: Vec<Finding>,
    },
    /// The document is bad now; the one from before stays.
    Kept {
        /// The document from before.
        policy: &'a T,
        /// Why the new one cannot be used.
        findings: Vec<Finding>,
    },
}

/// What differs when a file has changed. The number of the file tells a replaced file with an old date apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    modified: Option<SystemTime>,
    length: u64,
    number: u64,
}

impl<T: Policy> Watch<T> {
    /// Loads a document that is to be watched, and gives what is worth saying about it.
    ///
    /// # Errors
    ///
    /// With all findings when there is no good document to begin with.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<(Self, Vec<Finding>), Refused> {
        let path = path.as_ref().to_path_buf();
        // The state is taken before reading, so that a change meanwhile is seen at the next look.
        let before = State::of(&path);
        let Loaded { policy, findings, files } = load_with(&path, options)?;
        let files = states(&path, before, files, &[]);
        Ok((Self { path, options, current: policy, files }, findings))
    }

    /// The last good document.
    pub fn current(&self) -> &T {
        &self.current
    }

    /// Looks whether a file has changed, and if so loads the document and tells what came of it. To be called every few
    /// seconds; it costs one `stat` for each file.
    pub fn poll(&mut self, tell: impl FnOnce(Event<'_, T>)) {
        let now: Vec<_> = self.files.iter().map(|(path, _)| (path.clone(), State::of(path))).collect();
        if now == self.files {
            return;
        }
        let before = State::of(&self.path);
        match load_with(&self.path, self.options) {
            Ok(Loaded { policy, findings, files }) => {
                self.current = policy;
                self.files = states(&self.path, before, files, &now);
                tell(Event::Reloaded { policy: &self.current, findings });
            }
            Err(Refused { findings, files, .. }) => {
                self.files = states(&self.path, before, files, &now);
                tell(Event::Kept { policy: &self.current, findings });
            }
        }
    }
}

impl State {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let number = 0;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), number })
    }
}

/// The files to watch with their states, as far as they were known before the files were read.
fn states(
    path: &Path,
    before: Option<State>,
    files: Vec<PathBuf>,
    known: &[(PathBuf, Option<State>)],
) -> Vec<(PathBuf, Option<State>)> {
    let mut states = vec![(path.to_path_buf(), before)];
    for file in files.into_iter().filter(|file| file != path).collect::<BTreeSet<_>>() {
        let state = known.iter().find(|(other, _)| *other == file).map(|(_, state)| state.clone());
        let state = state.unwrap_or_else(|| State::of(&file));
        states.push((file, state));
    }
    states
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Table;

    #[derive(Debug, PartialEq)]
    struct Limit(u32);

    impl Policy for Limit {
        const KIND: &'static str = "limit";
        const ABOUT: &'static str = "A limit.";

        fn read(table: &Table<'_>) -> Option<Self> {
            table.required("limit", "How many.").map(Self)
        }
    }

    const HEADER: &str = "policy = 'limit'\nversion = 1\n";

    /// Looks once: the limit from now on, and whether it was reloaded, or why not.
    fn look(watch: &mut Watch<Limit>) -> (u32, Option<Result<(), &'static str>>) {
        let mut told = None;
        watch.poll(|event| {
            told = Some(match event {
                Event::Reloaded { .. } => Ok(()),
                Event::Kept { findings, .. } => Err(findings[0].code.0),
            });
        });
        (watch.current().0, told)
    }

    #[test]
    fn a_change_is_loaded_and_a_bad_one_keeps_the_old() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("limit.toml");
        fs::write(&path, format!("{HEADER}limit = 1")).expect("written");
        let (mut watch, _) = Watch::<Limit>::open(&path, Options::default()).expect("good");
        assert_eq!(look(&mut watch), (1, None));
        fs::write(&path, format!("{HEADER}limit = 22")).expect("written");
        assert_eq!(look(&mut watch), (22, Some(Ok(()))));
        fs::write(&path, format!("{HEADER}limit = 'many'")).expect("written");
        assert_eq!(look(&mut watch), (22, Some(Err("wrong-type"))));
        assert_eq!(look(&mut watch), (22, None));
        fs::remove_file(&path).expect("removed");
        assert_eq!(look(&mut watch), (22, Some(Err("unreadable-file"))));
        fs::write(&path, format!("{HEADER}limit = 3")).expect("written");
        assert_eq!(look(&mut watch), (3, Some(Ok(()))));
    }

    #[test]
    fn a_file_renamed_over_the_old_one_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, new) = (folder.path().join("limit.toml"), folder.path().join("new.toml"));
        fs::write(&path, format!("{HEADER}limit = 1")).expect("written");
        fs::write(&new, format!("{HEADER}limit = 2")).expect("written");
        let date = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a date");
        fs::File::options().write(true).open(&new).and_then(|file| file.set_modified(date)).expect("set");
        let (mut watch, _) = Watch::<Limit>::open(&path, Options::default()).expect("good");
        fs::rename(&new, &path).expect("renamed");
        assert_eq!(look(&mut watch), (2, Some(Ok(()))));
    }

    #[test]
    fn includes_are_watched_those_that_are_missing_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, base) = (folder.path().join("limit.toml"), folder.path().join("base.toml"));
        fs::write(&base, "limit = 1").expect("written");
        fs::write(&path, format!("{HEADER}include = ['base.toml']")).expect("written");
        let (mut watch, _) = Watch::<Limit>::open(&path, Options::default()).expect("good");
        fs::remove_file(&base).expect("removed");
        assert_eq!(look(&mut watch), (1, Some(Err("unreadable-file"))));
        fs::write(&base, "limit = 200").expect("written");
        assert_eq!(look(&mut watch), (200, Some(Ok(()))));
    }
}
