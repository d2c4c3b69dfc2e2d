#!/usr/bin/env python3
"""Makes test/goldens/models: tiny random checkpoints with the logits of Hugging Face transformers.

    pip install torch 'transformers==4.52.4' safetensors
    scripts/goldens/models.py test/goldens/models

Each directory has config.json, model.safetensors (one of them in shards), prompts.json (two lists of
token ids) and logits.safetensors (`logits_0`, `logits_1`: [tokens, vocabulary] float32). Weights are
drawn from a fixed seed, norms and biases too, so that a mistake in any of them shows.
"""

import argparse
import copy
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import (FalconConfig, FalconForCausalLM, GPT2Config, GPT2LMHeadModel,
                          GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM,
                          MistralConfig, MistralForCausalLM)

VOCABULARY = 96
COMMON = dict(vocab_size=VOCABULARY, bos_token_id=1, eos_token_id=2)


def llama(cls=LlamaConfig, **options):
    return cls(**{**COMMON, **dict(hidden_size=32, intermediate_size=56, num_hidden_layers=2,
                                   num_attention_heads=4, num_key_value_heads=2,
                                   max_position_embeddings=64, rms_norm_eps=1e-5), **options})


def falcon(**options):
    return FalconConfig(**{**COMMON, **dict(hidden_size=32, num_hidden_layers=2,
                                            num_attention_heads=4, ffn_hidden_size=72,
                                            max_position_embeddings=64), **options})


def gpt_neox(**options):
    return GPTNeoXConfig(**{**COMMON, **dict(hidden_size=32, intermediate_size=64,
                                             num_hidden_layers=2, num_attention_heads=4,
                                             rotary_pct=0.5, max_position_embeddings=64),
                            **options})


def gpt2(**options):
    return GPT2Config(**{**COMMON, **dict(n_embd=32, n_layer=2, n_head=4, n_positions=64),
                         **options})


RW = dict(new_decoder_architecture=False, multi_query=False, parallel_attn=False)
FALCON_40B = dict(new_decoder_architecture=True, num_kv_heads=2)

MODELS = {
    # 7B: one key-value head although num_kv_heads says otherwise, as in the published config.
    "falcon_7b": falcon(num_kv_heads=4),
    "falcon_7b_bias": falcon(bias=True),
    "falcon_40b": falcon(**FALCON_40B),
    "falcon_40b_one_norm": falcon(**FALCON_40B, num_ln_in_parallel_attn=1,
                                  tie_word_embeddings=False),
    "falcon_40b_bias": falcon(**FALCON_40B, bias=True),
    "falcon_rw_alibi": falcon(**RW, alibi=True, bias=True),
    "falcon_rw_alibi_six_heads": falcon(**RW, alibi=True, bias=True, hidden_size=48,
                                        num_attention_heads=6),
    "falcon_rw_rotary": falcon(**RW, bias=True),
    "falcon_rw_parallel": falcon(**{**RW, "parallel_attn": True}),
    "falcon_7b_alibi": falcon(alibi=True),
    "llama_gqa": llama(),
    "llama_mha": llama(num_key_value_heads=4),
    "llama_mqa_bias": llama(num_key_value_heads=1, attention_bias=True, mlp_bias=True),
    "llama_tied": llama(tie_word_embeddings=True),
    "llama_head_dim": llama(head_dim=12, hidden_act="gelu_pytorch_tanh"),
    "llama_rope_linear": llama(rope_scaling=dict(rope_type="linear", factor=2.5)),
    "llama_rope_llama3": llama(rope_theta=5000.0, head_dim=16, rope_scaling=dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32)),
    "llama_rope_yarn": llama(head_dim=16, rope_scaling=dict(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=16)),
    "mistral": llama(MistralConfig, sliding_window=None),
    "mistral_window": llama(MistralConfig, sliding_window=5),
    "gpt2": gpt2(),
    "gpt2_scales": gpt2(n_inner=40, activation_function="relu",
                        scale_attn_by_inverse_layer_idx=True),
    "gpt_neox": gpt_neox(),
    "gpt_neox_sequential": gpt_neox(use_parallel_residual=False, hidden_act="gelu_fast"),
    "gpt_neox_no_bias": gpt_neox(attention_bias=False, rotary_pct=1.0, tie_word_embeddings=True),
}
# Stored as bfloat16, to be small, but for these.
TYPES = {"falcon_7b": torch.float32, "llama_tied": torch.float32, "gpt2": torch.float32,
         "falcon_40b": torch.float16, "gpt_neox": torch.float16}
SHARDED = {"llama_mha": "16KB"}

CLASSES = {"falcon": FalconForCausalLM, "gpt2": GPT2LMHeadModel, "gpt_neox": GPTNeoXForCausalLM,
           "llama": LlamaForCausalLM, "mistral": MistralForCausalLM}


def randomize(model, stored, generator):
    """Larger than usual, so that attention is far from uniform; norms around 1. All values are of the
    type that is stored."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name or ".ln_" in name:
                noise = noise * 0.2 + (1.0 if name.endswith("weight") else 0.0)
            elif parameter.dim() == 1:
                noise = noise * 0.2
            else:
                noise = noise * (0.2 if "embed" in name or "wte" in name or "wpe" in name else 0.25)
            parameter.copy_(noise.to(stored))


def make(name, config, directory):
    # With ALiBi, transformers' eager path adds the bias twice (in the mask and to the scores); its
    # other path is what the published model does.
    attention = "sdpa" if getattr(config, "alibi", False) else "eager"
    model = CLASSES[config.model_type]._from_config(config, attn_implementation=attention)
    model.eval()
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    stored = TYPES.get(name, torch.bfloat16)
    randomize(model, stored, generator)
    shutil.rmtree(directory, ignore_errors=True)
    # The copy, since to() would round the rotary frequencies too.
    copy.deepcopy(model).to(stored).save_pretrained(
        directory, max_shard_size=SHARDED.get(name, "1GB"))

    prompts = [torch.randint(3, VOCABULARY, (length,), generator=generator) for length in (7, 13)]
    with torch.no_grad():
        logits = {f"logits_{i}": model(ids[None]).logits[0].contiguous()
                  for i, ids in enumerate(prompts)}
    save_file(logits, directory / "logits.safetensors")
    (directory / "prompts.json").write_text(json.dumps([ids.tolist() for ids in prompts]) + "\n")
    for file in directory.iterdir():
        file.chmod(0o644)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--only", help="make this one model")
    arguments = parser.parse_args()
    for name, config in MODELS.items():
        if arguments.only in (None, name):
            make(name, config, arguments.output / name)
            print(name)


if __name__ == "__main__":
    main()
