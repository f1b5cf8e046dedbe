use super::{
    Layer, MayUse, Row, TABLE, cycle, edges,
    sources::{Hit, misplaced, unsafe_lines},
    tree::{forbidden, names},
};
use crate::metadata::{Metadata, Package};

/// Metadata as cargo prints it. A dependency is written `name`, `build name` or `dev name`.
fn packages(members: &[(&str, &[&str])]) -> Vec<Package> {
    let dependency = |written: &&str| match written.split_once(' ') {
        Some((kind, name)) => serde_json::json!({"name": name, "kind": kind, "req": "^0.1"}),
        None => serde_json::json!({"name": written, "kind": null, "req": "^0.1"}),
    };
    let packages: Vec<_> = members
        .iter()
        .map(|(name, dependencies)| {
            serde_json::json!({
                "name": name,
                "version": "0.1.0",
                "manifest_path": format!("/workspace/crates/{name}/Cargo.toml"),
                "dependencies": dependencies.iter().map(dependency).collect::<Vec<_>>(),
            })
        })
        .collect();
    let json = serde_json::json!({
        "packages": packages,
        "workspace_root": "/workspace",
        "target_directory": "/workspace/target",
        "version": 1,
    });
    Metadata::parse(&json.to_string()).unwrap().packages
}

#[test]
fn allowed_and_foreign_edges_pass() {
    let packages = packages(&[
        ("refire-core", &["serde"]),
        ("refire-objective", &["refire-core", "burn"]),
        ("refire-grpo", &["refire-core", "refire-objective", "thiserror"]),
        ("refire", &["refire-core", "refire-objective", "refire-grpo"]),
    ]);
    assert_eq!(edges(&packages), Vec::<String>::new());
    assert_eq!(cycle(&packages), None);
}

#[test]
fn every_forbidden_edge_is_named() {
    let packages = packages(&[
        ("refire-core", &[]),
        ("refire-sft", &["refire-core", "refire-grpo"]),
        ("refire-grpo", &["refire-core"]),
        ("refire-math", &["build refire-core"]),
        ("refire", &["xtask"]),
        ("xtask", &[]),
    ]);
    assert_eq!(
        edges(&packages),
        [
            "`refire-sft` may not use `refire-grpo` (dependency)",
            "`refire-math` may not use `refire-core` (build-dependency)",
            "`refire` may not use `xtask` (dependency)",
        ]
    );
}

#[test]
fn dev_dependencies_are_free_until_they_make_a_cycle() {
    let free = packages(&[("refire-math", &["dev refire-tasks"]), ("refire-tasks", &["serde"])]);
    assert_eq!(edges(&free), Vec::<String>::new());
    assert_eq!(cycle(&free), None);

    let tied = packages(&[
        ("refire-core", &["dev refire-tasks"]),
        ("refire-reward", &["refire-core"]),
        ("refire-tasks", &["refire-reward"]),
    ]);
    assert_eq!(edges(&tied), Vec::<String>::new());
    assert_eq!(
        cycle(&tied).unwrap(),
        "a cycle of dependencies: refire-core → refire-tasks → refire-reward → refire-core"
    );
}

#[test]
fn an_unknown_crate_is_reported() {
    let packages = packages(&[("refire-core", &[]), ("refire-extras", &["refire-core"])]);
    assert_eq!(edges(&packages), ["`refire-extras` has no row in xtask/src/layers.rs"]);
}

#[test]
fn an_unknown_kind_of_dependency_is_an_error() {
    let json = r#"{"packages": [{"name": "a", "manifest_path": "a/Cargo.toml",
        "dependencies": [{"name": "b", "kind": "other"}]}],
        "workspace_root": "/", "target_directory": "/target"}"#;
    assert!(Metadata::parse(json).is_err());
}

#[test]
fn the_table_points_down() {
    let position = |name: &str| TABLE.iter().position(|row| row.name == name);
    for (at, row) in TABLE.iter().enumerate() {
        assert_eq!(position(row.name), Some(at), "two rows of {}", row.name);
        if let MayUse::Only(names) = row.may_use {
            for name in names {
                assert!(position(name).is_some_and(|other| other < at), "{} → {name}", row.name);
            }
        }
    }
}

#[test]
fn tree_names_what_a_layer_may_not_hold() {
    let tree = "refire-objective v0.1.0 (/workspace/crates/refire-objective)\n\
                burn v0.22.1\nburn-flex v0.22.1\nburn v0.22.1 (*)\n\ntokenizers v0.22.1\n";
    let packages = names(tree);
    assert_eq!(packages.len(), 4);

    let row = |name| Row::find(name).unwrap();
    assert_eq!(row("refire-grpo").layer, Layer::L1);
    assert_eq!(
        forbidden(row("refire-grpo"), &packages),
        [
            "the tree of `refire-grpo` holds burn-flex: L1 names no backend",
            "the tree of `refire-grpo` holds tokenizers: L1 knows neither a tokenizer nor HTTP",
        ]
    );
    assert_eq!(
        forbidden(row("refire-math"), &packages),
        [
            "the tree of `refire-math` holds burn, burn-flex: nothing in L0 knows burn",
            "the tree of `refire-math` holds refire-objective: it is a product by itself",
        ]
    );
    assert_eq!(forbidden(row("refire-model"), &packages), Vec::<String>::new());
}

#[test]
fn finds_the_word_in_code_only() {
    let text = [
        "#![deny(unsafe_code)]",
        "// unsafe",
        "let a = \"an unsafe \\\" unsafe word\"; // unsafe",
        "let quote = '\"'; // unsafe",
        "let map = unsafe { Mmap::map(&file) };",
        "unsafe impl Send for A {}",
        "let b = \"\\\\\"; unsafe { c() }",
    ]
    .join("\n");
    let numbers: Vec<usize> = unsafe_lines(&text).map(|(number, _)| number).collect();
    assert_eq!(numbers, [5, 6, 7]);
}

#[test]
fn only_two_places_may_hold_it() {
    let hit = |line: &str| Hit { place: "src/a.rs:1".into(), line: line.into() };
    let map = || hit("Mmap::map(&file)");
    let raw = |line: &str| Hit {
        place: "crates/refire-sandbox/src/linux/raw/spawn.rs:1".into(),
        line: line.into(),
    };
    assert!(misplaced("refire-sandbox", &[raw("fork()"), raw("exec()")]).is_empty());
    for place in ["linux/watch.rs:1", "raw.rs:1", "python/raw/a.rs:1"] {
        let place = format!("crates/refire-sandbox/src/{place}");
        let elsewhere = Hit { place, line: "unsafe { kill(pid) }".into() };
        let found = misplaced("refire-sandbox", &[raw("fork()"), elsewhere]);
        assert_eq!(found.len(), 1, "{found:?}");
    }
    assert!(misplaced("refire-model", &[map()]).is_empty());
    assert!(misplaced("refire-core", &[]).is_empty());
    assert_eq!(misplaced("refire-model", &[map(), map()]).len(), 2);
    assert_eq!(misplaced("refire-model", &[hit("transmute(a)")]).len(), 1);
    assert_eq!(
        misplaced("refire-core", &[map()]),
        ["unsafe code at src/a.rs:1 (not allowed): Mmap::map(&file)"]
    );
}
