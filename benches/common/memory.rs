use refire::core::BoxError;

/// Most memory this process ever held, in bytes.
pub(crate) fn peak() -> Result<u64, BoxError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.map(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>());
    Ok(kilobytes.transpose()?.ok_or("the system doesn't say how much memory was used")? << 10)
}
