use super::answer::{leaked, stands_at_end};
use super::compression::ratio;
use super::language::{foreign_share, is_foreign, other_language, prompt_language};
use super::loops::find_loop;
use super::question::question_kind;
use super::structure::{Think, split_thought};
use super::truncation::cut_off;
use super::{Rejection, Repetition};
use crate::text::sentences;
use aho_corasick::AhoCorasick;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// A reasoning trace, and what is known of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trace<'a> {
    /// What was asked.
    pub prompt: &'a str,
    /// What was said.
    pub response: &'a str,
    /// The reference answer, where there is one.
    pub answer: Option<&'a str>,
    /// Why generation ended, as engines report it: `length` is a truncated trace.
    pub finish_reason: Option<&'a str>,
    /// Tokens of the response.
    pub tokens: Option<usize>,
}

/// Rules for reasoning traces, the `cot` profile. None asks for letters or forbids braces: formulas
/// are what traces are made of.
///
/// ```
/// use refire_data::{Cot, Trace};
/// let trace = Trace {
///     prompt: "How many pens has Tom if he buys two and then three?",
///     response: "He has 2 + 3 = 5 pens.",
///     answer: Some("6"),
///     ..Trace::default()
/// };
/// assert_eq!(Cot::default().check(&trace).unwrap().rule, "answer");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cot {
    /// Tags around the thought.
    pub think: Think,
    /// The response must hold a marked answer: `\boxed{…}` or `####`.
    pub marked_answer: bool,
    /// Where the reference answer is known, it must stand at the end of the response.
    pub answer_at_end: bool,
    /// Least words of prompt and response together.
    pub min_words: usize,
    /// Most tokens of the response, where they are known.
    pub max_tokens: Option<usize>,
    /// Bytes of a unit that makes a loop; see [`find_loop`]. 20, as Graph-R1.
    pub loop_unit: usize,
    /// Repetitions that make a loop. 5, as Graph-R1.
    pub loop_repeats: usize,
    /// Most that zlib may shrink a response of 1,000 bytes or more.
    pub max_compression: f64,
    /// Most letters in scripts the prompt doesn't use, as a share of the response.
    pub max_foreign: f64,
    /// No passage may be in another language than the prompt, where both can be told; nor may one of
    /// 8 letters or more be mostly in a script the prompt doesn't use.
    pub one_language: bool,
    /// Gopher's rules on repetition, at twice their limits; `None` leaves them out.
    pub repetition: Option<Repetition>,
    /// Phrases by which a model speaks of itself, in lower case.
    pub banned: Vec<String>,
    /// The prompt must not give the answer away.
    pub leaks: bool,
    /// Turn down questions a rule can't verify; see [`question_kind`].
    pub plain_questions: bool,
}

impl Default for Cot {
    fn default() -> Self {
        Self {
            think: Think::Optional,
            marked_answer: false,
            answer_at_end: true,
            min_words: 10,
            max_tokens: None,
            loop_unit: 20,
            loop_repeats: 5,
            max_compression: 5.0,
            max_foreign: 0.02,
            one_language: true,
            repetition: Some(Repetition::default().relaxed(2.0)),
            banned: BANNED.map(str::to_owned).to_vec(),
            leaks: true,
            plain_questions: false,
        }
    }
}

const BANNED: [&str; 8] = [
    "as an ai language model",
    "as a large language model",
    "i am an ai developed by",
    "i'm an ai developed by",
    "i am chatgpt",
    "i'm chatgpt",
    "developed by openai",
    "made by anthropic",
];

/// Responses shorter than this compress badly whatever they say.
const COMPRESSED_FROM: usize = 1000;

impl Cot {
    /// The first rule that turns a trace down.
    pub fn check(&self, trace: &Trace<'_>) -> Option<Rejection> {
        self.form(trace)
            .or_else(|| self.truncation(trace))
            .or_else(|| self.loops(trace))
            .or_else(|| self.languages(trace))
            .or_else(|| self.content(trace))
    }

    /// The rules that need no question: loops, repetition, banned phrases.
    pub(super) fn check_text(&self, text: &str) -> Option<Rejection> {
        self.check_turn("", text)
    }

    /// The same rules on what was said after a question; short turns repeat little behind it.
    pub(super) fn check_turn(&self, prompt: &str, response: &str) -> Option<Rejection> {
        let trace = Trace { prompt, response, ..Trace::default() };
        self.loops(&trace).or_else(|| self.banned(response))
    }

    /// The rules on a question that has no answer yet.
    pub(super) fn check_question(&self, prompt: &str, answer: Option<&str>) -> Option<Rejection> {
        if self.leaks {
            let marked = answer.and_then(|answer| leaked(prompt, answer));
            if let Some(marker) = marked {
                let detail = format!("`{marker}` and the answer in the prompt");
                return Some(Rejection::new("leak", detail));
            }
        }
        let kind = question_kind(prompt).filter(|_| self.plain_questions)?;
        Some(Rejection::new("question", format!("{kind:?}")))
    }

    fn form(&self, trace: &Trace<'_>) -> Option<Rejection> {
        if self.think != Think::Ignored {
            match split_thought(trace.response) {
                Err(reason) => return Some(Rejection::new("structure", reason)),
                Ok((None, _)) if self.think == Think::Required => {
                    return Some(Rejection::new("structure", "there is no thought"));
                }
                Ok(_) => {}
            }
        }
        if trace.response.trim().is_empty() {
            return Some(Rejection::new("length", "the response is empty"));
        }
        let words =
            trace.prompt.split_whitespace().count() + trace.response.split_whitespace().count();
        if words < self.min_words {
            let detail = format!("{words} words, at least {} are wanted", self.min_words);
            return Some(Rejection::new("length", detail));
        }
        match (trace.tokens, self.max_tokens) {
            (Some(tokens), Some(most)) if tokens > most => Some(Rejection::new(
                "length",
                format!("{tokens} tokens, at most {most} are wanted"),
            )),
            _ => None,
        }
    }

    fn truncation(&self, trace: &Trace<'_>) -> Option<Rejection> {
        if matches!(trace.finish_reason, Some("length" | "max_tokens" | "cancelled")) {
            let detail =
                format!("generation ended by `{}`", trace.finish_reason.unwrap_or_default());
            return Some(Rejection::new("truncation", detail));
        }
        if let Some(reason) = cut_off(trace.response) {
            return Some(Rejection::new("truncation", reason));
        }
        let marked = trace.response.contains("\\boxed{") || trace.response.contains("####");
        if self.marked_answer && !marked {
            return Some(Rejection::new("answer", "no answer is marked by \\boxed{…} or ####"));
        }
        let answer =
            trace.answer.filter(|answer| self.answer_at_end && !answer.trim().is_empty())?;
        (!stands_at_end(trace.response, answer))
            .then(|| Rejection::new("answer", format!("`{answer}` doesn't stand at the end")))
    }

    fn loops(&self, trace: &Trace<'_>) -> Option<Rejection> {
        if let Some(found) = find_loop(trace.response, self.loop_unit, self.loop_repeats) {
            let unit = &trace.response.as_bytes()[found.range.start..][..found.period];
            let detail = format!("`{}` again and again", String::from_utf8_lossy(unit).trim());
            return Some(Rejection::new("loop", detail));
        }
        if trace.response.len() >= COMPRESSED_FROM {
            let ratio = ratio(trace.response);
            if ratio > self.max_compression {
                let detail = format!("zlib shrinks it {ratio:.1} times");
                return Some(Rejection::new("loop", detail));
            }
        }
        let rules = self.repetition.as_ref()?;
        let found = rules.check(&format!("{}\n{}", trace.prompt, trace.response))?;
        Some(Rejection::new("repetition", found.to_string()))
    }

    fn languages(&self, trace: &Trace<'_>) -> Option<Rejection> {
        let foreign = foreign_share(trace.prompt, trace.response);
        if foreign > self.max_foreign {
            let detail = format!("{:.1} % of the letters are of another script", 100.0 * foreign);
            return Some(Rejection::new("language", detail));
        }
        if !self.one_language {
            return None;
        }
        let ranges = sentences(trace.response);
        let passages = ranges.into_iter().map(|range| &trace.response[range]);
        // A sentence is little of a long trace.
        let strange = |passage: &&str| is_foreign(trace.prompt, passage);
        if let Some(passage) = passages.clone().filter(|_| foreign > 0.0).find(strange) {
            let detail = format!("`{}` is of another script", passage.trim());
            return Some(Rejection::new("language", detail));
        }
        let expected = prompt_language(trace.prompt)?;
        let other = other_language(passages, trace.response, trace.prompt, expected)?;
        Some(Rejection::new("language", format!("a passage is `{other}`, the prompt `{expected}`")))
    }

    fn content(&self, trace: &Trace<'_>) -> Option<Rejection> {
        self.banned(trace.response).or_else(|| self.check_question(trace.prompt, trace.answer))
    }

    fn banned(&self, text: &str) -> Option<Rejection> {
        let phrase = self.banned_phrase(text)?;
        Some(Rejection::new("banned phrase", format!("`{phrase}`")))
    }

    fn banned_phrase(&self, response: &str) -> Option<String> {
        static USUAL: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| finder(&BANNED));
        let own;
        let finder = if self.banned == BANNED {
            USUAL.as_ref()
        } else {
            own = finder(&self.banned);
            own.as_ref()
        };
        let found = finder?.find(response)?;
        Some(self.banned[found.pattern().as_usize()].clone())
    }
}

fn finder<T: AsRef<[u8]>>(phrases: &[T]) -> Option<AhoCorasick> {
    AhoCorasick::builder().ascii_case_insensitive(true).build(phrases).ok()
}
