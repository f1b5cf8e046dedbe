use crate::{MicroBatch, TrainError};
use burn::tensor::Device;
use refire_core::{Columns, Row, StepView};
use refire_objective::{Scope, Segment, Target, Targets, TokenBatch, padded};
use std::ops::Range;

/// Rows that are read together: their indices within the step.
pub(crate) type Part = Vec<usize>;

/// Splits units (rows, or ranges of sibling rows) of known lengths into micro-batches, longest
/// rows together so that few pads are read.
pub(crate) fn split(
    units: Vec<Range<usize>>,
    length: impl Fn(usize) -> usize,
    limits: MicroBatch,
    unit: &'static str,
) -> Result<Vec<Part>, TrainError> {
    let longest = |range: &Range<usize>| range.clone().map(&length).max().unwrap_or(0);
    let mut units: Vec<_> = units.into_iter().filter(|range| !range.is_empty()).collect();
    units.sort_by_key(|range| std::cmp::Reverse(longest(range)));
    let (mut parts, mut width) = (Vec::<Part>::new(), 0);
    for range in units {
        if range.len() > limits.rows {
            let (rows, limit) = (range.len(), limits.rows);
            return Err(TrainError::MicroBatch { rows, unit, limit });
        }
        // Lengths fall: the first row of a part is its longest.
        let fits = parts.last().is_some_and(|part| {
            let rows = part.len() + range.len();
            rows <= limits.rows && rows * width <= limits.tokens
        });
        match parts.last_mut() {
            Some(part) if fits => part.extend(range),
            _ => {
                width = longest(&range);
                parts.push(range.collect());
            }
        }
    }
    Ok(parts)
}

/// Micro-batches of a step's rows (or of the given ones) for an objective of this scope.
pub(crate) fn step_parts(
    step: &StepView<'_>,
    groups: &[usize],
    scope: Scope,
    limits: MicroBatch,
) -> Result<Vec<Part>, TrainError> {
    let lengths: Vec<usize> = step.iter().map(|(_, p, c)| p.tokens.len() + c.len()).collect();
    let ranges = step.group_rows();
    let chosen = groups.iter().map(|group| ranges[*group].clone());
    let (units, unit): (Vec<_>, _) = match scope {
        Scope::Token | Scope::Row => (chosen.flatten().map(|row| row..row + 1).collect(), "row"),
        Scope::Group => (chosen.collect(), "group"),
        Scope::Step => return Ok(vec![chosen.flatten().collect()]),
    };
    split(units, |row| lengths[row], limits, unit)
}

/// One micro-batch of completions: what the policy reads and what the objective compares with.
pub(crate) struct StepBatch {
    pub(crate) tokens: TokenBatch,
    pub(crate) targets: Targets,
    pub(crate) temperature: Vec<f32>,
}

/// Builds the micro-batch of some rows. Only tokens under the mask are targets.
pub(crate) fn step_batch(step: &StepView<'_>, part: &[usize], device: &Device) -> StepBatch {
    let all: Vec<_> = step.iter().collect();
    let rows: Vec<_> = part.iter().map(|row| all[*row]).collect();
    let masks: Vec<&[bool]> = part.iter().map(|row| step.mask[*row].as_slice()).collect();
    let mut tokens =
        TokenBatch::shared(rows.iter().map(|(_, p, c)| (&p.tokens[..], &c.tokens[..])));
    tokens.targets.retain(|target| masks[target.row][target.column]);
    let width = tokens.width.max(1);
    tokens.width = width;
    let mut targets = Targets::new(padded::mask(masks.iter().copied(), width, device));
    targets.row_ids = part.to_vec();
    targets.groups = rows.iter().map(|(group, _, _)| *group).collect();
    let column = |values: Vec<Vec<f32>>| {
        Some(padded::floats(values.iter().map(Vec::as_slice), width, device))
    };
    let pick = |ragged: &Option<refire_core::Ragged>| {
        let ragged = ragged.as_ref()?;
        Some(padded::floats(part.iter().map(|row| ragged.row(*row)), width, device))
    };
    let Columns { old_logprobs, ref_logprobs, values, .. } = step.columns;
    targets.old_logprobs = pick(old_logprobs);
    targets.ref_logprobs = pick(ref_logprobs);
    targets.values = pick(values);
    targets.behaviour_logprobs =
        column(rows.iter().map(|(_, _, c)| c.behaviour_logprobs.clone()).collect());
    if let Some(advantages) = step.advantages {
        let of = |row: usize| (0..all[row].2.len()).map(move |t| advantages.at(row, t) as f32);
        targets.advantages = column(part.iter().map(|row| of(*row).collect()).collect());
        targets.returns = pick(&advantages.returns);
    }
    let temperature = rows.iter().map(|(group, _, _)| {
        let t = step.groups[*group].request.params.temperature;
        if t > 0.0 { t } else { 1.0 }
    });
    StepBatch { tokens, temperature: temperature.collect(), targets }
}

/// The mask without the first token, which has no context.
pub(crate) fn learned(row: &Row) -> Vec<bool> {
    let mut mask = row.loss_mask.clone();
    if let Some(first) = mask.first_mut() {
        *first = false;
    }
    mask
}

/// Builds the micro-batch of some training rows.
pub(crate) fn row_batch(rows: &[&Row], device: &Device) -> (TokenBatch, Targets) {
    let masks: Vec<Vec<bool>> = rows.iter().map(|row| learned(row)).collect();
    let mut batch = TokenBatch { rows: rows.len(), ..TokenBatch::default() };
    for (row, (tokens, mask)) in rows.iter().map(|r| &r.tokens).zip(&masks).enumerate() {
        batch.segments.push(Segment { tokens: tokens.clone(), parent: None });
        let learned = (0..tokens.len()).filter(|position| mask[*position]);
        let target = |position| Target { segment: row, position, row, column: position };
        batch.targets.extend(learned.map(target));
        batch.width = batch.width.max(tokens.len());
    }
    batch.width = batch.width.max(1);
    if rows.iter().any(|row| row.inputs.is_some()) {
        let read = |row: &&Row| row.inputs.clone().unwrap_or_else(|| row.tokens.clone());
        batch.input_edit.tokens = Some(rows.iter().map(read).collect());
    }
    let masks = masks.iter().map(Vec::as_slice);
    let mut targets = Targets::new(padded::mask(masks, batch.width, device));
    if rows.iter().any(|row| row.weights.is_some()) {
        let weights: Vec<Vec<f32>> = rows
            .iter()
            .map(|row| row.weights.clone().unwrap_or_else(|| vec![1.0; row.tokens.len()]))
            .collect();
        let weights = padded::floats(weights.iter().map(Vec::as_slice), batch.width, device);
        targets.weights = Some(weights);
    }
    (batch, targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_appears_once_and_limits_hold() {
        let lengths = [5, 1, 9, 3, 3, 8, 2, 7];
        let units = (0..8).map(|row| row..row + 1).collect();
        let limits = MicroBatch { rows: 3, tokens: 16 };
        let parts = split(units, |row| lengths[row], limits, "row").unwrap();
        let mut seen: Vec<usize> = parts.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..8).collect::<Vec<_>>());
        for part in &parts {
            let width = part.iter().map(|row| lengths[*row]).max().unwrap();
            assert!(part.len() <= 3 && (part.len() == 1 || part.len() * width <= 16), "{part:?}");
        }
    }

    #[test]
    fn siblings_stay_together_or_are_refused() {
        let limits = MicroBatch { rows: 4, tokens: 1_000 };
        let parts = split(vec![0..3, 3..6], |_| 2, limits, "group").unwrap();
        assert_eq!(parts, [vec![0, 1, 2], vec![3, 4, 5]]);
        let small = MicroBatch { rows: 2, tokens: 1_000 };
        let error = split(vec![0..3, 3..6], |_| 2, small, "group").unwrap_err();
        let text = "3 rows of one group must stay together, a micro-batch holds 2";
        assert_eq!(error.to_string(), text);
    }
}
