//! Duplicates and leaks of the reference corpus: found as often as theory says, and nothing unique
//! is lost.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/planted.rs"]
mod planted;

use planted::{Document, planted};
use refire_data::{
    DecontaminationConfig, Decontaminator, ExactDedup, NearConfig, NearDedup, candidate_pairs,
    near_duplicates, ngrams,
};
use std::collections::HashSet;

fn grams(text: &str, config: &NearConfig) -> HashSet<u64> {
    ngrams(&config.words.hashes(text), config.ngram).into_iter().collect()
}

fn jaccard(a: &HashSet<u64>, b: &HashSet<u64>) -> f64 {
    let both = a.intersection(b).count();
    both as f64 / (a.len() + b.len() - both) as f64
}

/// Recall of changed copies against the sum of `1 - (1 - s^r)^b` over their exact similarities.
fn recall(documents: &[Document]) {
    let config = NearConfig::default();
    let near = NearDedup::new(config.clone()).unwrap();
    let prints: Vec<_> = documents.iter().map(|d| near.fingerprint(&d.text)).collect();
    let met: HashSet<(usize, usize)> = candidate_pairs(&prints).into_iter().collect();
    for rate in [0.01, 0.02, 0.03, 0.05, 0.08] {
        let (mut expected, mut variance, mut found, mut n) = (0.0, 0.0, 0.0, 0);
        let copies = documents.iter().enumerate().filter(|(_, d)| d.kind == "near");
        for (at, copy) in copies.filter(|(_, d)| d.edit == rate) {
            let of = usize::try_from(copy.src).unwrap();
            let s = jaccard(&grams(&copy.text, &config), &grams(&documents[of].text, &config));
            let p = config.lsh.probability(s);
            expected += p;
            variance += p * (1.0 - p);
            found += f64::from(u8::from(met.contains(&(of, at))));
            n += 1;
        }
        let (off, error) = (found - expected, f64::sqrt(variance));
        let share = |count: f64| count / f64::from(n);
        println!(
            "{:.0} % changed: recall {:.3}, theory {:.3}, {:+.2} standard errors, {n} copies",
            100.0 * rate,
            share(found),
            share(expected),
            off / error.max(f64::MIN_POSITIVE)
        );
        assert!(off.abs() <= 3.0 * error.max(0.5), "{rate}: {found} of {expected}");
    }
}

/// Every equal copy is found, and with verification no unique document is lost.
fn losses(documents: &[Document]) {
    let mut exact = ExactDedup::new(None);
    let texts: Vec<&str> = documents.iter().map(|d| d.text.as_str()).collect();
    let near = near_duplicates(&texts, NearConfig::default()).unwrap();
    let (mut copies, mut unique) = (0, 0);
    for (at, document) in documents.iter().enumerate() {
        let equal = exact.add(at as u64, &document.text).is_some();
        match document.kind.as_str() {
            "exact" => {
                copies += 1;
                assert!(equal && near[at].is_some(), "{at}");
            }
            "unique" | "contam" => {
                unique += 1;
                assert!(!equal && near[at].is_none(), "{at}");
            }
            _ => {}
        }
    }
    println!("all of {copies} equal copies are found, none of {unique} others is lost");
}

/// Documents with a question among their sentences, and their copies, are found; no other is.
fn leaks(documents: &[Document], questions: &[String]) {
    for ngram in [8, 10, 13] {
        let config = DecontaminationConfig { ngram, ..DecontaminationConfig::default() };
        let mut check = Decontaminator::new(config).unwrap();
        questions.iter().enumerate().for_each(|(i, q)| check.add("test", &i.to_string(), q));
        let (mut leaked, mut found) = (0, 0);
        for document in documents {
            let hit = check.check(&document.text);
            found += usize::from(hit.is_some());
            match document.kind.as_str() {
                "contam" => {
                    leaked += 1;
                    assert_eq!(hit.unwrap().item, document.src.to_string(), "{ngram}");
                }
                "unique" => assert!(hit.is_none(), "{hit:?}"),
                _ => {}
            }
        }
        println!("{ngram}-grams: all of {leaked} leaks and {} copies of them", found - leaked);
    }
}

#[test]
fn the_reference_corpus() {
    let Some((documents, questions)) = planted() else { return };
    assert_eq!(documents.len(), 20_000);
    recall(&documents);
    losses(&documents);
    leaks(&documents, &questions);
}
