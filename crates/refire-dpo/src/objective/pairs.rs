use super::groups::grouped;
use super::rows::Rows;
use crate::DpoError;

/// Which rows of a micro-batch are the chosen and the rejected one of each pair.
#[derive(Debug)]
pub(crate) struct Pairs {
    pub(crate) chosen: Vec<usize>,
    pub(crate) rejected: Vec<usize>,
}

impl Pairs {
    pub(super) fn of(rows: &Rows<'_>) -> Result<Self, DpoError> {
        Self::from_labels(rows.groups()?, rows.labels()?)
    }

    pub(crate) fn from_labels(groups: &[usize], labels: &[f64]) -> Result<Self, DpoError> {
        binary(labels)?;
        let mut pairs = Self { chosen: Vec::new(), rejected: Vec::new() };
        for (group, rows) in grouped(groups) {
            let (chosen, rejected): (Vec<usize>, Vec<usize>) =
                rows.iter().partition(|row| labels[**row] == 1.0);
            let ([chosen], [rejected]) = (chosen.as_slice(), rejected.as_slice()) else {
                let (chosen, rejected) = (chosen.len(), rejected.len());
                return Err(DpoError::Pair { group, chosen, rejected });
            };
            pairs.chosen.push(*chosen);
            pairs.rejected.push(*rejected);
        }
        Ok(pairs)
    }

    pub(super) fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Place of each row's partner.
    pub(super) fn partners(&self) -> Vec<usize> {
        let mut partners = vec![0; 2 * self.len()];
        for (w, l) in self.chosen.iter().zip(&self.rejected) {
            partners[*w] = *l;
            partners[*l] = *w;
        }
        partners
    }
}

/// Checks that labels are 0 or 1.
pub(super) fn binary(labels: &[f64]) -> Result<(), DpoError> {
    let wrong = labels.iter().position(|label| *label != 0.0 && *label != 1.0);
    wrong.map_or(Ok(()), |row| Err(DpoError::Label { row, value: labels[row], expected: "0 or 1" }))
}
