//! Plans that are carried out.

use crate::common::{engine, learner, request};
use refire_core::{Author, Request, SamplingParams};
use refire_sample::{PlanExecute, plan_execute};

fn phases(plans: usize, executions: usize) -> PlanExecute {
    PlanExecute {
        plan: SamplingParams {
            max_tokens: 9,
            stop_tokens: (30..60).collect(),
            temperature: 1.3,
            ..Default::default()
        },
        plans,
        bridge: vec![10, 61],
        bridge_text: "\n=".to_owned(),
        execute: SamplingParams { max_tokens: 30, ignore_end: true, ..Default::default() },
        executions,
    }
}

#[test]
fn executions_follow_their_plans() {
    let learner = learner(64);
    let requests: Vec<Request> =
        (0..4).map(|id| request(id, 1, SamplingParams::default())).collect();
    let mut seen = Vec::new();
    let mut choose = |plans: &refire_core::Group| {
        seen.push(plans.clone());
        vec![2, 0]
    };
    let groups =
        plan_execute(&mut engine(&learner), &requests, &phases(3, 2), &mut choose).unwrap();
    assert_eq!((groups.len(), seen.len()), (4, 4));
    for (group, plans) in groups.iter().zip(&seen) {
        assert_eq!((group.completions.len(), group.request.n, plans.completions.len()), (4, 4, 3));
        for (i, c) in group.completions.iter().enumerate() {
            c.validate().unwrap();
            let plan = &plans.completions[[2, 2, 0, 0][i]];
            let ended = matches!(plan.finish, refire_core::Finish::EndToken { .. });
            let kept = plan.len() - usize::from(ended);
            assert_eq!(c.tokens[..kept], plan.tokens[..kept]);
            assert_eq!(c.model_logprobs[..kept], plan.model_logprobs[..kept]);
            assert_eq!(c.tokens[kept..kept + 2], [10, 61]);
            assert_eq!(c.loss_mask[kept..kept + 2], [false, false]);
            assert!(c.len() == 30 && c.loss_mask[kept + 2..].iter().all(|mask| *mask));
            let bridge = c.turns.iter().find(|turn| turn.author == Author::Environment).unwrap();
            assert_eq!((bridge.start, bridge.text.as_str()), (kept, "\n="));
            assert_eq!(c.text, c.turns.iter().map(|t| t.text.as_str()).collect::<String>());
        }
        let [a, b, ..] = group.completions.as_slice() else { panic!("four completions") };
        assert_ne!(a.tokens, b.tokens, "executions of one plan differ");
    }
}
