use std::fmt::Debug;

/// A programming language of submissions.
///
/// Python runs in the sandbox's own interpreter and can be tested function by function. A compiled
/// language is compiled in a sandbox, and tested through standard input and output.
pub trait Language: Debug + Send + Sync {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// The compiler, if there is one.
    fn compiler(&self) -> Option<Compiler>;
}

/// A compiler that reads a program from standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// The program, found on `/usr/local/bin:/usr/bin:/bin` inside.
    pub tool: String,
    /// Its arguments. It runs in an empty folder and writes a file named `program`.
    pub arguments: Vec<String>,
}

/// Python 3, in the sandbox's interpreter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Python3;

impl Language for Python3 {
    fn name(&self) -> &'static str {
        "python"
    }

    fn compiler(&self) -> Option<Compiler> {
        None
    }
}

/// C++ by the system's `g++`.
///
/// ```
/// use refire_sandbox::{Cpp, Language};
/// assert_eq!(Cpp::default().compiler().unwrap().tool, "g++");
/// ```
#[derive(Debug, Clone)]
pub struct Cpp {
    /// The language standard, `c++17` by default as Codeforces' most used one.
    pub standard: String,
}

impl Default for Cpp {
    fn default() -> Self {
        Self { standard: "c++17".to_owned() }
    }
}

impl Language for Cpp {
    fn name(&self) -> &'static str {
        "cpp"
    }

    fn compiler(&self) -> Option<Compiler> {
        let standard = format!("-std={}", self.standard);
        let arguments = ["-O2", "-pipe", &standard, "-x", "c++", "-", "-o", "program"];
        Some(Compiler {
            tool: "g++".to_owned(),
            arguments: arguments.map(ToOwned::to_owned).into(),
        })
    }
}
