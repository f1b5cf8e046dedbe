/// Perplexity of a sequence from the log-probabilities (natural, at most 0) of its tokens:
/// `exp(-mean)`; `None` without tokens.
///
/// ```
/// let logprobs = [0.5_f32.ln(); 3];
/// let perplexity = refire_data::perplexity(&logprobs).ok_or("no token")?;
/// assert!((perplexity - 2.0).abs() < 1e-6);
/// # Ok::<(), &str>(())
/// ```
pub fn perplexity(logprobs: &[f32]) -> Option<f64> {
    let sum: f64 = logprobs.iter().map(|p| f64::from(*p)).sum();
    (!logprobs.is_empty()).then(|| (-sum / logprobs.len() as f64).exp())
}

/// Instruction-following difficulty (Li et al., arXiv 2308.12032): perplexity of the answer given
/// the question, divided by that of the answer alone. Near 1 the question doesn't help; above 1 it
/// misleads, and such pairs are usually left out. `None` when either has no token.
///
/// ```
/// let ifd = refire_data::ifd(&[-1.0, -1.0], &[-2.0, -2.0]).unwrap();
/// assert!((ifd - (-1.0_f64).exp()).abs() < 1e-12);
/// ```
pub fn ifd(given_question: &[f32], alone: &[f32]) -> Option<f64> {
    Some(perplexity(given_question)? / perplexity(alone)?)
}
