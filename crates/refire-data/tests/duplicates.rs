//! Duplicates are found as often as theory says, and nothing unique is lost.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Corpus, Planted, corpus, rows, texts};
use refire_core::{Purpose, Stream};
use refire_data::{
    EmbeddingConfig, ExactDedup, Fingerprint, Keep, Lsh, NearConfig, NearDedup, Numbers,
    SentenceConfig, SentenceDedup, SubstringDedup, Words, candidate_pairs, clusters,
    embedding_duplicates, near_duplicates, ngrams, template_duplicates,
};
use std::collections::HashSet;

fn grams(text: &str, config: &NearConfig) -> HashSet<u64> {
    ngrams(&config.words.hashes(text), config.ngram).into_iter().collect()
}

fn jaccard(a: &HashSet<u64>, b: &HashSet<u64>) -> f64 {
    let both = a.intersection(b).count();
    both as f64 / (a.len() + b.len() - both) as f64
}

fn fingerprints(texts: &[String], config: &NearConfig) -> Vec<Fingerprint> {
    let near = NearDedup::new(config.clone()).unwrap();
    texts.iter().map(|text| near.fingerprint(text)).collect()
}

/// Recall of planted pairs against the sum of their probabilities, which are known from their
/// exact similarity.
#[test]
fn recall_follows_the_curve() {
    let Corpus { texts, planted } = corpus(20_000, &[], 1);
    for (lsh, seed) in [
        (Lsh::default(), 1),
        (Lsh::default(), 2),
        (Lsh { bands: 20, rows: 5 }, 1),
        (Lsh { bands: 9, rows: 13 }, 3),
    ] {
        let config = NearConfig { lsh, seed, ..NearConfig::default() };
        let prints = fingerprints(&texts, &config);
        let met: HashSet<(usize, usize)> = candidate_pairs(&prints).into_iter().collect();
        for rate in [0.01, 0.02, 0.03, 0.05, 0.08] {
            let (mut expected, mut variance, mut found) = (0.0, 0.0, 0.0);
            for (at, planted) in planted.iter().enumerate() {
                let Planted::Near(of, here) = planted else { continue };
                if *here != rate {
                    continue;
                }
                let s = jaccard(&grams(&texts[at], &config), &grams(&texts[*of], &config));
                let p = lsh.probability(s);
                expected += p;
                variance += p * (1.0 - p);
                found += f64::from(u8::from(met.contains(&(*of, at))));
            }
            let off = (found - expected).abs();
            assert!(
                expected > 5.0 && off <= 3.0 * variance.sqrt().max(0.5),
                "{lsh:?} seed {seed}, {rate}: {found} of {expected} ± {}",
                variance.sqrt()
            );
        }
    }
}

#[test]
fn nothing_unique_is_lost_and_every_copy_is_found() {
    let Corpus { texts, planted } = corpus(20_000, &[], 2);
    let found = near_duplicates(&texts, NearConfig::default()).unwrap();
    let mut exact = ExactDedup::new(None);
    for (at, planted) in planted.iter().enumerate() {
        let known = exact.add(at as u64, &texts[at]);
        match planted {
            Planted::Unique => assert!(found[at].is_none() && known.is_none(), "{at}"),
            Planted::Exact(of) => {
                assert_eq!(texts[known.unwrap() as usize], texts[*of]);
                assert!(found[at].unwrap().similarity >= 0.7, "{at}");
            }
            _ => {}
        }
        // Whatever goes is similar to something that stays.
        if let Some(duplicate) = found[at] {
            assert!(found[duplicate.of as usize].is_none());
        }
    }
}

#[test]
fn threads_change_nothing() {
    let Corpus { texts, .. } = corpus(3_000, &[], 3);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| near_duplicates(&texts, NearConfig::default()).unwrap())
    };
    assert_eq!(run(1), run(4));
}

fn renumber(text: &str, seed: u64) -> String {
    let mut draw = Stream::new(seed, Purpose::named("renumber"), 0, 0, 0);
    let mut out = String::new();
    let mut in_number = false;
    for c in text.chars() {
        if c.is_ascii_digit() {
            if !in_number {
                out.push_str(&(2 + draw.below(97)).to_string());
            }
            in_number = true;
        } else if !(in_number && ",.".contains(c)) {
            in_number = false;
            out.push(c);
        }
    }
    out
}

#[test]
fn renumbered_problems_stay_and_show_as_templates() {
    let Some(rows) = rows("data/gsm8k_train.jsonl") else { return };
    let questions: Vec<String> = texts(&rows, "question")
        .into_iter()
        .filter(|q| q.bytes().filter(u8::is_ascii_digit).count() >= 2)
        .take(2000)
        .collect();
    let share = |config: NearConfig| {
        let mut near = NearDedup::new(config).unwrap();
        let mut flagged = 0;
        for (at, question) in questions.iter().enumerate() {
            near.add_text(2 * at as u64, question).unwrap();
            flagged += usize::from(
                near.add_text(2 * at as u64 + 1, &renumber(question, at as u64)).unwrap().is_some(),
            );
        }
        flagged as f64 / questions.len() as f64
    };
    let words = Words { numbers: Numbers::Mask, ..Words::default() };
    let kept = share(NearConfig::default());
    let by_words = share(NearConfig { keep_renumbered: false, ..NearConfig::default() });
    let bare = share(NearConfig { verify: None, ..NearConfig::default() });
    let masked = share(NearConfig { words, ..NearConfig::default() });
    println!(
        "renumbered questions flagged: {kept} by default, {by_words} by words alone, {bare} \
         unverified, {masked} masked"
    );
    // What is left drew the number it had.
    assert!(kept < 0.005 && by_words < 0.1 && bare < 0.3 && masked > 0.98);

    let both: Vec<String> = questions
        .iter()
        .take(300)
        .enumerate()
        .flat_map(|(i, q)| [q.clone(), renumber(q, 7 + i as u64)])
        .collect();
    let groups = template_duplicates(&both);
    let members: usize = groups.iter().map(|group| group.members.len()).sum();
    assert!(members >= 590, "{members}");
}

#[test]
fn copies_whose_numbers_agree_go() {
    let story = "Natalia sold clips to 48 of her friends in April, and then she sold half as many \
                 clips in May, which was a long and rainy month in the town where they all lived.";
    let found = |other: &str| {
        let texts = [story, other];
        near_duplicates(&texts, NearConfig::default()).unwrap()[1].is_some()
    };
    assert!(found(&story.replace("rainy", "sunny")));
    assert!(found(&format!("17. {story}")) && found(&story.replace("48", "48.")));
    assert!(!found(&story.replace("48", "84")));
    // Of several it is like, one has the same numbers.
    let texts = [story.to_owned(), story.replace("48", "84"), story.replace("48", "84") + " So?"];
    let found = near_duplicates(&texts, NearConfig::default()).unwrap();
    assert!(found[1].is_none() && found[2].unwrap().of == 1);
}

#[test]
fn short_texts_are_not_invisible() {
    let texts = ["2 + 3?", "2 + 3 ?", "2 - 3?", "3 + 2?", "", "", "中文问题", "中文问题"];
    let found = near_duplicates(&texts, NearConfig::default()).unwrap();
    let flags: Vec<bool> = found.iter().map(Option::is_some).collect();
    assert_eq!(flags, [false, true, false, false, false, false, false, true]);
}

#[test]
fn chains_make_one_cluster_only_where_asked_for() {
    let words: Vec<String> = (0..200).map(|i| format!("w{i}")).collect();
    // Each text differs from the one before in a block of its own.
    let mut chain = vec![words.clone()];
    for step in 0..12 {
        let mut next = chain[step].clone();
        (0..12).for_each(|i| next[step * 16 + i] = format!("x{step}-{i}"));
        chain.push(next);
    }
    let texts: Vec<String> = chain.iter().map(|words| words.join(" ")).collect();
    let config = NearConfig { lsh: Lsh { bands: 40, rows: 4 }, ..NearConfig::default() };
    let pairs = candidate_pairs(&fingerprints(&texts, &config));
    assert_eq!(clusters(texts.len(), &pairs).len(), 1);
    let found = near_duplicates(&texts, config.clone()).unwrap();
    let kept = found.iter().filter(|f| f.is_none()).count();
    assert!(kept > 2, "{kept}");
    for (at, duplicate) in found.iter().enumerate().filter_map(|(at, f)| Some((at, (*f)?))) {
        let s =
            jaccard(&grams(&texts[at], &config), &grams(&texts[duplicate.of as usize], &config));
        assert!((s - duplicate.similarity).abs() < 1e-12 && s >= 0.7);
    }
}

#[test]
fn the_published_thresholds_of_bands_and_rows() {
    let half = |bands, rows| {
        let lsh = Lsh { bands, rows };
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let mid = (low + high) / 2.0;
            if lsh.probability(mid) < 0.5 { low = mid } else { high = mid }
        }
        low
    };
    for (bands, rows, s) in [
        (14, 8, 0.685),
        (20, 20, 0.845),
        (450, 20, 0.723),
        (16, 8, 0.674),
        (8, 16, 0.856),
        (9, 13, 0.819),
        (32, 4, 0.383),
    ] {
        assert!((half(bands, rows) - s).abs() < 1e-3, "{bands} {rows} {}", half(bands, rows));
    }
}

#[test]
fn hashes_are_the_same_on_every_machine() {
    // 64-bit FNV-1a of "abc" is e71fa2190541574b (published); then SplitMix64's finaliser.
    let mut x: u64 = 0xe71f_a219_0541_574b;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    assert_eq!(Words::default().hashes("ABC"), [x ^ (x >> 31)]);
    let near = NearDedup::new(NearConfig::default()).unwrap();
    let print = near.fingerprint("The same words give the same keys on every machine, always.");
    // Computed with big integers, from the definitions.
    assert_eq!(print.keys[..2], [14_250_776_696_960_259_043, 10_540_797_270_105_069_349]);
}

#[test]
fn words_of_many_scripts() {
    let words = Words::default();
    let same = |a: &str, b: &str| words.hashes(a) == words.hashes(b);
    assert!(same("Café, naïve!", "cafe naive") && same("ΣΟΦΟΣ", "σοφοσ"));
    assert!(same("e\u{301}te", "été") && same("well-known", "well known"));
    assert!(!same("3.5", "35") && same("1,000", "1000") && !same("1,2", "12"));
    assert!(!same("2 - 3", "2 3") && !same("a/b", "a b") && !same("x × y", "x y"));
    assert_eq!(words.hashes("你好世界").len(), 4);
    assert_eq!(words.hashes("a b\u{a0}c\u{2003}d").len(), 4);
    let masked = Words { numbers: Numbers::Mask, ..words };
    assert_eq!(masked.hashes("1,234.56 and 7"), masked.hashes("8 and 99"));
    let spaces = Words::whitespace();
    assert_eq!(spaces.hashes("A  b\tc\n"), spaces.hashes("a b c"));
    assert_ne!(spaces.hashes("a, b"), spaces.hashes("a b"));
}

/// Texts are equal as normalised exactly where their words' hashes are.
#[test]
fn normal_forms_and_hashes_agree() {
    let texts = [
        "Café, naïve!",
        "cafe naive",
        "e\u{301}te",
        "ÉTÉ",
        "3.5",
        "35",
        "1,000",
        "1000",
        "1,2",
        "1 2",
        "2 - 3",
        "2 3",
        "a/b",
        "a b",
        "x × y",
        "x y",
        "你好",
        "你 好",
        "a\u{a0}b",
        "ΣΟΦΟΣ",
        "σοφοσ",
        "1,234.56 and 7",
        "8 and 99",
        "He has 12 pens.",
        "he has 7 pens",
        "12ab34",
        "1ab2",
        "a.b",
        "ab",
        "-5",
        "5",
        "x-5",
        "x 5",
        "it's",
        "its",
        "İstanbul",
        "i\u{307}stanbul",
        "ﬁn",
        "fin",
        "",
        " ",
    ];
    for words in [
        Words::default(),
        Words { numbers: Numbers::Mask, ..Words::default() },
        Words { accents: true, ..Words::default() },
        Words::whitespace(),
        Words { numbers: Numbers::Mask, ..Words::whitespace() },
    ] {
        for (a, b) in texts.iter().flat_map(|a| texts.iter().map(move |b| (a, b))) {
            let alike = words.normalise(a) == words.normalise(b);
            assert_eq!(alike, words.hashes(a) == words.hashes(b), "{words:?}: `{a}` `{b}`");
        }
    }
}

#[test]
fn repeated_sentences_and_passages_go_and_the_rest_stays() {
    let boiler = "Subscribe to our newsletter today. Click on the button below. All rights are reserved here.";
    let mut sentences = SentenceDedup::new(SentenceConfig::default()).unwrap();
    assert_eq!(sentences.clean(&format!("One thing. {boiler}")), None);
    let cleaned = sentences.clean(&format!("Another thing happened. {boiler} And it went on."));
    assert_eq!(cleaned.unwrap(), "Another thing happened. And it went on.");
    assert_eq!(
        sentences.clean("A third thing. Click on the button below."),
        None,
        "one alone stays"
    );

    let mut draw = Stream::new(1, Purpose::named("t"), 0, 0, 0);
    let mut words =
        |n: usize| (0..n).map(|_| format!("w{}", draw.below(1_000_000))).collect::<Vec<_>>();
    let passage = words(60).join(" ");
    let mut substring = SubstringDedup::new(50, Words::default()).unwrap();
    let (a, b, c) = (words(80).join(" "), words(80).join(" "), words(30).join(" "));
    assert!(substring.clean(&format!("{a} {passage}")).is_none());
    let cut = substring.clean(&format!("{b} {passage} {c}")).unwrap();
    assert_eq!(cut.text, format!("{b}  {c}"));
    let short: Vec<&str> = passage.split(' ').take(49).collect();
    assert!(substring.clean(&format!("{c} {}", short.join(" "))).is_none());
}

#[test]
fn alike_vectors_are_found_in_their_clusters() {
    let mut draw = Stream::new(4, Purpose::named("vectors"), 0, 0, 0);
    let mut vectors: Vec<Vec<f32>> = Vec::new();
    let mut copies = Vec::new();
    for _ in 0..600 {
        if !vectors.is_empty() && draw.uniform() < 0.3 {
            let of = draw.below(vectors.len());
            let noisy = vectors[of].iter().map(|x| x + 0.01 * draw.normal() as f32).collect();
            copies.push(vectors.len());
            vectors.push(noisy);
        } else {
            vectors.push((0..32).map(|_| draw.normal() as f32).collect());
        }
    }
    let config = EmbeddingConfig {
        cosine: 0.99,
        keep: Keep::First,
        clusters: 8,
        ..EmbeddingConfig::default()
    };
    let found = embedding_duplicates(&vectors, &config).unwrap();
    let flagged: Vec<usize> = (0..600).filter(|i| found[*i].is_some()).collect();
    let hit = copies.iter().filter(|c| flagged.contains(c)).count();
    assert!(flagged.iter().all(|f| copies.contains(f)), "nothing unlike is taken");
    assert!(hit as f64 > 0.97 * copies.len() as f64, "{hit} of {}", copies.len());
    let farthest =
        embedding_duplicates(&vectors, &EmbeddingConfig { keep: Keep::Farthest, ..config })
            .unwrap();
    assert_eq!(farthest.iter().flatten().count(), flagged.len());
    assert!(
        embedding_duplicates(&[vec![1.0], vec![1.0, 2.0]], &EmbeddingConfig::default()).is_err()
    );
    assert!(embedding_duplicates(&[vec![0.0]], &EmbeddingConfig::default()).is_err());
}
