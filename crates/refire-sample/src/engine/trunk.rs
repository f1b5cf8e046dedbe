use std::ops::Range;

/// A beginning of prompts that is read once, for all the completions that branch off it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trunk {
    /// A request whose prefix begins with it.
    pub(super) request: usize,
    /// Its length in tokens.
    pub(super) len: usize,
    /// Requests that branch off it, in order.
    pub(super) users: Vec<usize>,
}

/// Share of the tokens that a common beginning must save: 1 in this many.
const WORTH: usize = 8;

/// Chooses the trunks of prefixes that are continued `n` times each, so that the fewest tokens are
/// read: what a trunk lacks of a prefix is read again by each of its completions.
///
/// In the tree of common beginnings each branch is either kept together or split further, from the
/// leaves up; equal prefixes always share. Memory in tokens is what is read, so it is least too.
pub(super) fn choose(prefixes: &[&[u32]], n: &[usize]) -> Vec<Trunk> {
    let mut order: Vec<usize> = (0..prefixes.len()).collect();
    order.sort_by_key(|i| prefixes[*i]);
    let tree = Tree { prefixes, n, order };
    if tree.order.is_empty() { Vec::new() } else { tree.best(0..prefixes.len()).1 }
}

struct Tree<'a> {
    prefixes: &'a [&'a [u32]],
    n: &'a [usize],
    /// Indices in the order of their prefixes: a common beginning is a range.
    order: Vec<usize>,
}

impl Tree<'_> {
    fn prefix(&self, rank: usize) -> &[u32] {
        self.prefixes[self.order[rank]]
    }

    /// Tokens read, and the trunks, for a range that isn't empty.
    fn best(&self, range: Range<usize>) -> (usize, Vec<Trunk>) {
        let (first, last) = (self.prefix(range.start), self.prefix(range.end - 1));
        let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let mut users = self.order[range.clone()].to_vec();
        users.sort_unstable();
        let whole = Trunk { request: users[0], len: common, users };
        if first.len() == last.len() && common == first.len() {
            return (common, vec![whole]);
        }
        let branches = self.branches(range, common);
        let (costs, trunks): (Vec<usize>, Vec<Vec<Trunk>>) =
            branches.into_iter().map(|branch| self.best(branch)).unzip();
        let apart: usize = costs.iter().sum();
        let rest = |i: &usize| self.n[*i] * (self.prefixes[*i].len() - common);
        let together = common + whole.users.iter().map(rest).sum::<usize>();
        if common > 0 && together <= apart - apart / WORTH {
            return (together, vec![whole]);
        }
        (apart, trunks.concat())
    }

    /// Parts of a range by the token at a position; prefixes that end there are a part.
    fn branches(&self, range: Range<usize>, at: usize) -> Vec<Range<usize>> {
        let mut branches = Vec::new();
        let mut start = range.start;
        for rank in range.start + 1..=range.end {
            let differs = || self.prefix(rank).get(at) != self.prefix(start).get(at);
            if rank == range.end || differs() {
                branches.push(start..rank);
                start = rank;
            }
        }
        branches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(prefixes: &[&[u32]], n: &[usize]) -> Vec<(usize, Vec<usize>)> {
        let mut all: Vec<_> =
            choose(prefixes, n).into_iter().map(|trunk| (trunk.len, trunk.users)).collect();
        all.sort_by_key(|(_, users)| users[0]);
        all
    }

    #[test]
    fn equal_prefixes_share_and_others_do_not() {
        assert!(choose(&[], &[]).is_empty());
        let (a, b) = (&[1, 2, 3][..], &[4, 5][..]);
        assert_eq!(found(&[a, b, a], &[4, 4, 4]), [(3, vec![0, 2]), (2, vec![1])]);
    }

    #[test]
    fn a_common_beginning_is_shared_where_it_saves_tokens() {
        let system: Vec<u32> = (0..100).collect();
        let prefixes: Vec<Vec<u32>> =
            (0..10).map(|i| [system.as_slice(), &[1000 + i, 5, 6]].concat()).collect();
        let refs: Vec<&[u32]> = prefixes.iter().map(Vec::as_slice).collect();
        // 100 + 10 * 8 * 3 tokens instead of 1030.
        assert_eq!(found(&refs, &[8; 10]), [(100, (0..10).collect())]);
        // 100 + 10 * 64 * 3 tokens: worse.
        assert_eq!(found(&refs, &[64; 10]).len(), 10);
    }

    #[test]
    fn clusters_are_found_within_a_common_beginning() {
        let make = |task: u32, i: u32| -> Vec<u32> {
            let shots = (0..50).map(|j| task * 1000 + j);
            [7].into_iter().chain(shots).chain([90 + i]).collect()
        };
        let all: Vec<Vec<u32>> = (1..4).flat_map(|t| (0..5).map(move |i| make(t, i))).collect();
        let refs: Vec<&[u32]> = all.iter().map(Vec::as_slice).collect();
        let found = found(&refs, &[1; 15]);
        assert_eq!(found.iter().map(|(len, _)| *len).collect::<Vec<_>>(), [51, 51, 51]);
        assert_eq!(found[1].1, [5, 6, 7, 8, 9]);
    }

    #[test]
    fn every_request_has_one_trunk_that_begins_its_prefix() {
        let mut stream = refire_core::Stream::new(1, refire_core::Purpose::named("test"), 0, 0, 0);
        for _ in 0..300 {
            let count = 1 + stream.below(12);
            let prefixes: Vec<Vec<u32>> = (0..count)
                .map(|_| (0..1 + stream.below(6)).map(|_| stream.below(2) as u32).collect())
                .collect();
            let n: Vec<usize> = (0..count).map(|_| 1 + stream.below(4)).collect();
            let refs: Vec<&[u32]> = prefixes.iter().map(Vec::as_slice).collect();
            let mut users = Vec::new();
            for trunk in choose(&refs, &n) {
                for user in &trunk.users {
                    assert_eq!(refs[*user][..trunk.len], refs[trunk.request][..trunk.len]);
                }
                users.extend(trunk.users);
            }
            users.sort_unstable();
            assert_eq!(users, (0..count).collect::<Vec<_>>());
        }
    }
}
