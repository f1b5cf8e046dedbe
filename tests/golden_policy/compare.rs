/// Relative tolerance where everything is in 64 bits.
pub(crate) const EXACT: f64 = 1e-9;
/// Where a peer rounds a factor to 32 bits.
pub(crate) const ROUNDED: f64 = 1e-6;
/// Where a peer computes in 32 bits.
pub(crate) const SINGLE: f64 = 1e-5;

/// Compares numbers, each relative to itself, or to the largest of them where that is below 1.
pub(crate) fn close(
    ours: &[f64],
    theirs: &[f64],
    tolerance: f64,
    what: &str,
) -> Result<(), String> {
    if ours.len() != theirs.len() {
        return Err(format!("{what}: {} numbers, expected {}", ours.len(), theirs.len()));
    }
    let largest = theirs.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
    let floor = largest.clamp(1e-6, 1.0);
    for (index, (a, b)) in ours.iter().zip(theirs).enumerate() {
        let same = a == b || (a - b).abs() <= tolerance * b.abs().max(floor);
        if !same {
            return Err(format!("{what}[{index}]: {a:e}, expected {b:e}"));
        }
    }
    Ok(())
}

/// Compares where the mask is set; elsewhere the peers hold anything.
pub(crate) fn seen(
    ours: &[Vec<f64>],
    theirs: &[Vec<f64>],
    mask: &[Vec<bool>],
    tolerance: f64,
    what: &str,
) -> Result<(), String> {
    let pick = |rows: &[Vec<f64>]| -> Vec<f64> {
        let tokens = rows.iter().flatten().zip(mask.iter().flatten());
        tokens.filter(|(_, m)| **m).map(|(v, _)| *v).collect()
    };
    close(&pick(ours), &pick(theirs), tolerance, what)
}

/// Fails unless everything is 0.
pub(crate) fn zeros(ours: &[f64], what: &str) -> Result<(), String> {
    match ours.iter().find(|x| **x != 0.0) {
        Some(x) => Err(format!("{what} is {x}, expected 0")),
        None => Ok(()),
    }
}
