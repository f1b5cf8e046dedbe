use std::collections::HashMap;

#[cfg(feature = "rayon")]
use rayon::prelude::*;

use crate::equal::compare;
use crate::extract::{extract, from_tiers};
use crate::reading::{Reading, Source};
use crate::{Fault, MathError, Profile, Reason, Verdict};

/// Checks completions against gold answers under one [`Profile`].
///
/// Immutable and free of clocks: the same inputs give the same verdict on any thread and machine.
///
/// ```
/// use refire_math::{Checker, Path, Profile, Verdict};
///
/// let checker = Checker::new(Profile::gsm8k())?;
/// let gold = checker.gold("She has 4 * 300 = 1200 left.\n#### 1200");
/// assert_eq!(checker.check_gold(&gold, "#### 1,200"), Verdict::Equal(Path::Rational));
/// assert_eq!(checker.check_gold(&gold, "#### 1,201"), Verdict::NotEqual(Path::Rational));
/// # Ok::<(), refire_math::MathError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Checker {
    profile: Profile,
}

/// A gold answer, read once for all the completions that are checked against it.
#[derive(Debug, Clone)]
pub struct Gold {
    reading: Result<Reading, Fault>,
}

impl Gold {
    /// Why the gold can't be read; every check against it is then
    /// [`Unknown`](Verdict::Unknown), unless the completion repeats it to the letter. Worth asking
    /// when the data is loaded.
    ///
    /// ```
    /// use refire_math::{Checker, Fault};
    ///
    /// let checker = Checker::default();
    /// assert_eq!(checker.gold("12").fault(), None);
    /// assert_eq!(checker.gold(" ").fault(), Some(Fault::Empty));
    /// assert_eq!(checker.gold(r"\frac{1").fault(), Some(Fault::Unreadable));
    /// ```
    pub fn fault(&self) -> Option<Fault> {
        match &self.reading {
            Ok(reading) => reading.fault(),
            Err(fault) => Some(*fault),
        }
    }
}

impl Checker {
    /// A checker for `profile`.
    ///
    /// # Errors
    /// [`MathError::Profile`] with every problem of the profile.
    pub fn new(profile: Profile) -> Result<Self, MathError> {
        let problems = profile.validate();
        if problems.is_empty() {
            Ok(Self { profile })
        } else {
            Err(MathError::Profile { problems })
        }
    }

    /// The profile in use.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Reads a gold answer: what stands in a box, in answer tags or behind `####` if there is one,
    /// otherwise all of `text`. So a bare `18`, `$\boxed{18}$` and a solution that ends in
    /// `#### 18` are alike.
    ///
    /// ```
    /// use refire_math::Checker;
    ///
    /// let checker = Checker::default();
    /// let gold = checker.gold(r"so $x = \boxed{18}$.");
    /// assert!(checker.check_gold(&gold, "The answer is 18.").is_equal());
    /// ```
    pub fn gold(&self, text: &str) -> Gold {
        let reading = self.scannable(text).and_then(|text| {
            let rules = &self.profile.extract;
            let marked: Vec<_> =
                rules.tiers.iter().copied().filter(|tier| tier.is_marker()).collect();
            let found = from_tiers(text, 0, &marked, rules);
            let answer = if found.tier.is_none() { text } else { found.answer? };
            let reading = Reading::new(answer, Source::of(found.tier), &self.profile)?;
            if found.tier.is_some() || reading.fault() != Some(Fault::Unreadable) {
                return Ok(reading);
            }
            // Not an answer by itself but a solution that ends in one.
            let found = from_tiers(text, 0, &rules.tiers, rules);
            let source = Source::of(found.tier);
            match found.answer.ok().map(|answer| Reading::new(answer, source, &self.profile)) {
                Some(Ok(other)) if other.fault().is_none() && text.len() > 40 => Ok(other),
                _ => Ok(reading),
            }
        });
        Gold { reading }
    }

    /// Extracts the answer of `completion` and compares it with `gold`.
    ///
    /// ```
    /// use refire_math::{Checker, Fault, Reason, Verdict};
    ///
    /// let checker = Checker::default();
    /// assert!(checker.check("18", r"<think>20?</think> It is \boxed{18}.").is_equal());
    /// let cut_off = Verdict::Unknown(Reason::Answer(Fault::Unclosed));
    /// assert_eq!(checker.check("18", r"It is \boxed{18"), cut_off);
    /// ```
    pub fn check(&self, gold: &str, completion: &str) -> Verdict {
        self.check_gold(&self.gold(gold), completion)
    }

    /// [`check`](Self::check) with a gold that was read before.
    pub fn check_gold(&self, gold: &Gold, completion: &str) -> Verdict {
        let answer = self.scannable(completion).and_then(|text| {
            let found = extract(text, &self.profile.extract);
            Reading::new(found.answer?, Source::of(found.tier), &self.profile)
        });
        self.verdict(&gold.reading, &answer)
    }

    /// [`check`](Self::check) for each `(gold, completion)`, on all cores if the feature `rayon`
    /// is on; verdict `i` belongs to pair `i`. A gold that occurs several times is read once.
    ///
    /// ```
    /// use refire_math::Checker;
    ///
    /// let pairs = [("1", r"\boxed{1}"), ("1", r"\boxed{2}")];
    /// let verdicts = Checker::default().check_batch(&pairs);
    /// assert!(verdicts[0].is_equal() && !verdicts[1].is_equal());
    /// ```
    pub fn check_batch<G, C>(&self, pairs: &[(G, C)]) -> Vec<Verdict>
    where
        G: AsRef<str> + Sync,
        C: AsRef<str> + Sync,
    {
        let mut places = HashMap::with_capacity(pairs.len());
        let mut texts: Vec<&str> = Vec::new();
        let numbers: Vec<usize> = pairs
            .iter()
            .map(|(gold, _)| {
                *places.entry(gold.as_ref()).or_insert_with(|| {
                    texts.push(gold.as_ref());
                    texts.len() - 1
                })
            })
            .collect();
        let golds = each(&texts, |text| self.gold(text));
        let jobs: Vec<(usize, &str)> = numbers
            .into_iter()
            .zip(pairs.iter().map(|(_, completion)| completion.as_ref()))
            .collect();
        each(&jobs, |(gold, completion)| self.check_gold(&golds[*gold], completion))
    }

    /// Compares two bare answers; nothing is extracted.
    ///
    /// ```
    /// use refire_math::{Checker, Path, Verdict};
    ///
    /// let checker = Checker::default();
    /// assert_eq!(checker.compare(r"$\dfrac{3}{4}$", "0.75"), Verdict::Equal(Path::Rational));
    /// assert_eq!(checker.compare(r"50\%", "0.5"), Verdict::NotEqual(Path::Kind));
    /// assert_eq!(checker.compare(r"5\text{ km}", r"5000\text{ m}"), Verdict::Equal(Path::Unit));
    /// assert_eq!(checker.compare("(a+b)^2", "a^2+b^2"), Verdict::NotEqual(Path::Exact));
    /// ```
    pub fn compare(&self, gold_answer: &str, answer: &str) -> Verdict {
        let gold = Reading::new(gold_answer, Source::Plain, &self.profile);
        self.verdict(&gold, &Reading::new(answer, Source::Plain, &self.profile))
    }

    fn verdict(&self, gold: &Result<Reading, Fault>, answer: &Result<Reading, Fault>) -> Verdict {
        match (gold, answer) {
            (Err(fault), _) => Verdict::Unknown(Reason::Gold(*fault)),
            // Whatever was answered, an unreadable gold is the first thing to say.
            (Ok(gold), Err(fault)) => Verdict::Unknown(match gold.fault() {
                Some(fault) => Reason::Gold(fault),
                None => Reason::Answer(*fault),
            }),
            (Ok(gold), Ok(answer)) => compare(gold, answer, &self.profile),
        }
    }

    fn scannable<'a>(&self, text: &'a str) -> Result<&'a str, Fault> {
        let fits = text.len() <= self.profile.limits.max_completion_bytes;
        if fits { Ok(text) } else { Err(Fault::TooLong) }
    }
}

/// `work` for each item, in order, on all cores if they are to be used.
fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "rayon")]
    return items.par_iter().map(work).collect();
    #[cfg(not(feature = "rayon"))]
    return items.iter().map(work).collect();
}
