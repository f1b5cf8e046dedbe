//! `cargo xtask layers`: the crates keep to the layers of ARCHITECTURE.md.
//!
//! The table below is the whole rule for dependencies between our crates. [`tree`] checks what a
//! crate may not pull in from elsewhere, [`sources`] checks where `unsafe` stands.

use crate::{
    error::Error,
    metadata::{Kind, Metadata, Package},
};

mod sources;
#[cfg(test)]
mod tests;
mod tree;

/// How heavy a crate may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    /// No tensors, light.
    L0,
    /// Tensors, no model.
    L1,
    /// Models.
    L2,
    /// Loops and borders.
    L3,
    /// Not part of the library.
    Tool,
}

/// The refire crates a crate may use.
#[derive(Clone, Copy, Debug)]
enum MayUse {
    Only(&'static [&'static str]),
    Everything,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
struct Row {
    name: &'static str,
    layer: Layer,
    may_use: MayUse,
}

const fn row(name: &'static str, layer: Layer, may_use: &'static [&'static str]) -> Row {
    Row { name, layer, may_use: MayUse::Only(may_use) }
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    row("refire-core",      Layer::L0,   &[]),
    row("refire-math",      Layer::L0,   &[]),
    row("refire-sandbox",   Layer::L0,   &[]),
    row("refire-reward",    Layer::L0,   &["refire-core", "refire-math", "refire-sandbox"]),
    row("refire-data",      Layer::L0,   &["refire-core"]),
    row("refire-tasks",     Layer::L0,   &["refire-core", "refire-reward"]),
    row("refire-kernels",   Layer::L1,   &[]),
    row("refire-objective", Layer::L1,   &["refire-core", "refire-kernels"]),
    row("refire-sft",       Layer::L1,   &["refire-core", "refire-objective"]),
    row("refire-dpo",       Layer::L1,   &["refire-core", "refire-objective"]),
    row("refire-grpo",      Layer::L1,   &["refire-core", "refire-objective"]),
    row("refire-model",     Layer::L2,   &["refire-core", "refire-objective", "refire-kernels"]),
    row("refire-sample",    Layer::L2,   &["refire-core", "refire-model", "refire-kernels"]),
    row("refire-probe",     Layer::L2,   &["refire-model", "refire-sample", "refire-tasks"]),
    row("refire-train",     Layer::L3,   &["refire-core", "refire-objective"]),
    row("refire-remote",    Layer::L3,   &["refire-core"]),
    Row { name: "refire",   layer: Layer::L3, may_use: MayUse::Everything },
    row("xtask",            Layer::Tool, &[]),
];

impl Row {
    fn find(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|row| row.name == name)
    }

    fn allows(&self, other: &str) -> bool {
        match self.may_use {
            MayUse::Everything => Self::find(other).is_some_and(|row| row.layer != Layer::Tool),
            MayUse::Only(names) => names.contains(&other),
        }
    }
}

/// Runs every check and reports all departures together.
pub(crate) fn run(metadata: &Metadata) -> Result<(), Error> {
    let mut found = edges(&metadata.packages);
    found.extend(cycle(&metadata.packages));
    found.extend(tree::check(metadata)?);
    found.extend(sources::check(metadata)?);
    if found.is_empty() {
        println!("{} crates keep to the layers", metadata.packages.len());
        Ok(())
    } else {
        Err(Error::Layers { found })
    }
}

/// Names every crate without a row, and every normal or build dependency between members that the
/// table does not allow.
fn edges(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let Some(row) = Row::find(&package.name) else {
            found.push(format!("`{}` has no row in xtask/src/layers.rs", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let kind = match dependency.kind {
                None => "dependency",
                Some(Kind::Build) => "build-dependency",
                Some(Kind::Dev) => continue,
            };
            let to = dependency.name.as_str();
            if is_ours(packages, to) && !row.allows(to) {
                found.push(format!("`{}` may not use `{to}` ({kind})", package.name));
            }
        }
    }
    found
}

fn is_ours(packages: &[Package], name: &str) -> bool {
    packages.iter().any(|package| package.name == name)
}

/// Names the first cycle of dependencies of any kind. Cargo itself accepts one that goes through a
/// dev-dependency.
fn cycle(packages: &[Package]) -> Option<String> {
    let mut done = Vec::new();
    packages.iter().find_map(|package| visit(packages, package, &mut Vec::new(), &mut done))
}

fn visit<'a>(
    packages: &'a [Package],
    package: &'a Package,
    path: &mut Vec<&'a str>,
    done: &mut Vec<&'a str>,
) -> Option<String> {
    let name = package.name.as_str();
    if let Some(start) = path.iter().position(|&seen| seen == name) {
        let steps = [&path[start..], &[name]].concat();
        return Some(format!("a cycle of dependencies: {}", steps.join(" → ")));
    }
    if done.contains(&name) {
        return None;
    }
    path.push(name);
    for dependency in &package.dependencies {
        let next = packages.iter().find(|other| other.name == dependency.name);
        if let Some(found) = next.and_then(|next| visit(packages, next, path, done)) {
            return Some(found);
        }
    }
    path.pop();
    done.push(name);
    None
}
