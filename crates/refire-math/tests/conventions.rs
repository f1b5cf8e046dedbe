//! The knobs of profiles, golds in markers, batches, limits.

#![allow(clippy::unwrap_used, clippy::panic)]

use refire_math::{
    ChainRule, Checker, DecimalRule, Fault, FormRule, Limits, MathError, Path, PercentRule,
    Profile, Reason, SetRule, Tier, Verdict,
};

fn equal(profile: Profile, gold: &str, answer: &str) -> bool {
    Checker::new(profile).unwrap().compare(gold, answer).is_equal()
}

/// Random fractions in random notations against integer arithmetic.
#[test]
fn agrees_with_cross_multiplication() {
    let checker = Checker::default();
    let mut state = 1_u64;
    let mut below = |n: i64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as i64) % n
    };
    let mut equals = 0;
    for _ in 0..5_000 {
        let (a, b) = (below(41) - 20, below(12) + 1);
        let (c, d) = (below(41) - 20, [1, 2, 4, 5, 8, 10][below(6) as usize]);
        let thousandths = c * 1000 / d;
        let left = [format!("{a}/{b}"), format!(r"\frac{{{a}}}{{{b}}}")][below(2) as usize].clone();
        let right = [
            format!("{c}/{d}"),
            format!(r"$\dfrac{{{c}}}{{{d}}}$"),
            format!("{thousandths}e-3"),
            format!(r"{thousandths} \times 10^{{-3}}"),
        ][below(4) as usize]
            .clone();
        let verdict = checker.compare(&left, &right);
        assert!(verdict.is_decided(), "{left} and {right}");
        assert_eq!(verdict.is_equal(), a * d == c * b, "{left} and {right}");
        equals += usize::from(verdict.is_equal());
    }
    assert!(equals > 20, "{equals}");
}

#[test]
fn percent_means_one_thing_at_a_time() {
    for (rule, as_fraction, as_number) in [
        (PercentRule::Distinct, false, false),
        (PercentRule::Fraction, true, false),
        (PercentRule::Number, false, true),
        (PercentRule::Either, true, true),
    ] {
        let profile = Profile { percent: rule, ..Profile::default() };
        assert_eq!(equal(profile.clone(), "50%", "0.5"), as_fraction);
        assert_eq!(equal(profile.clone(), "50%", "50"), as_number);
        assert!(equal(profile, "50%", r"50.0\%"));
    }
}

#[test]
fn decimals_stand_for_what_the_rule_says() {
    let with = |decimals| Profile { decimals, ..Profile::default() };
    for (gold, answer, exact, three, places) in [
        (r"\frac13", "0.333", false, true, false),
        (r"\frac13", "0.33", false, false, false),
        (r"\frac13", "0.3333333", false, true, true),
        (r"\frac13", "0.334", false, false, false),
        (r"\sqrt2", "1.41421356", false, true, true),
        (r"\pi", "3.14", false, true, false),
        (r"\frac{1}{3}", r"\frac{2}{6}", true, true, true),
        ("0.5", r"\frac12", true, true, true),
        ("0.0000001", "0", false, false, true),
    ] {
        assert_eq!(equal(with(DecimalRule::Exact), gold, answer), exact, "{gold} {answer}");
        assert_eq!(
            equal(with(DecimalRule::Significant(3)), gold, answer),
            three,
            "{gold} {answer}"
        );
        assert_eq!(equal(with(DecimalRule::Places(6)), gold, answer), places, "{gold} {answer}");
    }
}

#[test]
fn reduced_forms_are_asked_for() {
    let reduced = Profile { form: FormRule::Reduced, ..Profile::default() };
    for (gold, answer, counts) in [
        (r"\frac12", r"\frac12", true),
        (r"\frac12", r"\frac{2}{4}", false),
        (r"\frac12", "2/4", false),
        (r"\frac12", "0.5", true),
        ("3", r"\frac{6}{2}", false),
        ("3", "3", true),
        ("3", "2+1", false),
        (r"-\frac12", r"\frac{-1}{2}", true),
    ] {
        assert_eq!(equal(reduced.clone(), gold, answer), counts, "{gold} {answer}");
        assert!(equal(Profile::strict(), gold, answer), "{gold} {answer}");
    }
    assert!(!equal(Profile::prm800k(), r"\frac12", r"\frac{3}{6}"));
}

#[test]
fn chains_are_checked_unless_told_otherwise() {
    let last = Profile { chains: ChainRule::LastSide, ..Profile::default() };
    for (gold, answer, checked, unchecked) in [
        ("42", "0 = 42", false, true),
        ("42", "x = 41 = 42", false, true),
        ("42", "x = 6 \\cdot 7 = 42", true, true),
        ("42", "40 + 2 = 42", true, true),
        ("42", "x = 42", true, true),
        ("42", "37 \\approx 42", false, false),
        ("0.33", "\\frac13 \\approx 0.33", true, false),
        ("\\frac13", "\\frac13 \\approx 0.33", true, true),
        ("5", "2x + z = 5", false, false),
    ] {
        assert_eq!(equal(Profile::default(), gold, answer), checked, "{gold} {answer}");
        assert_eq!(equal(last.clone(), gold, answer), unchecked, "{gold} {answer}");
    }
    let checker = Checker::default();
    assert_eq!(checker.compare("42", "0 = 42"), Verdict::NotEqual(Path::FalseChain));
}

#[test]
fn math_verify_is_asymmetric_where_it_says_so() {
    let interval = (r"x \in [-2,7]", r"-2 \le x \le 7");
    assert!(equal(Profile::math_verify(), interval.1, interval.0));
    assert!(!equal(Profile::math_verify(), interval.0, interval.1));
    let both = Profile { sets: SetRule::Both, ..Profile::math_verify() };
    assert!(equal(both, interval.0, interval.1));
    assert!(equal(Profile::math_verify(), "(1,3)", r"\{1,3\}"));
    assert!(!equal(Profile::math_verify(), "(3,1)", r"\{1,3\}"));
    assert!(equal(Profile::math_verify(), "1121_4", "1121"));
    assert!(equal(Profile::math_verify(), "1000.99", "1000,99"));
    let renamed = Profile { rename_symbols: true, ..Profile::math_verify() };
    assert!(equal(renamed.clone(), "f(x)", "f(y)") && equal(renamed, "2a+b", "2x+y"));
}

#[test]
fn units_are_kept_apart_and_converted() {
    let checker = Checker::default();
    for (gold, answer, verdict) in [
        ("5 km", "5000 \\text{ m}", Verdict::Equal(Path::Unit)),
        ("5 km", "5 \\text{ m}", Verdict::NotEqual(Path::Unit)),
        ("5 km", "5 kg", Verdict::NotEqual(Path::Unit)),
        ("5 km", "5", Verdict::Equal(Path::UnitDropped)),
        ("5", "5 km", Verdict::Equal(Path::UnitDropped)),
        ("5 dogs", "5 cats", Verdict::Unknown(Reason::Words)),
        ("5 dogs", "6 cats", Verdict::NotEqual(Path::Rational)),
    ] {
        assert_eq!(checker.compare(gold, answer), verdict, "{gold} and {answer}");
    }
}

#[test]
fn golds_may_stand_in_a_marker() {
    let checker = Checker::default();
    for gold in ["18", "$18$", r"$\boxed{18}$", "9 * 2 = 18\n#### 18", "<answer>18</answer>"] {
        assert!(checker.check(gold, r"\boxed{18}").is_equal(), "{gold}");
        assert!(!checker.check(gold, r"\boxed{19}").is_equal(), "{gold}");
    }
    for (gold, fault) in [("", Fault::Empty), (r"\boxed{", Fault::Unclosed), ("####", Fault::Empty)]
    {
        assert_eq!(checker.gold(gold).fault(), Some(fault));
        assert_eq!(checker.check(gold, r"\boxed{1}"), Verdict::Unknown(Reason::Gold(fault)));
    }
}

#[test]
fn a_batch_keeps_its_order() {
    let checker = Checker::default();
    let pairs: Vec<_> =
        (0..1_000).map(|i| (format!("{}", i % 7), format!(r"\boxed{{{}}}", i % 5))).collect();
    let one_by_one: Vec<_> = pairs.iter().map(|(g, c)| checker.check(g, c)).collect();
    assert_eq!(checker.check_batch(&pairs), one_by_one);
}

#[test]
fn limits_hold_where_they_say() {
    let limits = Limits { max_completion_bytes: 40, max_answer_bytes: 20, max_steps: 60_000 };
    let checker = Checker::new(Profile { limits, ..Profile::default() }).unwrap();
    let too_long = Verdict::Unknown(Reason::Answer(Fault::TooLong));
    assert!(checker.check("1", &format!("{:31}\\boxed{{1}}", "")).is_equal());
    assert_eq!(checker.check("1", &format!("{:32}\\boxed{{1}}", "")), too_long);
    assert!(checker.compare("1", &format!("{:19}1", "")).is_equal());
    assert_eq!(checker.compare("1", &format!("{:20}1", "")), too_long);
    let steps = Limits { max_steps: 20, ..Limits::default() };
    let checker = Checker::new(Profile { limits: steps, ..Profile::default() }).unwrap();
    assert!(checker.compare("1", "1.0").is_equal());
    let spent = Verdict::Unknown(Reason::Answer(Fault::TooLarge));
    assert_eq!(checker.compare("1", "(a+b+c+d)^9"), spent);
}

#[test]
fn profiles_are_validated_and_stored() {
    for profile in [
        Profile::strict(),
        Profile::math_verify(),
        Profile::gsm8k(),
        Profile::dapo(),
        Profile::prm800k(),
    ] {
        assert!(profile.validate().is_empty());
        let json = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
    }
    assert_eq!(serde_json::from_str::<Profile>("{}").unwrap(), Profile::strict());
    assert!(serde_json::from_str::<Profile>(r#"{"percents": "number"}"#).is_err());

    let mut profile = Profile::gsm8k();
    profile.extract.tiers = vec![Tier::Hash, Tier::Hash];
    profile.extract.tail_bytes = Some(0);
    profile.decimals = DecimalRule::Places(1_000);
    profile.limits = Limits { max_completion_bytes: 0, max_answer_bytes: 0, max_steps: 0 };
    let Err(MathError::Profile { problems }) = Checker::new(profile) else {
        panic!("a broken profile was accepted");
    };
    assert_eq!(problems.len(), 6);
}
