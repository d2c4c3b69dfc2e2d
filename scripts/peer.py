#!/usr/bin/env python3
"""peer.py CONFIG.json [options]: what plain Hugging Face transformers does on the same card with the same shape.

The model is made with random weights on the device, in bfloat16, and generates greedily:

  eager      model.generate() as it is
  compiled   model.generate() with a static cache, which compiles the decode step (torch.compile)

Each is warmed up, then repeated; numbers are medians. Prefill is the time of one new token, decode what the
others take. With --context the cache has so many tokens of random keys and values instead of a long prompt's,
and the loop is this script's own: the model's forward and the most probable token, as generate() does it.

One line for each measurement, or with --json one JSON object, as soon as it is there; what cannot be measured
has an "error", one sentence. Needs torch and transformers (4.45 or later); exit status 1 if nothing was measured.
"""

import argparse
import json
import logging
import os
import pathlib
import statistics
import sys
import time

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def packages():
    """torch and transformers, or an exit with a sentence."""
    try:
        import torch
        import transformers
    except ImportError as error:
        sys.exit(f"peer.py: {error}: the peer is torch with transformers")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    return torch, transformers


class Peer:
    def __init__(self, options):
        self.options = options
        self.torch, self.transformers = packages()
        torch = self.torch
        if options.device == "cuda" and not torch.cuda.is_available():
            sys.exit("peer.py: torch sees no CUDA device; --device cpu measures the processor")
        facts = json.loads(pathlib.Path(options.config).read_text())
        config = self.transformers.CONFIG_MAPPING[facts.pop("model_type")](**facts)
        tokens = (options.context or options.prompt_length) + options.new_tokens
        if tokens > config.max_position_embeddings:
            sys.exit(f"peer.py: {tokens} tokens are more than the model's context of {config.max_position_embeddings}")
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.bfloat16)
        torch.manual_seed(0)
        try:
            with torch.device(options.device):
                self.model = self.transformers.AutoModelForCausalLM.from_config(config).eval()
        finally:
            torch.set_default_dtype(before)
        self.vocabulary = config.vocab_size
        self.config = config

    def sync(self):
        if self.options.device == "cuda":
            self.torch.cuda.synchronize()

    def seconds(self, work):
        self.sync()
        start = time.perf_counter()
        work()
        self.sync()
        return time.perf_counter() - start

    def random_ids(self, batch, length):
        return self.torch.randint(0, self.vocabulary, (batch, length), device=self.options.device)

    def facts(self, mode, batch):
        torch = self.torch
        card = torch.cuda.get_device_name() if self.options.device == "cuda" else "CPU"
        return {"model": pathlib.Path(self.options.config).stem, "mode": mode, "batch": batch,
                "context": self.options.context, "prompt_length": 0 if self.options.context else self.options.prompt_length,
                "new_tokens": self.options.new_tokens, "repeats": self.options.repeats, "device": card,
                "torch": torch.__version__, "transformers": self.transformers.__version__}

    def peak_memory(self):
        return self.torch.cuda.max_memory_allocated() if self.options.device == "cuda" else 0

    # ---- generate() ----------------------------------------------------------------------------------------

    def generation(self, new_tokens, compiled):
        config = self.transformers.GenerationConfig(
            max_new_tokens=new_tokens, min_new_tokens=new_tokens, do_sample=False, use_cache=True, eos_token_id=None,
            pad_token_id=0)
        if compiled:
            config.cache_implementation = "static"
            compile_config = getattr(self.transformers, "CompileConfig", None)
            if compile_config is None:
                from transformers.generation.configuration_utils import CompileConfig as compile_config
            config.compile_config = compile_config(fullgraph=False, mode=self.options.compile_mode)
            if self.options.device == "cpu":
                config.compile_config._compile_all_devices = True
        return config

    def generate(self, mode, batch):
        options, compiled = self.options, mode == "compiled"
        ids = self.random_ids(batch, options.prompt_length)
        mask = self.torch.ones_like(ids)

        def run(new_tokens):
            result = self.model.generate(ids, attention_mask=mask,
                                         generation_config=self.generation(new_tokens, compiled))
            if result.shape[1] != options.prompt_length + new_tokens:
                raise RuntimeError(f"it made {result.shape[1] - options.prompt_length} tokens and not {new_tokens}")

        # A shorter run keeps the longer one's static cache, and with it the compiled step; in one of a single
        # token there would be no compiled step.
        first = max(2, min(4, options.new_tokens // 2)) if compiled else 1
        warm = self.seconds(lambda: run(options.new_tokens))
        for _ in range(2 if compiled else 0): # graphs are recorded in the second run
            run(options.new_tokens)
        run(first)
        if compiled:
            run(first)
        wholes = [self.seconds(lambda: run(options.new_tokens)) for _ in range(options.repeats)]
        firsts = [self.seconds(lambda: run(first)) for _ in range(options.repeats)]
        whole, begin = statistics.median(wholes), statistics.median(firsts)
        step = max(whole - begin, 1e-9) / (options.new_tokens - first)
        prefill = max(begin - (first - 1) * step, 1e-9)
        result = {"prefill_tokens_per_second": batch * options.prompt_length / prefill,
                  "decode_tokens_per_second": batch / step, "total_seconds": whole,
                  "tokens_per_second": batch * options.new_tokens / whole, "first_run_seconds": warm}
        if compiled:
            result["compile_mode"] = options.compile_mode
        return result

    # ---- Behind a context ----------------------------------------------------------------------------------

    def cache(self, batch):
        torch, config = self.torch, self.config
        heads = getattr(config, "num_key_value_heads", None) or getattr(config, "num_kv_heads", None)
        if config.model_type == "falcon" and config.multi_query and not config.new_decoder_architecture:
            heads = 1
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        cache = self.transformers.DynamicCache()
        for layer in range(config.num_hidden_layers):
            shape = (batch, heads, self.options.context, head_dim)
            cache.update(torch.randn(shape, dtype=torch.bfloat16, device=self.options.device),
                         torch.randn(shape, dtype=torch.bfloat16, device=self.options.device), layer)
        return cache

    def behind_context(self, batch):
        torch, options = self.torch, self.options
        times = []
        for repeat in range(options.repeats + 1):
            cache = self.cache(batch)
            token = self.random_ids(batch, 1)

            def steps():
                nonlocal token
                for i in range(options.new_tokens):
                    at = torch.full((batch, 1), options.context + i, device=options.device)
                    logits = self.model(input_ids=token, position_ids=at, past_key_values=cache, use_cache=True).logits
                    token = logits[:, -1].argmax(-1, keepdim=True)

            seconds = self.seconds(steps)
            if repeat > 0: # the first warms up
                times.append(seconds)
            del cache
        return {"decode_tokens_per_second": batch * options.new_tokens / statistics.median(times),
                "total_seconds": statistics.median(times)}

    def measure(self, mode, batch):
        torch = self.torch
        if self.options.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        result = self.facts(mode, batch)
        try:
            with torch.inference_mode() if mode == "eager" else torch.no_grad():
                if self.options.context:
                    if mode == "compiled":
                        raise RuntimeError("behind a context only eager is measured")
                    result.update(self.behind_context(batch))
                else:
                    result.update(self.generate(mode, batch))
            result["peak_memory_bytes"] = self.peak_memory()
        except Exception as error: # a mode or a batch that does not work leaves the others
            text = str(error).strip().splitlines() or [type(error).__name__]
            result["error"] = f"{type(error).__name__}: {text[0][:200]}"
        return result


def line(result):
    head = f"{result['model']:<16}{result['mode']:<10}batch {result['batch']:<4}context {result['context']:<6}"
    if "error" in result:
        return f"{head}{result['error']}"
    prefill = result.get("prefill_tokens_per_second")
    return (f"{head}decode {result['decode_tokens_per_second']:9.1f} tok/s  "
            + (f"prefill {prefill:9.1f} tok/s  " if prefill else "")
            + f"{result['peak_memory_bytes'] / 1e9:.2f} GB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", metavar="CONFIG.json", help="of a Hugging Face checkpoint; see models/configs")
    parser.add_argument("--modes", default="eager,compiled", help="eager, compiled or both (eager,compiled)")
    parser.add_argument("--prompt-length", type=int, default=128, help="tokens of each prompt (128)")
    parser.add_argument("--new-tokens", type=int, default=256, help="new tokens of each sequence (256)")
    parser.add_argument("--batch", default="1", help="sequences at once; several: 8,32 (1)")
    parser.add_argument("--context", type=int, default=0, help="tokens in the cache instead of a prompt (0)")
    parser.add_argument("--repeats", type=int, default=3, help="measured runs, after those that warm up (3)")
    parser.add_argument("--compile-mode", default="reduce-overhead",
                        help="of torch.compile: reduce-overhead, max-autotune-no-cudagraphs, ... (reduce-overhead)")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--json", action="store_true", help="JSON objects, a line each")
    options = parser.parse_args()
    modes = options.modes.split(",")
    if not set(modes) <= {"eager", "compiled"}:
        parser.error(f"--modes {options.modes}: eager, compiled or both")
    if options.new_tokens < 8 or options.prompt_length < 1 or options.context < 0 or options.repeats < 1:
        parser.error("at least 8 new tokens, 1 of the prompt and 1 repeat are needed")
    peer = Peer(options)
    measured = 0
    for mode in modes:
        for batch in options.batch.split(","):
            result = peer.measure(mode, int(batch))
            measured += "error" not in result
            print(json.dumps(result) if options.json else line(result), flush=True)
    return 0 if measured else 1


if __name__ == "__main__":
    sys.exit(main())
