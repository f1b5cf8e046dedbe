//! What a crate's tree of normal dependencies may not hold.
//!
//! Each crate is resolved by itself, as a stranger who uses only that crate would get it: the
//! features other members switch on do not count. Default features are on.

use std::collections::BTreeSet;

use super::{Layer, Row};
use crate::{
    command::{self, cargo},
    error::Error,
    metadata::Metadata,
};

/// Packages that may not be in the trees of some crates.
struct Absence {
    crates: fn(&Row) -> bool,
    packages: fn(&str) -> bool,
    why: &'static str,
}

const ABSENCES: &[Absence] = &[
    Absence {
        crates: |row| row.layer == Layer::L0,
        packages: |name| name == "burn" || name.starts_with("burn-"),
        why: "nothing in L0 knows burn",
    },
    Absence {
        crates: |row| row.layer == Layer::L1,
        packages: is_backend,
        why: "L1 names no backend",
    },
    Absence {
        crates: |row| row.layer == Layer::L1,
        packages: |name| ["tokenizers", "hyper", "reqwest", "ureq"].contains(&name),
        why: "L1 knows neither a tokenizer nor HTTP",
    },
    Absence {
        crates: |row| ["refire-math", "refire-sandbox"].contains(&row.name),
        packages: |name| name == "refire" || name.starts_with("refire-"),
        why: "it is a product by itself",
    },
];

fn is_backend(name: &str) -> bool {
    const BACKENDS: [&str; 9] = [
        "burn-candle",
        "burn-cpu",
        "burn-cubecl",
        "burn-cuda",
        "burn-flex",
        "burn-ndarray",
        "burn-rocm",
        "burn-tch",
        "burn-wgpu",
    ];
    BACKENDS.contains(&name)
}

/// Asks cargo for the tree of every member that has a row.
pub(super) fn check(metadata: &Metadata) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for row in metadata.packages.iter().filter_map(|package| Row::find(&package.name)) {
        if ABSENCES.iter().any(|absence| (absence.crates)(row)) {
            found.extend(forbidden(row, &packages(metadata, row.name)?));
        }
    }
    Ok(found)
}

/// The packages in one crate's tree, itself left out.
fn packages(metadata: &Metadata, name: &str) -> Result<BTreeSet<String>, Error> {
    let args = ["tree", "--package", name, "--edges", "normal", "--prefix", "none"];
    let mut tree = cargo(args);
    tree.current_dir(&metadata.workspace_root);
    let mut packages = names(&command::output(&mut tree)?);
    packages.remove(name);
    Ok(packages)
}

/// The first word of each line of `cargo tree --prefix none`.
pub(super) fn names(tree: &str) -> BTreeSet<String> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Names, for each absence, the packages in the tree that the crate may not hold.
pub(super) fn forbidden(row: &Row, packages: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for absence in ABSENCES.iter().filter(|absence| (absence.crates)(row)) {
        let held: Vec<&str> =
            packages.iter().map(String::as_str).filter(|name| (absence.packages)(name)).collect();
        if !held.is_empty() {
            found.push(format!(
                "the tree of `{}` holds {}: {}",
                row.name,
                held.join(", "),
                absence.why
            ));
        }
    }
    found
}
