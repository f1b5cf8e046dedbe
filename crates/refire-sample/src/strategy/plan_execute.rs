use refire_core::{
    Author, BoxError, Completion, Finish, Flow, Group, Request, RolloutEngine, SamplingParams, Turn,
};

/// How [`plan_execute`] draws (E2C: explore with short plans, then carry them out).
#[derive(Debug, Clone, PartialEq)]
pub struct PlanExecute {
    /// How plans are drawn.
    pub plan: SamplingParams,
    /// Plans of each request.
    pub plans: usize,
    /// What is written between a plan and its execution.
    pub bridge: Vec<u32>,
    /// The bridge as text.
    pub bridge_text: String,
    /// How executions are drawn; `max_tokens` counts plan and bridge too.
    pub execute: SamplingParams,
    /// Executions of each chosen plan.
    pub executions: usize,
}

/// Draws plans, lets `choose` pick some of them (indices into the group of plans), and executes
/// each: two phases of one completion, with parameters of their own.
///
/// A plan's end token is taken back, so that the execution follows it; its tokens keep their
/// log-probabilities and count for the loss, the bridge has mask `false`. An execution's draws are
/// those of sample `plans + i` of the group, with `i` counting executions, so that no draw of a plan
/// is used again. Executions of one plan share its cache where the engine shares prompts.
///
/// Groups come back in the order of the requests, their executions by chosen plan; a plan that
/// fills `max_tokens` by itself comes back as it is.
///
/// # Errors
/// When the engine fails.
///
/// ```
/// # use burn::tensor::Device;
/// # use refire_core::{BoxError, Prompt, Request, SamplingParams};
/// # use refire_model::{Decoder, Learner, LearnerConfig, TinyLlama};
/// # use refire_sample::{Detokenize, EngineConfig, LocalEngine, PlanExecute, plan_execute};
/// # struct Letters;
/// # impl Detokenize for Letters {
/// #     fn text(&self, tokens: &[u32]) -> Result<String, BoxError> {
/// #         Ok(tokens.iter().filter_map(|t| char::from_u32(*t)).collect())
/// #     }
/// #     fn end_tokens(&self) -> &[u32] {
/// #         &[0]
/// #     }
/// # }
/// # let decoder = Decoder::init(&TinyLlama::default().config(), 0, &Device::flex());
/// # let learner = Learner::new(decoder, LearnerConfig::default());
/// # let codec = std::sync::Arc::new(Letters);
/// let mut engine = LocalEngine::new(learner.handle(), codec, EngineConfig::default())?;
/// let phases = PlanExecute {
///     plan: SamplingParams { max_tokens: 8, ..Default::default() },
///     plans: 4,
///     bridge: vec![10],
///     bridge_text: "\n".to_owned(),
///     execute: SamplingParams { max_tokens: 30, ..SamplingParams::greedy(30) },
///     executions: 1,
/// };
/// let prompt = Prompt { tokens: vec![1, 2], ..Default::default() };
/// let request = Request { prompt, ..Default::default() };
/// let groups = plan_execute(&mut engine, &[request], &phases, &mut |plans| {
///     vec![refire_sample::best_of(&vec![refire_core::Score::value(0.0); plans.completions.len()])
///         .unwrap_or_default()]
/// })?;
/// assert_eq!(groups[0].completions.len(), 1);
/// # Ok::<(), BoxError>(())
/// ```
pub fn plan_execute(
    engine: &mut dyn RolloutEngine,
    requests: &[Request],
    phases: &PlanExecute,
    choose: &mut dyn FnMut(&Group) -> Vec<usize>,
) -> Result<Vec<Group>, BoxError> {
    let PlanExecute { plan, plans, execute, executions, .. } = phases;
    let planning = |request: &Request| Request {
        n: *plans,
        params: plan.clone(),
        resume: None,
        ..request.clone()
    };
    let planned = engine
        .generate(&requests.iter().map(planning).collect::<Vec<_>>(), &mut |_| Flow::Continue)?;
    let (mut second, mut owner) = (Vec::new(), Vec::new());
    for (index, group) in planned.iter().enumerate() {
        let chosen = choose(group).into_iter().filter_map(|plan| group.completions.get(plan));
        let copies = chosen.flat_map(|plan| std::iter::repeat_n(plan, *executions));
        for (i, plan) in copies.enumerate() {
            owner.push(index);
            second.push(Request {
                n: 1,
                first_sample: group.request.first_sample + plans + i,
                params: execute.clone(),
                resume: Some(bridged(plan, phases)),
                ..group.request.clone()
            });
        }
    }
    let executed = engine.generate(&second, &mut |_| Flow::Continue)?;
    let mut groups: Vec<Group> = requests
        .iter()
        .map(|request| Group {
            request: Request { params: execute.clone(), n: 0, ..request.clone() },
            completions: Vec::new(),
        })
        .collect();
    for (owner, group) in owner.into_iter().zip(executed) {
        groups[owner].request.n += 1;
        groups[owner].completions.extend(group.completions);
    }
    Ok(groups)
}

/// A plan without its end token, and the bridge.
fn bridged(plan: &Completion, phases: &PlanExecute) -> Completion {
    let mut c = plan.clone();
    if matches!(c.finish, Finish::EndToken { .. }) {
        let end = c.len() - 1;
        c.tokens.truncate(end);
        c.loss_mask.truncate(end);
        c.model_logprobs.truncate(end);
        c.behaviour_logprobs.truncate(end);
        c.versions.truncate(end);
        c.turns.iter_mut().for_each(|turn| turn.end = turn.end.min(end));
        c.turns.retain(|turn| turn.start < turn.end);
    }
    let (start, end) = (c.len(), c.len() + phases.bridge.len());
    let version = c.versions.last().copied().unwrap_or_default();
    c.tokens.extend_from_slice(&phases.bridge);
    c.loss_mask.resize(end, false);
    c.model_logprobs.resize(end, 0.0);
    c.behaviour_logprobs.resize(end, 0.0);
    c.versions.resize(end, version);
    if start < end {
        let text = phases.bridge_text.clone();
        c.turns.push(Turn { author: Author::Environment, start, end, text });
    }
    c.text = c.turns.iter().map(|turn| turn.text.as_str()).collect();
    c.finish = Finish::Cancelled;
    c
}
