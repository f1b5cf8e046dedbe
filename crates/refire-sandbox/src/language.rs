use std::fmt::Debug;

/// A programming language of submissions.
///
/// Python runs in the sandbox's own interpreter and can be tested function by function. A compiled
/// language is compiled in a sandbox, and tested through standard input and output.
///
/// ```no_run
/// use refire_sandbox::{Comparator, Cpp, Job, Sandbox, SandboxConfig, StdioCase, Suite};
/// use std::sync::Arc;
/// let program = "#include <iostream>\nint main() { int a, b; std::cin >> a >> b; std::cout << a + b; }";
/// let cases = vec![StdioCase { input: "2 3".into(), output: "5".into() }];
/// let suite = Suite::Stdio { cases, comparator: Comparator::Lines };
/// let job = Job { language: Arc::new(Cpp::default()), ..Job::new(program, suite) };
/// let outcome = Sandbox::new(SandboxConfig::default())?.run(&job);
/// assert!(outcome.verdict.is_passed());
/// # Ok::<(), refire_sandbox::SandboxError>(())
/// ```
pub trait Language: Debug + Send + Sync {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// The compiler, if there is one.
    fn compiler(&self) -> Option<Compiler>;
}

/// A compiler that reads a program from standard input.
///
/// ```
/// use refire_sandbox::{Compiler, Language};
/// #[derive(Debug)]
/// struct C;
/// impl Language for C {
///     fn name(&self) -> &'static str {
///         "c"
///     }
///     fn compiler(&self) -> Option<Compiler> {
///         let arguments = ["-O2", "-x", "c", "-", "-o", "program", "-lm"].map(String::from).into();
///         Some(Compiler { tool: "gcc".to_owned(), arguments })
///     }
/// }
/// assert_eq!(C.compiler().map(|compiler| compiler.tool).as_deref(), Some("gcc"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// The program, found on `/usr/local/bin:/usr/bin:/bin` inside.
    pub tool: String,
    /// Its arguments. It runs in an empty folder and writes a file named `program`.
    pub arguments: Vec<String>,
}

/// Python 3, in the sandbox's interpreter.
///
/// ```
/// use refire_sandbox::{Job, Language, Python3, Suite};
/// let job = Job::new("f = len", Suite::check("f", "def check(f):\n    assert f([1]) == 1\n"));
/// assert_eq!(job.language.name(), Python3.name());
/// assert!(Python3.compiler().is_none());
/// ```
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
