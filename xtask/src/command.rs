//! Running other programs.

use std::{
    env,
    io::{self, BufRead, BufReader},
    process::{Command, Stdio},
};

use crate::error::Error;

/// The cargo that runs this program, with arguments.
pub(crate) fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

/// Runs a program that prints to the terminal.
pub(crate) fn status(command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(|source| failed_to_run(command, source))?;
    if status.success() { Ok(()) } else { Err(Error::Failed { command: show(command), status }) }
}

/// Runs a program and returns what it prints to stdout; stderr goes to the terminal.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| failed_to_run(command, source))?;
    if !output.status.success() {
        return Err(Error::Failed { command: show(command), status: output.status });
    }
    String::from_utf8(output.stdout).map_err(|source| {
        failed_to_run(command, io::Error::new(io::ErrorKind::InvalidData, source))
    })
}

/// Runs a program, echoes its stdout line by line and returns the last line that is not blank.
pub(crate) fn last_line(command: &mut Command) -> Result<String, Error> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|source| failed_to_run(command, source))?;
    let mut last = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(|source| failed_to_run(command, source))?;
            println!("{line}");
            if !line.trim().is_empty() {
                last = line;
            }
        }
    }
    let status = child.wait().map_err(|source| failed_to_run(command, source))?;
    if status.success() { Ok(last) } else { Err(Error::Failed { command: show(command), status }) }
}

/// The command line as a person would type it, with the program's file name only.
pub(crate) fn show(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut line = program.file_stem().unwrap_or(command.get_program()).display().to_string();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.display().to_string());
    }
    line
}

fn failed_to_run(command: &Command, source: io::Error) -> Error {
    Error::Run { command: show(command), source }
}
