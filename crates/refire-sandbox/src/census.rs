use crate::SandboxError;

/// Counts the processes that something left behind.
///
/// From [`start`](Self::start) on, orphaned descendants of this process become its children, so
/// none can hide by losing its parent.
///
/// ```
/// let census = refire_sandbox::Census::start()?;
/// assert_eq!(census.survivors()?, Vec::<u32>::new());
/// # Ok::<(), refire_sandbox::SandboxError>(())
/// ```
#[derive(Debug)]
pub struct Census {
    before: Vec<u32>,
}

impl Census {
    /// Begins to count. On systems other than Linux there is nothing to count.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub fn start() -> Result<Self, SandboxError> {
        Ok(Self { before: descendants()? })
    }

    /// Process ids of descendants that were not there at the start. It reaps children of this
    /// process that have ended and that nobody waits for, so it must not run beside other
    /// children's owners.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub fn survivors(&self) -> Result<Vec<u32>, SandboxError> {
        let now = descendants()?;
        Ok(now.into_iter().filter(|pid| !self.before.contains(pid)).collect())
    }
}

#[cfg(target_os = "linux")]
fn descendants() -> Result<Vec<u32>, SandboxError> {
    let failed = |what| move |source| SandboxError::System { what, source };
    crate::linux::census::adopt().map_err(failed("adopt orphans"))?;
    crate::linux::census::descendants().map_err(failed("read /proc"))
}

#[cfg(not(target_os = "linux"))]
fn descendants() -> Result<Vec<u32>, SandboxError> {
    Ok(Vec::new())
}
