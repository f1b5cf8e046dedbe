/// A trace in two parts.
///
/// ```
/// use refire_data::PlanExecute;
/// let (plan, execution) = ("add, then double".to_owned(), "2+3=5, 5*2=10".to_owned());
/// let split = PlanExecute { plan, execution };
/// assert_eq!(split.response(), "<plan>\nadd, then double\n</plan>\n2+3=5, 5*2=10");
/// assert_eq!(refire_data::plan_execute(&split.response(), &|_| None), Some(split));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanExecute {
    /// What is to be done: the steps without what they come to.
    pub plan: String,
    /// Doing it.
    pub execution: String,
}

impl PlanExecute {
    /// Both with their tags, as one response.
    pub fn response(&self) -> String {
        format!("<plan>\n{}\n</plan>\n{}", self.plan, self.execution)
    }
}

/// Splits a trace into a plan and its execution (explore–execute chains, E2C): by `<plan>` tags if
/// it has them, and otherwise by a plan that `plan_of` writes of the trace. `None` when there is no
/// plan. Supervised on the plan alone (its few tokens), a policy learns where to go; execution
/// follows by itself.
///
/// ```
/// let trace = "<plan>add, then double</plan> 2+3=5, 5*2=10";
/// let split = refire_data::plan_execute(trace, &|_| None).unwrap();
/// assert_eq!((split.plan.as_str(), split.execution.as_str()), ("add, then double", "2+3=5, 5*2=10"));
/// ```
pub fn plan_execute(trace: &str, plan_of: &dyn Fn(&str) -> Option<String>) -> Option<PlanExecute> {
    let tagged = trace.split_once("<plan>").and_then(|(before, rest)| {
        let (plan, execution) = rest.split_once("</plan>")?;
        before.trim().is_empty().then_some((plan.trim(), execution.trim()))
    });
    let (plan, execution) = match tagged {
        Some((plan, execution)) => (plan.to_owned(), execution),
        None => (plan_of(trace)?, trace.trim()),
    };
    let whole = !plan.trim().is_empty() && !execution.is_empty();
    whole.then(|| PlanExecute { plan, execution: execution.to_owned() })
}
