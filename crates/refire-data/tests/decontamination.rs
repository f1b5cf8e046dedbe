//! Overlap with benchmarks.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Planted, corpus, rows, texts};
use refire_data::{DecontaminationConfig, Decontaminator, Pass};

fn index(items: &[String], config: DecontaminationConfig) -> Decontaminator {
    let mut check = Decontaminator::new(config).unwrap();
    for (at, item) in items.iter().enumerate() {
        check.add("test", &at.to_string(), item);
    }
    check
}

fn ngram(n: usize) -> DecontaminationConfig {
    DecontaminationConfig { ngram: n, ..DecontaminationConfig::default() }
}

/// Counts by open-r1's algorithm on the same files.
#[test]
fn gsm8k_overlaps_itself_as_known() {
    let (Some(train), Some(test)) = (rows("data/gsm8k_train.jsonl"), rows("data/gsm8k_test.jsonl"))
    else {
        return;
    };
    let (train, test) = (texts(&train, "question"), texts(&test, "question"));
    for (n, expected) in [(8, 70), (10, 10), (13, 4)] {
        let report = index(&test, ngram(n)).check_all(&train);
        let grams = report.counts["test"][&Pass::Ngram];
        assert_eq!((grams, report.found.len()), (expected, expected), "{n}");
        for (at, found) in &report.found {
            assert!(train[*at].contains(&found.matched));
            assert_eq!(found.matched.split_whitespace().count(), n);
            let words: Vec<String> =
                found.matched.split_whitespace().map(str::to_lowercase).collect();
            let item: Vec<String> = test[found.item.parse::<usize>().unwrap()]
                .split_whitespace()
                .map(str::to_lowercase)
                .collect();
            assert!(item.windows(n).any(|window| window == words), "{found:?}");
        }
    }
    let half = DecontaminationConfig { min_coverage: 0.5, ..ngram(8) };
    assert!(index(&test, half).check_all(&train).found.len() < 4, "boilerplate is no leak");
}

#[test]
fn every_planted_leak_is_found_and_nothing_else() {
    let Some(test) = rows("data/gsm8k_test.jsonl") else { return };
    let test = texts(&test, "question");
    let corpus = corpus(10_000, &test, 5);
    for n in [8, 10, 13] {
        let check = index(&test, ngram(n));
        let (mut leaks, mut whole) = (0, 0);
        for (text, planted) in corpus.texts.iter().zip(&corpus.planted) {
            let found = check.check(text);
            match planted {
                Planted::Unique => assert!(found.is_none(), "{found:?}"),
                Planted::Leak(item) => {
                    let found = found.unwrap();
                    leaks += 1;
                    whole += usize::from(found.item == item.to_string() && found.coverage == 1.0);
                }
                _ => {}
            }
        }
        assert!(leaks > 50, "{leaks}");
        assert_eq!(whole, leaks, "{n}");
    }
}

#[test]
fn short_items_renumbered_items_and_their_limits() {
    let items = [
        "What is 3 + 4?",
        "How many days are in a leap year?",
        "Tom has 12 apples and gives 5 of them away to his friend.",
        "2 + 2",
    ];
    let check = index(&items.map(String::from), ngram(13));
    let pass = |text: &str| check.check(text).map(|found| (found.pass, found.item));
    assert_eq!(pass("what is 3 + 4?"), Some((Pass::Whole, "0".to_owned())));
    assert_eq!(
        pass("I ask: how many days are in a leap year? Tell me."),
        Some((Pass::Whole, "1".to_owned()))
    );
    assert_eq!(
        pass("Well, what is 3 + 4? Seven."),
        None,
        "five words are too few to be found inside"
    );
    assert_eq!(
        pass("Tom has 99 apples and gives 7 of them away to his friend!"),
        Some((Pass::DigitStripped, "2".to_owned()))
    );
    assert_eq!(pass("1 + 1"), None, "nothing is left of an item of digits");
    assert_eq!(pass(""), None);
    assert!(Decontaminator::new(ngram(0)).is_err());
    assert!(index(&[], ngram(5)).check("a b c d e f").is_none());
}

#[test]
fn coverage_is_the_share_of_the_items_grams() {
    let item = "a b c d e f g h i j".to_owned();
    let check = index(&[item], ngram(4));
    let coverage = |text: &str| check.check(text).map(|found| found.coverage);
    assert_eq!(coverage("x a b c d y"), Some(1.0 / 7.0));
    assert_eq!(coverage("a b c d e x f g h i"), Some(3.0 / 7.0));
    assert_eq!(coverage("a b c d a b c d"), Some(1.0 / 7.0), "a gram counts once");
    assert_eq!(coverage("a b c x d"), None);
}

/// Every digit another one.
fn with_other_numbers(text: &str) -> String {
    text.chars()
        .map(|c| c.to_digit(10).map_or(c, |d| char::from(b'0' + ((d + 3) % 10) as u8)))
        .collect()
}

#[test]
fn renumbered_items_are_found_within_texts() {
    let Some(test) = rows("data/gsm8k_test.jsonl") else { return };
    let test = texts(&test, "question");
    // N-grams longer than any item: what is left is the comparison of letters.
    let check = index(&test, ngram(400));
    let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count();
    let bare = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
    let mut long = 0;
    for (at, item) in test.iter().enumerate().filter(|(_, item)| letters(item) >= 60) {
        let other = with_other_numbers(item);
        if !item.contains(|c: char| c.is_ascii_digit()) {
            continue;
        }
        long += 1;
        let next = with_other_numbers(&test[(at + 1) % test.len()]);
        let texts = [
            format!("You are a tutor of mathematics. Answer step by step.\n{other}"),
            format!("Hello!\nAsk me anything.\n{other}\nThat makes 12.\nThanks a lot!"),
            format!("Problem 17. {other} Solution. We add 3 and 4, café prices aside."),
            format!("{other} {next}"),
        ];
        for text in &texts {
            let found = check.check(text).unwrap_or_else(|| panic!("{text}"));
            let (wanted, got) = (&test[found.item.parse::<usize>().unwrap()], &found.matched);
            let digits = wanted.contains(|c: char| c.is_ascii_digit());
            assert_eq!(found.pass == Pass::DigitStripped, digits, "{text}");
            assert_eq!(bare(wanted).to_lowercase(), bare(got).to_lowercase(), "{text}");
            assert!(text.contains(got.as_str()));
        }
        let inside = format!("Para{} it", other.trim_end_matches(|c: char| !c.is_alphabetic()));
        let changed = other.replacen(" of ", " off ", 1).replacen(" a ", " any ", 1);
        let glued = item.starts_with(char::is_alphabetic);
        assert!(!glued || check.check(&inside).is_none(), "no word begins there: {inside}");
        assert!(changed == other || check.check(&format!("So: {changed}")).is_none());
    }
    assert!(long > 1000, "{long}");
    println!("{long} renumbered items found in four surroundings each");
}

/// Train questions alone are looked at above; with solutions, and many in one chat, the letters of
/// no test item stand in them either.
#[test]
fn letters_turn_nothing_else_down() {
    let (Some(train), Some(test)) = (rows("data/gsm8k_train.jsonl"), rows("data/gsm8k_test.jsonl"))
    else {
        return;
    };
    let (questions, solutions) = (texts(&train, "question"), texts(&train, "solution"));
    let check = index(&texts(&test, "question"), ngram(400));
    let whole: Vec<String> =
        questions.iter().zip(&solutions).map(|(q, s)| format!("{q}\n{s}")).collect();
    let chats: Vec<String> = whole.chunks(5).map(|turns| turns.join("\n")).collect();
    for (name, texts) in [("questions", &questions), ("solved", &whole), ("chats", &chats)] {
        let report = check.check_all(texts);
        println!("{name}: {} of {}: {:?}", report.found.len(), report.texts, report.found.first());
        assert!(report.found.is_empty(), "{name}: {:?}", report.found);
    }
}

#[test]
fn phrases_that_problems_share_are_no_items_within_texts() {
    let item = "Find the greatest common divisor of 12 and 18.".to_owned();
    let check = index(&[item], ngram(13));
    assert!(check.check("Find the greatest common divisor of 40 and 50.").is_some());
    let text = "First find the greatest common divisor of 40 and 50. Then add them.";
    assert!(check.check(text).is_none());
    let eager = DecontaminationConfig { min_letters_within: 24, ..ngram(13) };
    let item = "Find the greatest common divisor of 12 and 18.".to_owned();
    let found = index(&[item], eager).check(text).unwrap();
    assert_eq!(found.matched, "find the greatest common divisor of 40 and 50.");
}
