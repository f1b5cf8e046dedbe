//! The interpreter: found once, not through a shim.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::SandboxError;

const CODEC: &str = include_str!("python/codec.py");
const CANDIDATE: &str = include_str!("python/candidate.py");
const ZYGOTE: &str = include_str!("python/zygote.py");
const WARM_CANDIDATE: &str = include_str!("python/warm_candidate.py");
const FRESH_CANDIDATE: &str = include_str!("python/fresh_candidate.py");
const JUDGE: [&str; 6] = [
    include_str!("python/judge/asking.py"),
    include_str!("python/judge/objects.py"),
    include_str!("python/judge/recording.py"),
    include_str!("python/judge/suites.py"),
    include_str!("python/judge/pristine.py"),
    include_str!("python/judge/main.py"),
];

/// Says where it is and what it can do.
const ASK: &str = "import sys, json, os
try:
    import ctypes
    warm = True
except ImportError:
    warm = False
print(json.dumps({
    'executable': os.path.realpath(getattr(sys, '_base_executable', None) or sys.executable),
    'version': list(sys.version_info[:3]),
    'trees': sorted({os.path.realpath(p) for p in (sys.base_prefix, sys.base_exec_prefix)}),
    'implementation': sys.implementation.name,
    'warm': warm,
}))";

/// Compiles the sources on standard input, each to what `python FILE.pyc` runs.
const COMPILE: &str = "import sys, json, marshal, importlib.util
for name, source in sorted(json.load(sys.stdin).items()):
    code = compile(source, name, 'exec', dont_inherit=True, optimize=0)
    data = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
    sys.stdout.write(data.hex() + '\\n')";

/// A Python that was found and asked who it is.
#[derive(Debug, Clone)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) struct Python {
    pub(crate) executable: PathBuf,
    pub(crate) version: [u32; 3],
    /// Folders it needs.
    pub(crate) trees: Vec<PathBuf>,
    /// Whether it can make namespaces for its children.
    pub(crate) can_be_warm: bool,
    /// Our programs, compiled for it.
    pub(crate) fresh_candidate: Vec<u8>,
    pub(crate) warm_candidate: Vec<u8>,
    pub(crate) judge: Vec<u8>,
}

#[derive(Deserialize)]
struct About {
    executable: PathBuf,
    version: [u32; 3],
    trees: Vec<PathBuf>,
    implementation: String,
    warm: bool,
}

impl Python {
    /// The named interpreter, else the first on the path that is a program: a shim, which is a
    /// script that looks for one, costs ten times the start and is asked only if nothing else is
    /// there.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self, SandboxError> {
        let places = match named {
            Some(path) => vec![path.to_owned()],
            None => on_path(),
        };
        let mut reasons = Vec::new();
        for place in &places {
            match Self::ask(place) {
                Ok(python) => return Ok(python),
                Err(reason) => reasons.push(format!("{}: {reason}", place.display())),
            }
        }
        if reasons.is_empty() {
            reasons.push("there is no `python3` on the path".to_owned());
        }
        Err(SandboxError::Python { reason: reasons.join("; ") })
    }

    fn ask(place: &Path) -> Result<Self, String> {
        let printed = run(place, ASK, b"")?;
        let about: About = serde_json::from_str(&printed)
            .map_err(|error| format!("its answer can't be read: {error}"))?;
        if about.implementation != "cpython" || about.version < [3, 9, 0] {
            let [major, minor, patch] = about.version;
            return Err(format!("it is {} {major}.{minor}.{patch}", about.implementation));
        }
        let sources = [
            ("fresh_candidate", [CODEC, CANDIDATE, FRESH_CANDIDATE].concat()),
            ("warm_candidate", [CODEC, CANDIDATE, ZYGOTE, WARM_CANDIDATE].concat()),
            ("judge", [CODEC, ZYGOTE, &JUDGE.concat()].concat()),
        ];
        let list: serde_json::Map<_, _> =
            sources.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
        let list = serde_json::Value::Object(list).to_string();
        let compiled = run(&about.executable, COMPILE, list.as_bytes())?;
        let mut compiled = compiled.lines().map(from_hex);
        let mut next = || compiled.next().flatten().ok_or("it did not compile our programs");
        // In the order of the names.
        let (fresh_candidate, judge, warm_candidate) = (next()?, next()?, next()?);
        Ok(Self {
            trees: trees(&about),
            executable: about.executable,
            version: about.version,
            can_be_warm: about.warm,
            fresh_candidate,
            warm_candidate,
            judge,
        })
    }
}

fn trees(about: &About) -> Vec<PathBuf> {
    let home = about.executable.parent().map(Path::to_owned);
    let mut all: BTreeSet<PathBuf> = about.trees.iter().cloned().chain(home).collect();
    // The system's folders are there anyway.
    all.retain(|tree| !["/usr", "/bin", "/lib"].iter().any(|system| tree.starts_with(system)));
    all.remove(Path::new("/"));
    all.into_iter().collect()
}

fn on_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("python3"))
        .filter(|file| file.is_file())
        .collect();
    found.sort_by_key(|file| is_script(file));
    found
}

fn is_script(file: &Path) -> bool {
    use std::io::Read;
    let mut start = [0; 2];
    std::fs::File::open(file).and_then(|mut f| f.read_exact(&mut start)).is_ok() && &start == b"#!"
}

fn run(program: &Path, source: &str, input: &[u8]) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(["-I", "-S", "-c", source])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input).map_err(|error| error.to_string())?;
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}, {}", output.status, said.lines().last().unwrap_or_default()));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

fn from_hex(line: &str) -> Option<Vec<u8>> {
    let digits = line.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
