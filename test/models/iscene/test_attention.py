"""Scene-context attention against its formula, written out slowly in float64."""

import torch
from torch.testing import assert_close

from iscene_ros.models.iscene.networks.attention import CrossAttention, SceneContextAttention

CHANNELS, HEADS, LENGTH = 24, 3, 7


def module(kind=SceneContextAttention, **arguments):
    torch.manual_seed(0)
    attention = kind(CHANNELS, num_heads=HEADS, **arguments).double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return attention


def heads_of(attention, x):
    """Query, key and value of one slot: lists of (L, d), one a head."""
    width = CHANNELS // HEADS
    q, k, v = (x @ attention.to_qkv.weight.T + attention.to_qkv.bias).split(CHANNELS, dim=-1)
    parts = []
    for head in range(HEADS):
        columns = slice(head * width, (head + 1) * width)
        normed = []
        for t, norm in ((q, attention.q_rms_norm), (k, attention.k_rms_norm)):
            t = t[:, columns]
            rms = t.square().mean(-1, keepdim=True).sqrt()
            normed.append(t / rms * norm.gamma[head])
        parts.append((*normed, v[:, columns]))
    return parts


def reference(attention, instance, scene):
    """softmax(Q_i [K_i; K_s]^T / sqrt(d)) [V_i; V_s], head by head."""
    out = []
    for (q, k, v), (_, k_s, v_s) in zip(
        heads_of(attention, instance), heads_of(attention, scene), strict=True
    ):
        keys, values = torch.cat([k, k_s]), torch.cat([v, v_s])
        weights = torch.softmax(q @ keys.T / (CHANNELS // HEADS) ** 0.5, dim=-1)
        out.append(weights @ values)
    return torch.cat(out, -1) @ attention.to_out.weight.T + attention.to_out.bias


def test_an_instance_attends_to_itself_and_its_scene():
    attention = module()
    scenes, instances = torch.randn(2, LENGTH, CHANNELS).double(), torch.randn(3, LENGTH, CHANNELS)
    instances = instances.double()
    _, memory = attention(scenes)
    scene_of_slot = torch.tensor([1, 0, 1])
    out, _ = attention(instances, memory.rows(scene_of_slot))
    for slot in range(3):
        expected = reference(attention, instances[slot], scenes[scene_of_slot[slot]])
        assert_close(out[slot], expected, rtol=1e-6, atol=1e-6)


def test_instances_never_see_each_other():
    attention = module()
    x = torch.randn(2, LENGTH, CHANNELS).double()
    _, memory = attention(torch.randn(1, LENGTH, CHANNELS).double())
    scene = memory.rows(torch.zeros(2, dtype=torch.int64))
    before, _ = attention(x, scene)
    x[1] += 1
    after, _ = attention(x, scene)
    assert_close(before[0], after[0])
    assert not torch.allclose(before[1], after[1])


def test_cross_attention_reads_its_context():
    attention = module(CrossAttention, context_channels=5)
    x, context = torch.randn(2, LENGTH, CHANNELS).double(), torch.randn(2, 4, 5).double()
    same = attention(x, context.flip(1))
    assert_close(attention(x, context), same)  # a set: its order does not matter
    assert not torch.allclose(same, attention(x, context + 1))
