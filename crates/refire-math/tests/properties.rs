//! Equality is reflexive, symmetric and, among answers that state the same things, transitive.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;

use common::{rows, text};
use refire_math::{Checker, ExtractRules, Path, Verdict, extract};

const ANSWERS: &[&[&str]] = &[
    &[
        "1/2",
        "0.5",
        ".50",
        r"\frac12",
        r"\frac{2}{4}",
        "x=0.5",
        "50\\%",
        r"0.5\text{ m}",
        "50 cm",
        "1:2",
    ],
    &[
        "(1,2)",
        "1,2",
        "2,1",
        r"\{1,2\}",
        r"\{2,1\}",
        r"\begin{pmatrix}1\\2\end{pmatrix}",
        "1<x<2",
        "[1,2]",
    ],
    &["5 km", "5000 m", r"5000\text{ m}", r"5\text{ km}", "5", "x=5", "y=5", r"5\text{ dogs}"],
    &[r"90^\circ", "90", r"\frac\pi2", r"90\text{ degrees}", r"\arccos 0"],
    &[r"\sqrt{18}", r"3\sqrt2", r"\sqrt{2}\cdot 3", r"18^{1/2}", "4.2426", r"\frac{6}{\sqrt2}"],
    &["x>2", r"(2,\infty)", "2<x", "-x<-2", "y>2", r"\{x\mid x>2\}", r"x\in(2,\infty)"],
    &["A", "(A)", r"\text{A}", "a", r"\text{(A) }5", "5", "B"],
    &["1,234", "1234", r"1{,}234", r"\{1,234\}", "1, 234"],
    &["2x+4y=6", "x+2y=3", "y=(3-x)/2", r"y=\frac{3-x}{2}", r"\frac{3-x}{2}"],
    &[r"\sin 2x", r"2\sin x\cos x", r"\sin(x+x)", r"2\sin x"],
];

/// Whether the path compared all that both answers state.
fn complete(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Equal(path) => !matches!(
            path,
            Path::UnitDropped | Path::LabelDropped | Path::Convention | Path::Ratio | Path::Choice
        ),
        _ => false,
    }
}

fn check(checker: &Checker, answers: &[&str]) {
    let verdicts: Vec<Vec<Verdict>> =
        answers.iter().map(|a| answers.iter().map(|b| checker.compare(a, b)).collect()).collect();
    for (i, a) in answers.iter().enumerate() {
        assert!(verdicts[i][i].is_equal(), "{a}");
        for (j, b) in answers.iter().enumerate() {
            assert_eq!(verdicts[i][j].is_equal(), verdicts[j][i].is_equal(), "{a} and {b}");
            if !complete(verdicts[i][j]) {
                continue;
            }
            for (k, c) in answers.iter().enumerate() {
                if complete(verdicts[j][k]) {
                    let verdict = verdicts[i][k];
                    assert!(verdict.is_equal(), "{a} = {b} = {c}, but {verdict:?}");
                }
            }
        }
    }
}

#[test]
fn of_answers_in_many_notations() {
    let checker = Checker::default();
    for answers in ANSWERS {
        check(&checker, answers);
    }
    let all: Vec<&str> = ANSWERS.iter().flat_map(|answers| answers.iter().copied()).collect();
    check(&checker, &all);
}

/// All that was answered to one question, right and wrong.
#[test]
fn of_the_answers_in_the_corpora() {
    let checker = Checker::default();
    let mut groups = BTreeMap::<String, Vec<String>>::new();
    for row in rows("cases", "math_wild") {
        let group = groups.entry(text(&row, "gold").to_owned()).or_default();
        if let Ok(answer) = extract(text(&row, "pred"), &ExtractRules::default()).answer {
            group.push(answer.to_owned());
        }
    }
    for (gold, mut answers) in groups {
        answers.push(gold);
        answers.sort();
        answers.dedup();
        let answers: Vec<&str> = answers.iter().map(String::as_str).take(40).collect();
        check(&checker, &answers);
    }
}
