//! `cargo xtask data`: the features of `refire-data` that take too long to build for `ci`.

use crate::{
    command::{self, cargo},
    error::Error,
    metadata::Metadata,
};

/// Tests Parquet files, then the package outside the workspace that holds the query engine.
pub(crate) fn run(metadata: &Metadata) -> Result<(), Error> {
    let parquet = ["test", "--release", "-p", "refire-data", "--features", "parquet"];
    let manifest = "tests/distributed/Cargo.toml";
    let engine = ["test", "--release", "--manifest-path", manifest, "--", "--nocapture"];
    for arguments in [parquet.as_slice(), &engine] {
        let mut test = cargo(arguments.iter().copied());
        command::status(test.current_dir(&metadata.workspace_root))?;
    }
    Ok(())
}
