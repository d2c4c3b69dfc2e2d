#!/usr/bin/env python3
"""Makes phi/: a tiny random checkpoint and the logits that Hugging Face transformers computes.

    pip install torch 'transformers==4.52.4' safetensors
    docs/howto/new-model-family/make_golden.py
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import PhiConfig, PhiForCausalLM

directory = pathlib.Path(__file__).parent / "phi"
config = PhiConfig(vocab_size=96, hidden_size=32, intermediate_size=56, num_hidden_layers=2,
                   num_attention_heads=4, num_key_value_heads=2, partial_rotary_factor=0.5,
                   max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
model = PhiForCausalLM._from_config(config, attn_implementation="eager").eval()

# Larger weights than usual, biases and norms too, so that a mistake in any of them shows.
generator = torch.Generator().manual_seed(7)
with torch.no_grad():
    for name, parameter in model.named_parameters():
        noise = 0.25 * torch.randn(parameter.shape, generator=generator)
        parameter.copy_(noise + 1 if name.endswith("norm.weight") else noise)
    model.save_pretrained(directory)
    (directory / "generation_config.json").unlink()
    tokens = torch.randint(3, 96, (13,), generator=generator)
    save_file({"logits": model(tokens[None]).logits[0].contiguous()},
              directory / "logits.safetensors")
(directory / "tokens.json").write_text(json.dumps(tokens.tolist()) + "\n")
