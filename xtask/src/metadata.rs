//! The part of `cargo metadata` the chores need.

use std::path::PathBuf;

use serde::Deserialize;

use crate::{command, error::Error};

/// The workspace: its members and its folders.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// The members; `--no-deps` leaves every other package out.
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_root: PathBuf,
    pub(crate) target_directory: PathBuf,
}

/// One member of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One declared dependency, on a member or on a foreign crate.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The package's own name, whatever the manifest renames it to.
    pub(crate) name: String,
    /// `None` is a normal dependency.
    pub(crate) kind: Option<Kind>,
}

/// The kinds of dependency that are not normal ones.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Build,
    Dev,
}

impl Metadata {
    /// Asks cargo about the workspace around the current folder.
    pub(crate) fn load() -> Result<Self, Error> {
        let mut cargo = command::cargo(["metadata", "--format-version", "1", "--no-deps"]);
        Self::parse(&command::output(&mut cargo)?)
    }

    /// Reads what `cargo metadata --format-version 1 --no-deps` prints.
    pub(crate) fn parse(json: &str) -> Result<Self, Error> {
        serde_json::from_str(json).map_err(|source| Error::Metadata { source })
    }
}
