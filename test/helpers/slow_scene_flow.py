"""The structure flow with scene-context attention by its definition: loops over slots and heads."""

import math

import torch


def slow_scene_flow(config, weights, tokens, time, context):
    """Velocities (S, L, C_out) of a scene slot, row 0, and its instances, from named weights."""

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def modulation(name):
        parts = linear(silu(time_embedding), f"{name}.adaLN_modulation.1")
        return parts.split(config.model_channels)

    def heads(x, name, kind):
        """(L, d) of each head; queries and keys of self-attention have unit mean square."""
        parts = x.split(config.model_channels // config.num_heads, dim=-1)
        if kind not in ("q", "k"):
            return parts
        gains = weights[f"{name}.{kind}_rms_norm.gamma"]
        return [
            part / part.square().mean(-1, keepdim=True).sqrt() * gain
            for part, gain in zip(parts, gains, strict=True)
        ]

    def self_attention(inputs, name, scene_context):
        qkv = [linear(x, f"{name}.to_qkv").split(config.model_channels, dim=-1) for x in inputs]
        q, k, v = (
            [heads(slot[i], name, kind) for slot in qkv] for i, kind in enumerate(("q", "k", "v"))
        )
        outputs = []
        for slot in range(len(inputs)):
            seen = [slot, 0] if scene_context and slot > 0 else [slot]
            attended = [
                softmax_attention(
                    q[slot][head],
                    torch.cat([k[other][head] for other in seen]),
                    torch.cat([v[other][head] for other in seen]),
                )
                for head in range(config.num_heads)
            ]
            outputs.append(linear(torch.cat(attended, -1), f"{name}.to_out"))
        return outputs

    def cross_attention(x, tokens, name):
        k, v = linear(tokens, f"{name}.to_kv").split(config.model_channels, dim=-1)
        parts = (heads(t, name, None) for t in (linear(x, f"{name}.to_q"), k, v))
        attended = [softmax_attention(*head) for head in zip(*parts, strict=True)]
        return linear(torch.cat(attended, -1), f"{name}.to_out")

    def block(slots, i):
        name = f"blocks.{i}"
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulation(name)
        normed = [layer_norm(x, 1e-6) * (1 + scale_a) + shift_a for x in slots]
        scene_context = i in config.scene_context_range
        attended = self_attention(normed, f"{name}.self_attn", scene_context)
        out = []
        for x, h, image in zip(slots, attended, context, strict=True):
            x = x + gate_a * h
            gain, shift = weights[f"{name}.norm2.weight"], weights[f"{name}.norm2.bias"]
            h = layer_norm(x, 1e-6) * gain + shift
            x = x + cross_attention(h, image, f"{name}.cross_attn")
            h = layer_norm(x, 1e-6) * (1 + scale_m) + shift_m
            h = linear(tanh_gelu(linear(h, f"{name}.mlp.mlp.0")), f"{name}.mlp.mlp.2")
            out.append(x + gate_m * h)
        return out

    hidden = silu(linear(sinusoids(1000 * time), "t_embedder.mlp.0"))
    time_embedding = linear(hidden, "t_embedder.mlp.2")
    slots = [linear(x, "input_layer") + weights["pos_emb"] for x in tokens]
    for i in range(config.num_blocks):
        slots = block(slots, i)
    return torch.stack([linear(layer_norm(x, 1e-5), "out_layer") for x in slots])


def sinusoids(time):
    """256 of them, in single precision as the release has them."""
    exponents = -math.log(10_000) * torch.arange(128, dtype=torch.float32) / 128
    angles = torch.tensor(time, dtype=torch.float32) * torch.exp(exponents)
    return torch.cat([angles.cos(), angles.sin()]).double()


def softmax_attention(q, k, v):
    """One head."""
    scores = q @ k.T / math.sqrt(q.shape[-1])
    scores = torch.exp(scores - scores.amax(-1, keepdim=True))
    return scores / scores.sum(-1, keepdim=True) @ v


def layer_norm(x, eps):
    """Without gains."""
    centered = x - x.mean(-1, keepdim=True)
    return centered / (centered.square().mean(-1, keepdim=True) + eps).sqrt()


def silu(x):
    """X times its logistic."""
    return x / (1 + torch.exp(-x))


def tanh_gelu(x):
    """The approximate GELU."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
