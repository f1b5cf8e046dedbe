"""Rows and pairs as TRL's own trainers prepare them, compared with refire's, token by token.

    pip install -r benches/peers/speed/requirements.txt
    cargo build --release --example rows
    python benches/peers/rows/peer.py --model SmolLM2-135M-Instruct --questions gsm8k_train.jsonl \
        --binary target/release/examples/rows

TRL's trainers get a network of one small layer, and are asked for the data set they made. The last
line counts what was equal.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from datasets import Dataset
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer


def messages(*texts):
    roles = ["user", "assistant"]
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


def kinds(questions):
    """Name, rows, and whether they are judged."""
    pairs = [(q["question"], q["answer"]) for q in questions]
    odd = [("2 + 3 =", " 5"), ("2 + 3 = ", "5"), ("Say ab", "c\n"), ("é", "ü€"), ("x\n", "\n\ny")]
    pairs += odd
    worse = [a[: len(a) // 2] + " 7" for _, a in pairs]
    system = [{"role": "system", "content": "Be brief."}]
    last = [[m] for _, a in pairs for m in messages("", a)[1:]]
    asked = [messages(q) for q, _ in pairs]
    bad = [[{"role": "assistant", "content": w}] for w in worse]
    chats = [messages(q, a) for q, a in pairs]
    long = [messages(q, a, "Again?", a) for q, a in pairs]
    yield "text", [{"text": q + "\n" + a} for q, a in pairs], "rows"
    yield "prompt and completion", [{"prompt": q, "completion": a} for q, a in pairs], "rows"
    yield "chats", [{"messages": c} for c in chats + long], "everything"
    yield "chats with a system", [{"messages": system + c} for c in chats], "everything"
    rows = [{"prompt": p, "completion": c} for p, c in zip(asked, last)]
    yield "chat prompt and completion", rows, "rows"
    rows = [{"prompt": q, "chosen": a, "rejected": w} for (q, a), w in zip(pairs, worse)]
    yield "preferences", rows, "dpo"
    rows = [{"prompt": p, "chosen": c, "rejected": w} for p, c, w in zip(asked, last, bad)]
    yield "chat preferences", rows, "dpo"
    rows = [{"prompt": q, "completion": a, "label": i % 2 == 0} for i, (q, a) in enumerate(pairs)]
    yield "judged answers", rows, "kto"


def network(tokenizer):
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=1, num_key_value_heads=1,
    )
    return LlamaForCausalLM(config)


def trl(rows, how, tokenizer, folder):
    data, model = Dataset.from_list(rows), network(tokenizer)
    shared = {"output_dir": folder, "report_to": "none", "use_cpu": True, "max_length": None}
    given = {"model": model, "train_dataset": data, "processing_class": tokenizer}
    if how == "dpo":
        made = DPOTrainer(args=DPOConfig(**shared), ref_model=network(tokenizer), **given)
        made = made.train_dataset
        return [(r["prompt_ids"], [r["chosen_ids"], r["rejected_ids"]]) for r in made]
    if how == "kto":
        args = KTOConfig(**shared, per_device_train_batch_size=2)
        made = KTOTrainer(args=args, ref_model=network(tokenizer), **given).train_dataset
        return [(r["prompt_ids"], [r["completion_ids"]]) for r in made]
    made = SFTTrainer(args=SFTConfig(**shared), **given).train_dataset
    masks = (
        [label != -100 for label in r["labels"]] if "labels" in r
        else [bool(m) for m in r.get("completion_mask", [1] * len(r["input_ids"]))]
        for r in made
    )
    # The first token has no context: neither learns it.
    return [(r["input_ids"], [False, *mask[1:]]) for r, mask in zip(made, masks)]


def refire(rows, how, args, folder):
    path = Path(folder) / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = {"rows": [], "everything": ["--everything"]}.get(how, ["--preferences"])
    command = [args.binary, "--model", args.model, "--data", str(path), *flags]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = [json.loads(line) for line in printed.splitlines()]
    if "--preferences" in flags:
        return [(row["prompt"], row["completions"]) for row in found]
    return [(row["tokens"], row["mask"]) for row in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--questions", required=True, help="JSONL with `question` and `answer`")
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rows", type=int, default=200)
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    with open(args.questions) as file:
        questions = [json.loads(line) for line in file][: args.rows]
    equal = total = 0
    for name, rows, how in kinds(questions):
        with tempfile.TemporaryDirectory() as folder:
            theirs = trl(rows, how, tokenizer, folder)
            ours = refire(rows, how, args, folder)
        same = sum(a == b for a, b in zip(ours, theirs)) if len(ours) == len(theirs) else 0
        print(f"{name}: {same} of {len(rows)} equal", flush=True)
        for a, b in zip(ours, theirs):
            if a != b:
                print("  refire", a, "\n  TRL   ", b)
                break
        equal, total = equal + same, total + len(rows)
    print(f"rows: {equal} of {total} equal")


if __name__ == "__main__":
    main()
