use refire_core::{BoxError, Group};

/// What [`LocalEngine::generate_with`](crate::LocalEngine::generate_with) gives back.
#[derive(Debug)]
pub struct Episodes {
    /// Groups in the order of the requests.
    pub groups: Vec<Group>,
    /// Environments that failed; their completions are among the groups, cancelled.
    pub failures: Vec<EnvironmentFailure>,
}

/// An environment that failed.
#[derive(Debug)]
pub struct EnvironmentFailure {
    /// Index of the request.
    pub request: usize,
    /// Sample within the group.
    pub sample: usize,
    /// Why.
    pub error: BoxError,
}
