use super::TokenContext;

/// Which of the tokens so far a penalty sees.
///
/// ```
/// use refire_sample::{History, TokenContext};
/// let context = TokenContext::new(&[1, 2], &[3, 4]);
/// assert_eq!(History::ALL.last(3).tokens(&context), [&[2][..], &[3, 4]]);
/// assert_eq!(History::OUTPUT.tokens(&context), [&[][..], &[3, 4]]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    prompt: bool,
    skip: usize,
    last: usize,
}

impl History {
    /// Prompt and completion.
    pub const ALL: Self = Self { prompt: true, skip: 0, last: usize::MAX };
    /// The completion alone.
    pub const OUTPUT: Self = Self { prompt: false, skip: 0, last: usize::MAX };

    /// Only the last `n` of them.
    pub fn last(self, n: usize) -> Self {
        Self { last: n, ..self }
    }

    /// Without the first `n` tokens of the prompt.
    pub fn skip(self, n: usize) -> Self {
        Self { skip: n, ..self }
    }

    /// The tokens of the prompt, and those of the completion.
    pub fn tokens<'a>(&self, context: &TokenContext<'a>) -> [&'a [u32]; 2] {
        let (prompt, output) = (context.prompt, context.output);
        let beyond = self.skip.saturating_sub(prompt.len()).min(output.len());
        let prompt = if self.prompt { &prompt[self.skip.min(prompt.len())..] } else { &[] };
        let output = if self.prompt { &output[beyond..] } else { output };
        let of_output = self.last.min(output.len());
        let of_prompt = (self.last - of_output).min(prompt.len());
        [&prompt[prompt.len() - of_prompt..], &output[output.len() - of_output..]]
    }

    /// Calls `change` once for each distinct token with its count. `counts` is zero before and
    /// after.
    pub(super) fn for_each(
        &self,
        context: &TokenContext<'_>,
        vocab: usize,
        counts: &mut Vec<u32>,
        mut change: impl FnMut(usize, u32),
    ) {
        if counts.len() < vocab {
            counts.resize(vocab, 0);
        }
        let tokens = self.tokens(context);
        let inside =
            || tokens.iter().copied().flatten().map(|t| *t as usize).filter(|t| *t < vocab);
        inside().for_each(|token| counts[token] += 1);
        for token in inside() {
            let count = std::mem::take(&mut counts[token]);
            if count > 0 {
                change(token, count);
            }
        }
    }
}
