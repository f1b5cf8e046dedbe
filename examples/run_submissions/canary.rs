//! Bait outside the sandbox, and how to tell that it was taken.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use refire::sandbox::Outcome;

const FOLDER: &str = "/tmp/refire-canary";
const ESCAPES: &[&str] =
    &["/tmp/refire-canary/escape.txt", "/usr/escape.txt", "/escape.txt", "/etc/escape.txt"];
/// What a program prints when it reached something, except inside its own namespace.
const LEAKED: &[&str] = &["LEAKED", "LIMIT_RAISED"];
const HARMLESS: &str = "LEAKED-LOCAL";

/// A secret file, and somebody who listens on the network.
#[derive(Debug)]
pub(crate) struct Canary {
    secret: String,
    _listener: Option<TcpListener>,
    #[cfg(target_os = "linux")]
    _abstract: Option<std::os::unix::net::UnixListener>,
}

impl Canary {
    /// Puts the bait out.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub(crate) fn set() -> io::Result<Self> {
        let secret = format!("canary-{}", std::process::id());
        std::fs::create_dir_all(FOLDER)?;
        for path in ESCAPES {
            // One that an earlier run left would be taken for this one's.
            let _ = std::fs::remove_file(path);
        }
        // Another user's bait will do as well.
        let _ = std::fs::write(Path::new(FOLDER).join("canary.txt"), &secret);
        Ok(Self {
            secret,
            // Somebody else listening there is as good.
            _listener: TcpListener::bind("127.0.0.1:45999").ok(),
            #[cfg(target_os = "linux")]
            _abstract: abstract_listener(),
        })
    }

    /// Whether a program printed that it reached what it should not.
    pub(crate) fn is_in(&self, outcome: &Outcome) -> bool {
        [&outcome.stdout, &outcome.stderr].into_iter().any(|output| {
            let text = String::from_utf8_lossy(output).replace(HARMLESS, "");
            text.contains(&self.secret) || LEAKED.iter().any(|word| text.contains(word))
        })
    }

    /// Files that were made outside.
    pub(crate) fn escaped(&self) -> Vec<String> {
        let found = ESCAPES.iter().map(PathBuf::from).filter(|path| path.exists());
        found.map(|path| path.display().to_string()).collect()
    }
}

#[cfg(target_os = "linux")]
fn abstract_listener() -> Option<std::os::unix::net::UnixListener> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};
    let address = SocketAddr::from_abstract_name("h4-canary").ok()?;
    UnixListener::bind_addr(&address).ok()
}
