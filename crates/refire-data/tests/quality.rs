//! Good solutions stay, planted faults are caught.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::rows;
use refire_core::{Purpose, Stream};
use refire_data::{
    C4, Cot, FineWeb, Gopher, Profile, Repetition, Trace, find_loop, foreign_share, language,
    split_thought,
};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
struct Solved {
    question: String,
    solution: String,
    answer: String,
}

impl Solved {
    fn trace(&self) -> Trace<'_> {
        Trace {
            prompt: &self.question,
            response: &self.solution,
            answer: Some(&self.answer),
            ..Trace::default()
        }
    }
}

fn gold() -> Option<Vec<Solved>> {
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = rows("data/gsm8k_train.jsonl")?;
    Some(
        rows.iter()
            .map(|row| Solved {
                question: text(row, "question"),
                solution: text(row, "solution"),
                answer: text(row, "answer"),
            })
            .collect(),
    )
}

fn reasons(traces: &[Solved], profile: &Profile) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for solved in traces {
        if let Some(rejection) = profile.check(&solved.trace()) {
            *reasons.entry(rejection.rule).or_default() += 1;
        }
    }
    reasons
}

fn share(traces: &[Solved], profile: &Profile) -> f64 {
    reasons(traces, profile).values().sum::<usize>() as f64 / traces.len() as f64
}

#[test]
fn gold_solutions_stay() {
    let Some(gold) = gold() else { return };
    let profile = Profile::Cot(Cot::default());
    // The first 3,000, and those nobody tuned anything on.
    for part in [&gold[..3000], &gold[3000..]] {
        let found = reasons(part, &profile);
        println!("cot turns down {found:?} of {}", part.len());
        assert!(share(part, &profile) <= 0.01, "{found:?}");
    }
}

#[test]
fn web_rules_turn_mathematics_down() {
    let Some(gold) = gold() else { return };
    let gold = &gold[..3000];
    // What datatrove 0.10.1 turns down of the same texts, question and solution with a line's end
    // between them. Its words and sentences are spaCy's.
    let web = [
        (Profile::Gopher(Gopher::default()), 0.929),
        (Profile::Repetition(Repetition::default()), 0.136),
        (Profile::C4(C4::default()), 0.383),
        (Profile::FineWeb(FineWeb::default()), 0.022),
    ];
    for (profile, theirs) in web {
        let found = share(gold, &profile);
        println!("{found:.3} turned down, by datatrove {theirs}: {profile:?}");
        assert!((found - theirs).abs() < 0.02, "{found} {theirs}");
    }
    let letters = reasons(gold, &Profile::Gopher(Gopher::default()))["words with letters"];
    assert!(letters > 2400, "{letters}");
}

/// Faults of a kind planted into good solutions; all must be found.
fn planted(kind: &str, plant: impl Fn(&Solved, &mut Stream) -> Option<Solved>) {
    let Some(gold) = gold() else { return };
    let profile = Cot::default();
    let good: Vec<Solved> =
        gold.into_iter().step_by(3).filter(|s| profile.check(&s.trace()).is_none()).collect();
    let mut n = 0;
    for (at, solved) in good.iter().enumerate() {
        let mut draw = Stream::new(at as u64, Purpose::named("plant"), 0, 0, 0);
        let Some(faulty) = plant(solved, &mut draw) else { continue };
        n += 1;
        let found = profile.check(&faulty.trace());
        assert!(found.is_some(), "{kind}: {faulty:?}");
    }
    assert!(n > 500, "{kind}: {n}");
    println!("{kind}: all of {n} found");
}

#[test]
fn planted_loops_are_caught() {
    planted("loops", |solved, draw| {
        let lines: Vec<&str> = solved.solution.lines().collect();
        let unit = match draw.below(4) {
            0 => format!("{}\n", lines[draw.below(lines.len())]),
            1 => "Wait, let me check that again. ".to_owned(),
            2 => "Hmm ".to_owned(),
            _ => format!("{} ", solved.question),
        };
        let times = (100 / unit.len()).max(1) + 6 + draw.below(20);
        let at = draw.below(lines.len() + 1);
        let (before, after) = (lines[..at].join("\n"), lines[at..].join("\n"));
        let solution = format!("{before}\n{}{after}\n", unit.repeat(times));
        Some(Solved { solution, ..solved.clone() })
    });
}

#[test]
fn planted_truncations_are_caught() {
    planted("truncations", |solved, draw| {
        let text = &solved.solution;
        let (start, end) = (text.len() / 5, text.len() * 4 / 5);
        let cut = (start + draw.below(end - start)..).find(|at| text.is_char_boundary(*at))?;
        // What has already said the answer has lost nothing that can be seen.
        let rest = text[..cut].replace(',', "");
        let said = rest.lines().last().unwrap_or("").contains(&solved.answer)
            || rest
                .chars()
                .rev()
                .take(200)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect::<String>()
                .contains(&solved.answer);
        (!said).then(|| Solved { solution: text[..cut].to_owned(), ..solved.clone() })
    });
}

#[test]
fn planted_leaks_are_caught() {
    planted("leaks", |solved, draw| {
        let forms = [
            "The answer is @.",
            "Answer: @",
            "#### @",
            "\\boxed{@}",
            "(the correct answer is @)",
            "Hint: the final answer is $@.",
            "ANSWER = @",
        ];
        let leak = forms[draw.below(forms.len())].replace('@', &solved.answer);
        let question = if draw.uniform() < 0.5 {
            format!("{} {leak}", solved.question)
        } else {
            format!("{leak}\n{}", solved.question)
        };
        Some(Solved { question, ..solved.clone() })
    });
}

#[test]
fn planted_foreign_passages_are_caught() {
    let passages = [
        "因此我们需要先计算每天的总数，然后再乘以天数。",
        "Сначала посчитаем, сколько яблок осталось у мальчика после того, как он отдал половину.",
        "Primero tenemos que calcular cuántas manzanas le quedan después de dar la mitad a su hermano.",
        "Zuerst müssen wir berechnen, wie viele Äpfel ihm bleiben, nachdem er die Hälfte verschenkt hat.",
        "それでは、まず一日あたりの合計を計算してから日数を掛けます。",
        "أولا نحسب عدد التفاح المتبقي بعد أن أعطى نصفها لأخيه الصغير.",
    ];
    planted("mixed languages", |solved, draw| {
        let lines: Vec<&str> = solved.solution.lines().collect();
        let at = draw.below(lines.len());
        let mut lines = lines;
        let passage = passages[draw.below(passages.len())];
        lines.insert(at, passage);
        Some(Solved { solution: lines.join("\n"), ..solved.clone() })
    });
}

#[test]
fn a_foreign_sentence_in_a_long_trace_is_caught() {
    let Some(gold) = gold() else { return };
    let cot = Cot { repetition: None, ..Cot::default() };
    let sentences =
        ["因此我们需要先计算每天的总数，然后再乘以天数。", "Сначала посчитаем, сколько осталось."];
    let mut traces = 0;
    for (at, part) in gold.chunks(40).take(50).enumerate() {
        let lines: Vec<&str> = part.iter().flat_map(|solved| solved.solution.lines()).collect();
        let solved = part.last().unwrap();
        let check = |response: &str| cot.check(&Trace { response, ..solved.trace() });
        if check(&lines.join("\n")).is_some() {
            continue;
        }
        traces += 1;
        for sentence in sentences {
            let (before, after) = lines.split_at(at % lines.len());
            let mixed = [before, &[sentence], after].concat().join("\n");
            assert_eq!(check(&mixed).unwrap().rule, "language", "{mixed}");
        }
    }
    assert!(traces > 40, "{traces}");
}

#[test]
fn loops_by_their_definition() {
    assert_eq!(find_loop(&"ab".repeat(100), 20, 5).unwrap().period, 2);
    assert!(
        find_loop(&"ab".repeat(49), 20, 5).is_none()
            && find_loop(&"ab".repeat(50), 20, 5).is_some()
    );
    let unit = "0123456789abcdefghijklmnopqrst";
    assert!(find_loop(&unit.repeat(4), 20, 5).is_none());
    let found = find_loop(&format!("before {}after", unit.repeat(5)), 20, 5).unwrap();
    assert_eq!((found.period, found.range), (30, 7..157));
    assert!(find_loop("", 20, 5).is_none() && find_loop("short", 20, 5).is_none());
    let counting: String = (0..500).map(|i| format!("Step {i}: the sum is {}.\n", i * i)).collect();
    assert!(find_loop(&counting, 20, 5).is_none(), "alike lines are no loop");
}

#[test]
fn structure_of_thoughts() {
    for bad in [
        "<think>a",
        "a</think>b",
        "x<think>a</think>b",
        "<think>a</think>",
        "<think></think>b",
        "<think>a</think>b<think>c</think>d",
        "</think>a<think>",
    ] {
        assert!(split_thought(bad).is_err(), "{bad}");
    }
    assert_eq!(split_thought("plain"), Ok((None, "plain")));
    let cot = Cot::default();
    let trace = |response: &'static str| Trace {
        prompt: "How many apples are left when two of five are eaten?",
        response,
        ..Trace::default()
    };
    assert!(cot.check(&trace("<think>5 - 2 = 3</think>Three apples are left.")).is_none());
    assert_eq!(cot.check(&trace("<think>5 - 2 = 3")).unwrap().rule, "structure");
    assert_eq!(cot.check(&trace("")).unwrap().rule, "length");
    assert_eq!(
        cot.check(&trace("As an AI language model I can't eat apples, but 3.")).unwrap().rule,
        "banned phrase"
    );
    let cut = Trace { finish_reason: Some("length"), ..trace("Three apples are left.") };
    assert_eq!(cot.check(&cut).unwrap().rule, "truncation");
}

#[test]
fn languages_and_scripts() {
    assert_eq!(language("$x^2 + y^2 = z^2$ 12345"), None);
    assert_eq!(foreign_share("How many?", "Let α be the angle"), 0.0);
    assert_eq!(foreign_share("有多少个苹果？", "Let x be 苹果"), 0.0);
    assert!(foreign_share("How many?", "苹果") == 1.0);
    assert_eq!(foreign_share("12 + 3 =", "苹果"), 0.0, "a prompt without letters expects nothing");
}
