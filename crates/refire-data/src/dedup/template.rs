use crate::ExactDedup;
use crate::text::{Numbers, Words};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Texts that are equal but for their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateGroup {
    /// Positions of the texts, ascending.
    pub members: Vec<usize>,
    /// How many of them differ when numbers count.
    pub different: usize,
}

/// Groups of texts made from one template: equal words, other numbers. A report, not a removal:
/// renumbered problems are good training data, yet a template that leaks from a test set should be
/// known. Groups whose members are all equal are no templates and are left out.
///
/// ```
/// let texts = ["He has 3 pens.", "He has 4 pens.", "She has 3 pens."];
/// let groups = refire_data::template_duplicates(&texts);
/// assert_eq!(groups[0].members, [0, 1]);
/// ```
pub fn template_duplicates<T: AsRef<str> + Sync>(texts: &[T]) -> Vec<TemplateGroup> {
    let masked = Words { numbers: Numbers::Mask, ..Words::default() };
    let keys: Vec<(u128, u128)> = texts
        .par_iter()
        .map(|text| {
            let key = |words| ExactDedup::key(Some(words), text.as_ref());
            (key(masked), key(Words::default()))
        })
        .collect();
    let mut groups: HashMap<u128, Vec<usize>> = HashMap::new();
    for (at, (masked, _)) in keys.iter().enumerate() {
        groups.entry(*masked).or_default().push(at);
    }
    let mut found: Vec<TemplateGroup> = groups
        .into_values()
        .filter_map(|members| {
            let mut full: Vec<u128> = members.iter().map(|at| keys[*at].1).collect();
            full.sort_unstable();
            full.dedup();
            (full.len() > 1).then_some(TemplateGroup { members, different: full.len() })
        })
        .collect();
    found.sort_unstable_by_key(|group| group.members[0]);
    found
}
