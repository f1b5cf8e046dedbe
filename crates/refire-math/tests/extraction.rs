//! Where an answer is found, and what is broken rather than replaced.

use refire_math::{ExtractRules, Fault, Tier, extract};

fn answer(text: &str) -> Result<&str, Fault> {
    let found = extract(text, &ExtractRules::default());
    if let Ok(answer) = found.answer {
        assert_eq!(&text[found.span], answer, "the span is the answer");
    }
    found.answer
}

#[test]
fn the_last_box_wins_with_matched_braces() {
    for (text, expected) in [
        (r"\boxed{5}", "5"),
        (r"\fbox{5}", "5"),
        (r"\boxed {5}", "5"),
        (r"\boxed 5", "5"),
        (r"so $\boxed 5.$", "5"),
        (r"\\boxed{5}", "5"),
        (r"\boxed{ \frac{1}{2} } done }", r"\frac{1}{2}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\boxed{5}}", r"\boxed{5}"),
        (r"\boxed{1 + \boxed{5}}", r"1 + \boxed{5}"),
        (r"\boxed{5} (some say 37)", "5"),
        (r"\boxed{5}. Checked again, I get the same: \boxed{5}", "5"),
        (r"\boxed{4}. No wait, there was an error: \boxed{5}", "5"),
        (r"\boxedtext{4} \boxed{5}", "5"),
        ("π² ≈ \\boxed{π}", "π"),
    ] {
        assert_eq!(answer(text), Ok(expected), "{text}");
    }
}

#[test]
fn listed_answers_are_one_answer() {
    for text in [
        r"\boxed{41} or \boxed{42}",
        r"\boxed{41}$, $\boxed{42}",
        r"\boxed{41}\boxed{41} \boxed{42}\boxed{42}",
        "<answer>41</answer> or maybe <answer>42</answer>",
        "#### 41\n#### 42",
    ] {
        let all = answer(text).unwrap();
        assert!(all.contains("41") && all.contains("42"), "{all}");
    }
    assert_eq!(answer(r"\boxed{5} \boxed{5}"), Ok("5"));
}

#[test]
fn tags_and_hashes() {
    for (text, expected) in [
        ("<answer> 5 </answer>", "5"),
        ("<answer>4</answer> That is wrong, so I correct it: <answer>5</answer>", "5"),
        ("I answer in <answer> tags: <answer>5</answer>", "5"),
        ("so it is 5\n#### 5\n", "5"),
        ("#### 4\r\nOne more consideration changes this.\r\n####5\r\nbye", "5"),
        ("##### heading\n#### 5", "5"),
        ("#### 5\n##### 6", "5"),
    ] {
        assert_eq!(answer(text), Ok(expected), "{text}");
    }
}

#[test]
fn broken_markers_are_not_replaced() {
    for (text, fault) in [
        ("", Fault::Missing),
        ("I can't find it.", Fault::Missing),
        (r"\boxed{5", Fault::Unclosed),
        (r"\boxed", Fault::Unclosed),
        (r"\boxed5", Fault::Unclosed),
        (r"\boxed{5} and then, after a while of thinking about it, \boxed{6", Fault::Unclosed),
        (r"\boxed{1 + \boxed{5}", Fault::Unclosed),
        (r"\boxed{5\}", Fault::Unclosed),
        (r"\boxed{}", Fault::Empty),
        ("\\boxed{ \n}", Fault::Empty),
        ("<answer>5", Fault::Unclosed),
        ("<answer>5</answer> <answer>6", Fault::Unclosed),
        ("<answer></answer>", Fault::Empty),
        ("#### 5\nThis was only a first attempt at it.\n####", Fault::Empty),
        (r"#### 5 \boxed{", Fault::Unclosed),
        (r"<answer>5</answer> #### 5 \boxed{}", Fault::Empty),
        (r"<think>\boxed{5}", Fault::Thinking),
        (r"<think>\boxed{5}</think>", Fault::Missing),
    ] {
        assert_eq!(answer(text), Err(fault), "{text}");
    }
}

#[test]
fn rules_choose_tiers_and_thinking() {
    let text = r"<think>\boxed{1}</think> <answer>2</answer> #### 3";
    let with = |tiers: &[Tier], strip_thinking| ExtractRules {
        tiers: tiers.into(),
        strip_thinking,
        ..ExtractRules::default()
    };
    let found = |rules: &ExtractRules| extract(text, rules);

    let all = found(&ExtractRules::default());
    assert_eq!((all.answer, all.tier), (Ok("2"), Some(Tier::AnswerTag)));
    let kept = found(&with(&[Tier::Boxed, Tier::Hash], false));
    assert_eq!((kept.answer, kept.tier), (Ok("1"), Some(Tier::Boxed)));
    let hash = found(&with(&[Tier::Hash, Tier::AnswerTag], true));
    assert_eq!((hash.answer, hash.tier), (Ok("3"), Some(Tier::Hash)));
    let boxed = found(&with(&[Tier::Boxed], true));
    assert_eq!((boxed.answer, boxed.tier), (Err(Fault::Missing), None));
}

#[test]
fn phrases_and_last_numbers() {
    for (text, expected) in [
        ("The answer is 5.", "5"),
        ("So the answer is 2/1005.", "2/1005"),
        ("The answer is **170**.", "170"),
        ("Answer: 77", "77"),
        ("**Answer:** $\\frac{1}{2}$", "$\\frac{1}{2}$"),
        ("The final answer is $170$. I hope it is correct.", "$170$"),
        ("Final Answer: The largest $n$ is 34.", "34"),
        ("There are 3160 at first, so the answer is 3162.", "3162"),
        ("The answer is 178%.", "178%"),
        ("the answer is 8:34 p.m.", "8:34 p.m."),
        ("The correct option is (A).\n\nAnswer: A", "A"),
        ("The total cost is $8000.", "$8000"),
        ("In total there are 5,040 ways.", "5,040"),
        ("She has 3 + 4 = 7 left.\nA: 7", "7"),
        ("They paid $102 / 3 = $34.\nA: 34", "34"),
        ("Hence $x = \\sqrt{2}$ and we are done.", "$x = \\sqrt{2}$"),
        ("the roots are $x=1$ and $x=2$.", "$x=1$ and $x=2$"),
        ("we get \\frac{3}{4}", "\\frac{3}{4}"),
        ("it drops to -5 degrees", "-5"),
        ("which is 3/4 of it", "3/4"),
    ] {
        assert_eq!(answer(text), Ok(expected), "{text}");
    }
}

#[test]
fn the_tail_may_be_all_that_counts() {
    let rules = ExtractRules { tail_bytes: Some(20), ..ExtractRules::default() };
    let late = format!("{:50}\\boxed{{5}}", "");
    let early = format!("\\boxed{{5}}{:50}", "");
    assert_eq!(extract(&late, &rules).answer, Ok("5"));
    assert_eq!(extract(&early, &rules).answer, Err(Fault::Missing));
    let rules = ExtractRules { unclosed: true, ..ExtractRules::default() };
    assert_eq!(extract("\\boxed{x = 5$", &rules).answer, Ok("x = 5"));
}
