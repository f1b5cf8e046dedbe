//! Which answers are equal, which are different, and which stay undecided.

use refire_math::{
    Checker, Fault, Limits, MathError, Path, PercentRule, Profile, Reason, Tier, Verdict,
};

const EQUAL: &[(&str, &str)] = &[
    ("42", "42.0"),
    ("42", "42."),
    ("42", " +42 "),
    ("42", "$42$"),
    ("42", "$$42$$."),
    ("42", r"\(42\)"),
    ("42", r"\[ 42 \]"),
    ("42", r"\text{42}"),
    ("42", r"$\boxed{\text{ 42 }}$"),
    ("42", "$42"),
    ("42", r"\$42.00"),
    ("42", "042"),
    ("-42", "- 42"),
    ("-42", "\u{2212}42"),
    ("-42", "-$42"),
    ("-42", r"\$-42"),
    ("1234567", "1,234,567"),
    ("1234", "1{,}234"),
    ("1234", r"1,\!234"),
    ("1234", r"1\,234"),
    ("1234.5", "1,234.50"),
    ("0.5", ".5"),
    ("1/2", "0.50"),
    ("1/2", r"\frac{1}{2}"),
    ("1/2", r"\dfrac12"),
    ("1/2", r"\tfrac 1 2"),
    ("1/2", r"\frac{-3}{-6}"),
    ("-1/2", r"-\frac{1}{2}"),
    ("1/2", ".25/.5"),
    ("230", r"2.3 \times 10^{2}"),
    ("230", r"2.3 \cdot 10^2"),
    ("230", "2.3e2"),
    ("0.0023", "2.3E-3"),
    ("0.0023", r"2.3×10^{-3}"),
    (r"50\%", "50.0 %"),
    (r"\frac{1}{2}\%", "0.5%"),
    ("x  + 1", "$x + 1$"),
    (r"\text{August}", "August"),
    ("0 = 42", "0 = 42"),
    ("1/0", "1/0"),
    ("1e999999999", "1e999999999"),
];

const DIFFERENT: &[(&str, &str, Path)] = &[
    ("42", "-42", Path::Rational),
    ("42", "42.0000000000000000000000000000001", Path::Rational),
    ("1/3", "0.3333333333333333", Path::Rational),
    ("0", "1e-300", Path::Rational),
    ("12", "1,234", Path::Rational),
    ("50%", "5%", Path::Percent),
    ("50%", "50", Path::Kind),
    ("50%", "0.5", Path::Kind),
];

const UNDECIDED: &[(&str, &str)] = &[
    ("42", "0 = 42"),
    ("42", "x = 41 = 42"),
    ("42", "x = 42"),
    ("42", "41 or 42"),
    ("42", "41, 42"),
    ("42", r"\pm 42"),
    ("42", r"\neg 42"),
    ("42", "--42"),
    ("42", "-+42"),
    ("42", "42x"),
    ("42", "4 2"),
    ("42", r"\text{not }42"),
    ("42", "42\u{200b}"),
    ("42", "４２"),
    ("42", "42_8"),
    ("42", "42!"),
    ("42", "42%%"),
    ("42", "$42%"),
    ("42", r"42\text{ km}"),
    ("42", "42.."),
    ("42", "6 * 7"),
    ("123", "0,123"),
    ("1234", "12,34"),
    ("1234", "1 234"),
    ("100", "1,00,0.0"),
    ("1234567", r"1,234{,}567"),
    ("1.5", "1 1/2"),
    ("1.5", r"1\frac{1}{2}"),
    ("1/6", "1/2/3"),
    ("1/2", r"\frac{1}{2"),
    ("1/2", r"\frac{1}{2}}"),
    ("0.5", "1/0"),
    ("5", r"\frac{5}{0}"),
    ("abc", "cab"),
    ("x + 1", "1 + x"),
    ("2.3", "2.3e"),
    ("23", r"2.3 \times 10"),
];

#[test]
fn equal_both_ways() {
    let checker = Checker::default();
    for (a, b) in EQUAL {
        assert!(checker.compare(a, b).is_equal(), "{a} and {b}");
        assert!(checker.compare(b, a).is_equal(), "{b} and {a}");
    }
}

#[test]
fn different_both_ways() {
    let checker = Checker::default();
    for (a, b, path) in DIFFERENT {
        assert_eq!(checker.compare(a, b), Verdict::NotEqual(*path), "{a} and {b}");
        assert_eq!(checker.compare(b, a), Verdict::NotEqual(*path), "{b} and {a}");
    }
}

#[test]
fn undecided_both_ways() {
    let checker = Checker::default();
    let unknown = Verdict::Unknown(Reason::NotANumber);
    for (a, b) in UNDECIDED {
        assert_eq!(checker.compare(a, b), unknown, "{a} and {b}");
        assert_eq!(checker.compare(b, a), unknown, "{b} and {a}");
    }
}

#[test]
fn reflexive_symmetric_and_transitive() {
    let checker = Checker::default();
    let pairs = EQUAL.iter().chain(UNDECIDED).flat_map(|(a, b)| [*a, *b]);
    let answers: Vec<&str> = pairs.chain(DIFFERENT.iter().flat_map(|row| [row.0, row.1])).collect();
    let equal = |a, b| checker.compare(a, b).is_equal();
    for a in &answers {
        assert!(equal(a, a), "{a}");
        for b in &answers {
            assert_eq!(checker.compare(a, b), checker.compare(b, a), "{a} and {b}");
            if !equal(a, b) {
                continue;
            }
            for c in &answers {
                assert_eq!(equal(a, c), equal(b, c), "{a}, {b} and {c}");
            }
        }
    }
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
    let equal = |percent, a: &str, b: &str| {
        let checker = Checker::new(Profile { percent, ..Profile::default() }).unwrap();
        checker.compare(a, b).is_equal()
    };
    for (rule, as_fraction, as_number) in [
        (PercentRule::Distinct, false, false),
        (PercentRule::Fraction, true, false),
        (PercentRule::Number, false, true),
    ] {
        assert_eq!(equal(rule, "50%", "0.5"), as_fraction);
        assert_eq!(equal(rule, "50%", "50"), as_number);
        assert!(equal(rule, "50%", r"50.0\%"));
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
    let limits =
        Limits { max_completion_bytes: 40, max_answer_bytes: 20, max_digits: 6, max_exponent: 4 };
    let checker = Checker::new(Profile { limits, ..Profile::default() }).unwrap();
    let too_long = Verdict::Unknown(Reason::Answer(Fault::TooLong));
    let over = Verdict::Unknown(Reason::OverLimit);

    assert!(checker.check("1", &format!("{:31}\\boxed{{1}}", "")).is_equal());
    assert_eq!(checker.check("1", &format!("{:32}\\boxed{{1}}", "")), too_long);
    assert!(checker.compare("1", &format!("{:19}1", "")).is_equal());
    assert_eq!(checker.compare("1", &format!("{:20}1", "")), too_long);
    assert!(checker.compare("123456", "123,456").is_equal());
    assert_eq!(checker.compare("1", "1234567"), over);
    assert_eq!(checker.compare("1", "1234/567"), over);
    assert!(checker.compare("10000", "1e4").is_equal());
    assert!(checker.compare("0.0001", "1e-4").is_equal());
    assert_eq!(checker.compare("1", "1e5"), over);
    assert_eq!(checker.compare("1", "1e-5"), over);
}

/// Inputs far beyond the limits: the limits answer, so nothing is built from them.
#[test]
fn hostile_inputs_are_bounded() {
    let checker = Checker::default();
    let size = 1 << 20;
    for unit in [
        "{",
        "}",
        "9",
        "\\boxed{",
        "\\boxed{}",
        "\\boxed{1}",
        "\\boxed",
        "<answer>",
        "####",
        "$",
        "\\text{",
    ] {
        let text = unit.repeat(size / unit.len());
        for completion in [text.clone(), format!("\\boxed{{{text}}}"), format!("\\boxed{{{text}")] {
            assert!(!checker.check("5", &completion).is_equal(), "{unit}");
        }
        assert!(!checker.compare("5", &text).is_equal(), "{unit}");
    }
    let over = Verdict::Unknown(Reason::OverLimit);
    for number in ["1e999999999", "1e-99999999999999999999", r"1 \times 10^{4000000000}"] {
        assert_eq!(checker.compare("5", number), over, "{number}");
    }
    assert_eq!(checker.compare("5", &"9".repeat(10_000)), over);
    let tower = format!(r"\boxed{{{}5{}}}", r"\text{".repeat(2_000), "}".repeat(2_000));
    assert!(!checker.check("5", &tower).is_decided());
}

#[test]
fn profiles_are_validated_and_stored() {
    let mut profile = Profile::gsm8k();
    assert!(profile.validate().is_empty() && Profile::strict().validate().is_empty());
    let json = serde_json::to_string(&profile).unwrap();
    assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
    assert_eq!(serde_json::from_str::<Profile>("{}").unwrap(), Profile::strict());
    assert!(serde_json::from_str::<Profile>(r#"{"percents": "number"}"#).is_err());

    profile.extract.tiers = vec![Tier::Hash, Tier::Hash];
    profile.limits = Limits {
        max_completion_bytes: 0,
        max_answer_bytes: 0,
        max_digits: 1 << 30,
        max_exponent: 1 << 30,
    };
    let Err(MathError::Profile { problems }) = Checker::new(profile) else {
        panic!("a broken profile was accepted");
    };
    assert_eq!(problems.len(), 5);
}
