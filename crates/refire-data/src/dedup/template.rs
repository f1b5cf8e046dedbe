use crate::ExactDedup;
use crate::text::{Numbers, Words};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

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
/// Takes texts one by one and 16 bytes for each.
///
/// ```
/// use refire_data::TemplateIndex;
/// let mut templates = TemplateIndex::default();
/// ["He has 3 pens.", "He has 4 pens.", "She has 3 pens."].iter().for_each(|t| templates.add(t));
/// assert_eq!(templates.groups()[0].members, [0, 1]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct TemplateIndex {
    /// For each text a hash without its numbers, and one with them.
    keys: Vec<(u64, u64)>,
}

fn keys(text: &str) -> (u64, u64) {
    let masked = Words { numbers: Numbers::Mask, ..Words::default() };
    let key = |words| ExactDedup::key(Some(words), text) as u64;
    (key(masked), key(Words::default()))
}

impl TemplateIndex {
    /// Takes the next text.
    pub fn add(&mut self, text: &str) {
        self.keys.push(keys(text));
    }

    /// The groups among the texts so far, in order of their first.
    pub fn groups(&self) -> Vec<TemplateGroup> {
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by_key(|at| (self.keys[*at].0, *at));
        let alike = order.chunk_by(|a, b| self.keys[*a].0 == self.keys[*b].0);
        let mut found: Vec<TemplateGroup> =
            alike.filter(|members| members.len() > 1).filter_map(|m| self.group(m)).collect();
        found.sort_unstable_by_key(|group| group.members[0]);
        found
    }

    fn group(&self, members: &[usize]) -> Option<TemplateGroup> {
        let mut full: Vec<u64> = members.iter().map(|at| self.keys[*at].1).collect();
        full.sort_unstable();
        full.dedup();
        let (members, different) = (members.to_vec(), full.len());
        (different > 1).then_some(TemplateGroup { members, different })
    }
}

/// [`TemplateIndex`] over texts at hand, on all threads.
///
/// ```
/// let texts = ["He has 3 pens.", "He has 4 pens.", "She has 3 pens."];
/// let groups = refire_data::template_duplicates(&texts);
/// assert_eq!(groups[0].members, [0, 1]);
/// ```
pub fn template_duplicates<T: AsRef<str> + Sync>(texts: &[T]) -> Vec<TemplateGroup> {
    TemplateIndex { keys: texts.par_iter().map(|text| keys(text.as_ref())).collect() }.groups()
}
