//! Findings for the tests of the printers.

use dbopt_finding::{Finding, Place};

pub(crate) fn findings() -> Vec<Finding> {
    let mut place = Place::at("./a,b/run.toml", 3, 7);
    place.snippet = Some("zone = 1".to_owned());
    vec![
        Finding::error("wrong-type", "`zone` is 1\n::error::100%").at(place).help("Write a string."),
        Finding::warning("old-key", "a\u{1b}[31mb").at(Place::file("/etc/run.toml")),
        Finding::note("no-place", "nothing to do"),
    ]
}
