"""One piece of work on SmolLM2-135M's shape with random weights, timed in PyTorch, transformers and
TRL: the peers' side of `cargo xtask bench-peers`. Prints what benches/peers/speed/main.rs prints.
"""

import argparse
import json
import logging
import os
import tempfile
import time
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
warnings.filterwarnings("ignore")

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

transformers.logging.set_verbosity_error()
logging.disable(logging.WARNING)
torch.manual_seed(0)


def model(dtype=torch.float32):
    config = LlamaConfig(
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        vocab_size=49152,
        max_position_embeddings=2048,
        rms_norm_eps=1e-5,
        rope_theta=100000.0,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config).to(dtype)


def rows(count, width):
    return torch.tensor([[(i * 7919 + row * 31) % 49000 for i in range(width)] for row in range(count)])


def timed(repeats, work):
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def train(args):
    net, ids = model().train(), rows(2, 256)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-5)

    def step():
        net(input_ids=ids, labels=ids).loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return 512, timed(args.repeats, step)


def logprobs(args):
    net, ids = model().eval(), rows(4, 128)

    @torch.no_grad()
    def work():
        logits = net(input_ids=ids, use_cache=False).logits[:, :-1]
        return torch.log_softmax(logits, -1).gather(-1, ids[:, 1:, None])

    return 512, timed(args.repeats, work)


def decode(args):
    net, ids = model().eval(), rows(args.batch, 32)
    options = dict(do_sample=True, top_k=0, min_new_tokens=96, max_new_tokens=96)

    @torch.no_grad()
    def work():
        out = net.generate(ids, attention_mask=torch.ones_like(ids), **options)
        assert out.shape[1] == 128, out.shape

    return 96 * args.batch, timed(args.repeats, work)


def grpo(args):
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    vocab = {"t%d" % i: i for i in range(49150)} | {"<pad>": 49150, "<eos>": 49151}
    words = Tokenizer(models.WordLevel(vocab, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<pad>", padding_side="left"
    )
    prompts = [" ".join("t%d" % t for t in row) for row in rows(4, 32).tolist()]
    times = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_, **__):
            times.append(time.perf_counter())

    def parity(completion_ids, **_):
        return [float(sum(t % 2 for t in ids)) for ids in completion_ids]

    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            per_device_train_batch_size=16,
            num_generations=4,
            max_completion_length=64,
            generation_kwargs={"min_new_tokens": 64},
            max_steps=1 + args.repeats,
            learning_rate=1e-6,
            beta=0.0,
            gradient_checkpointing=False,
            bf16=False,
            fp16=False,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        trainer = GRPOTrainer(
            model=model(),
            reward_funcs=parity,
            args=config,
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            processing_class=tokenizer,
            callbacks=[Clock()],
        )
        trainer.train()
    return 4 * 4 * 64, [b - a for a, b in zip(times, times[1:])]


def peak():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("work", choices=["train", "logprobs", "decode", "grpo"])
    parser.add_argument("--batch", type=int, default=1)
    args = parser.parse_args()
    tokens, seconds = globals()[args.work](args)
    print(json.dumps({"seconds": seconds, "tokens": tokens, "peak_bytes": peak()}))


main()
