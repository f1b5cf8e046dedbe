/// Joins items into clusters by pairs (union-find): whatever is connected, however far, is one
/// cluster. Returns the clusters of more than one item, each ascending, in order of their first.
///
/// This is what datatrove does with its pairs. Chains can join items that have little in common;
/// [`NearDedup`](crate::NearDedup) doesn't.
///
/// ```
/// assert_eq!(refire_data::clusters(5, &[(0, 3), (3, 4)]), [vec![0, 3, 4]]);
/// ```
pub fn clusters(items: usize, pairs: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..items).collect();
    for &(a, b) in pairs.iter().filter(|(a, b)| *a < items && *b < items) {
        let (a, b) = (root(&mut parent, a), root(&mut parent, b));
        // The smaller index becomes the root: a cluster is known by its first item.
        parent[a.max(b)] = a.min(b);
    }
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); items];
    for item in 0..items {
        let root = root(&mut parent, item);
        members[root].push(item);
    }
    members.retain(|cluster| cluster.len() > 1);
    members
}

fn root(parent: &mut [usize], mut item: usize) -> usize {
    while parent[item] != item {
        parent[item] = parent[parent[item]];
        item = parent[item];
    }
    item
}
