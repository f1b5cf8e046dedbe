"""One piece of work on SmolLM2-135M's shape with random weights, timed in PyTorch, transformers,
TRL and llama.cpp: the peers' side of `cargo xtask bench-peers`. Prints what benches/peers/speed/main.rs prints.
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
        pad_token_id=49150,
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


def gguf_file(path, dtype):
    """The shape with random weights as a GGUF file without tokenizer."""
    import gguf
    import numpy

    file = gguf.GGUFWriter(path, "llama")
    file.add_context_length(2048)
    file.add_embedding_length(576)
    file.add_block_count(30)
    file.add_feed_forward_length(1536)
    file.add_head_count(9)
    file.add_head_count_kv(3)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_rope_freq_base(100000.0)
    file.add_rope_dimension_count(64)
    file.add_vocab_size(49152)
    file.add_tokenizer_model("no_vocab")
    random = numpy.random.default_rng(0)
    stored = {"f32": gguf.GGMLQuantizationType.F32, "bf16": gguf.GGMLQuantizationType.BF16}[dtype]

    def matrix(name, *shape):
        values = random.standard_normal(shape, dtype=numpy.float32) * 0.04
        file.add_tensor(name + ".weight", gguf.quants.quantize(values, stored), raw_dtype=stored)

    def ones(name):
        file.add_tensor(name + ".weight", numpy.ones(576, dtype=numpy.float32))

    matrix("token_embd", 49152, 576)
    ones("output_norm")
    for i in range(30):
        ones(f"blk.{i}.attn_norm")
        ones(f"blk.{i}.ffn_norm")
        for name, *shape in [
            ("attn_q", 576, 576),
            ("attn_k", 192, 576),
            ("attn_v", 192, 576),
            ("attn_output", 576, 576),
            ("ffn_gate", 1536, 576),
            ("ffn_up", 1536, 576),
            ("ffn_down", 576, 1536),
        ]:
            matrix(f"blk.{i}.{name}", *shape)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def llama(args):
    from llama_cpp import Llama

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.gguf")
        if os.fork() == 0:
            # The writer's memory isn't the reader's.
            gguf_file(path, args.dtype)
            os._exit(0)
        assert os.wait()[1] == 0
        net = Llama(path, n_ctx=256, n_threads=os.cpu_count(), n_threads_batch=os.cpu_count(), verbose=False)
        prompt = rows(1, 32)[0].tolist()

        def work():
            net.reset()
            net.eval(prompt)
            for _ in range(96):
                token = net.sample(top_k=0, top_p=1.0, min_p=0.0, temp=1.0)
                net.eval([token])

        return 96, timed(args.repeats, work)


def peak():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("work", choices=["train", "logprobs", "decode", "grpo", "llama"])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    args = parser.parse_args()
    tokens, seconds = globals()[args.work](args)
    print(json.dumps({"seconds": seconds, "tokens": tokens, "peak_bytes": peak()}))


main()
