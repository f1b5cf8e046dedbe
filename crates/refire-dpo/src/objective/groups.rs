/// Places of the rows of each group, groups in order of first appearance.
pub(super) fn grouped(groups: &[usize]) -> Vec<(usize, Vec<usize>)> {
    let mut places = std::collections::HashMap::new();
    let mut found: Vec<(usize, Vec<usize>)> = Vec::new();
    for (row, group) in groups.iter().enumerate() {
        let at = *places.entry(*group).or_insert_with(|| {
            found.push((*group, Vec::new()));
            found.len() - 1
        });
        found[at].1.push(row);
    }
    found
}
