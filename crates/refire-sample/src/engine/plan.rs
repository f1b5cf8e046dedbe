use crate::{Constraint, Guides, SampleError};
use refire_core::{Finish, Request, SamplingParams};

/// A request that was checked, with what it needs.
#[derive(Debug)]
pub(super) struct Plan {
    /// Tokens that are read before the first is drawn: the prompt, and a completion to go on from.
    pub(super) prefix: Vec<u32>,
    /// Most tokens of a completion, those to go on from included.
    pub(super) limit: usize,
    /// Tokens that end a completion.
    pub(super) ends: Vec<u32>,
    /// Completions wanted.
    pub(super) n: usize,
    /// How to draw, with `limit` for `max_tokens`.
    pub(super) params: SamplingParams,
    /// Length of the beginning of `prefix` that is read once for many completions.
    pub(super) trunk: usize,
}

/// The size of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) vocab: usize,
    pub(super) context: usize,
    pub(super) bytes_per_token: usize,
}

impl Plan {
    pub(super) fn new(request: &Request, shape: Shape, ends: &[u32]) -> Result<Self, SampleError> {
        check_request(request)?;
        check_tokens(request, shape.vocab)?;
        let prompt = &request.prompt.tokens;
        let resumed = request.resume.as_ref().map_or(&[][..], |c| &c.tokens);
        let prefix = [prompt.as_slice(), resumed].concat();
        if prompt.len() >= shape.context || prefix.len() > shape.context {
            return Err(SampleError::PromptTooLong {
                request: request.id,
                prompt: request.prompt.id,
                tokens: prefix.len(),
                context: shape.context,
            });
        }
        let limit = request.params.max_tokens.min(shape.context - prompt.len());
        let params = SamplingParams { max_tokens: limit, ..request.params.clone() };
        let (n, trunk) = (request.n, prefix.len());
        Ok(Self { limit, ends: end_tokens(request, ends), n, params, trunk, prefix })
    }

    /// The constraint of its guide, if it has one.
    pub(super) fn constraint(
        &self,
        request: u64,
        guides: Option<&dyn Guides>,
    ) -> Result<Option<Box<dyn Constraint>>, SampleError> {
        let Some(guide) = &self.params.guide else { return Ok(None) };
        let Some(guides) = guides else { return Err(SampleError::NoGuides { request }) };
        let constraint = guides.constraint(guide, &self.ends);
        constraint.map(Some).map_err(|source| SampleError::Guide { request, source })
    }

    /// Tokens of the completion that were there before.
    pub(super) fn resumed(&self, request: &Request) -> usize {
        self.prefix.len() - request.prompt.tokens.len()
    }

    /// Tokens that the cache of one completion must hold after the trunk: the last one drawn is
    /// never read.
    pub(super) fn capacity(&self, request: &Request) -> usize {
        let drawn = self.limit.saturating_sub(self.resumed(request) + 1);
        self.prefix.len() - self.trunk + drawn
    }
}

fn end_tokens(request: &Request, ends: &[u32]) -> Vec<u32> {
    if request.params.ignore_end {
        return Vec::new();
    }
    let mut all = [ends, &request.params.stop_tokens].concat();
    all.sort_unstable();
    all.dedup();
    all
}

fn check_request(request: &Request) -> Result<(), SampleError> {
    let (id, prompt) = (request.id, request.prompt.id);
    if let Some(source) = request.params.validate().into_iter().next() {
        return Err(SampleError::Params { request: id, source });
    }
    if request.n == 0 {
        return Err(SampleError::NoSamples { request: id, prompt });
    }
    if request.prompt.tokens.is_empty() {
        return Err(SampleError::EmptyPrompt { request: id, prompt });
    }
    let Some(resume) = &request.resume else { return Ok(()) };
    if request.n != 1 && resume.loss_mask.iter().any(|drawn| *drawn) {
        return Err(SampleError::ResumeMany { request: id, n: request.n });
    }
    if !matches!(resume.finish, Finish::Cancelled | Finish::Length) {
        return Err(SampleError::ResumeEnded { request: id, finish: resume.finish.clone() });
    }
    resume.validate().map_err(|source| SampleError::ResumeBroken { request: id, source })
}

fn check_tokens(request: &Request, vocab: usize) -> Result<(), SampleError> {
    let p = &request.params;
    let resumed = request.resume.as_ref().map_or(&[][..], |c| &c.tokens);
    let biased: Vec<u32> = p.logit_bias.keys().copied().collect();
    let sequences: Vec<u32> =
        p.sequence_bias.iter().flat_map(|bias| &bias.tokens).copied().collect();
    let budget = p.budget.as_ref();
    let lists = [
        ("the prompt", request.prompt.tokens.as_slice()),
        ("the completion to go on from", resumed),
        ("`stop_tokens`", &p.stop_tokens),
        ("`logit_bias`", &biased),
        ("`sequence_bias`", &sequences),
        ("`allowed_tokens`", p.allowed_tokens.as_deref().unwrap_or_default()),
        ("`suppress_tokens`", &p.suppress_tokens),
        ("`bad_words`", &p.bad_words.concat()),
        ("`forced_tokens`", &p.forced_tokens),
        ("`dry.breakers`", p.dry.as_ref().map_or(&[][..], |dry| &dry.breakers)),
        ("`budget.ends`", budget.map_or(&[][..], |budget| &budget.ends)),
        ("`budget.wait`", budget.map_or(&[][..], |budget| &budget.wait)),
        ("`budget.answer`", budget.map_or(&[][..], |budget| &budget.answer)),
    ];
    for (what, tokens) in lists {
        if let Some(token) = tokens.iter().find(|t| **t as usize >= vocab) {
            let (request, token) = (request.id, *token);
            return Err(SampleError::TokenId { request, what, token, vocab });
        }
    }
    Ok(())
}
