"""Counted work: formulas against the counter, and what the shortcuts save at full size."""

import pytest
import torch
from random_weights import randomised

from iscene_ros.lab.benchmarks.flops import CountedFlow, count, on_meta
from iscene_ros.lab.benchmarks.sparse_flops import (
    SlatCall,
    mesh_decoder_flops,
    slat_flow_flops,
)
from iscene_ros.models.iscene.config import ReleaseConfig
from iscene_ros.models.iscene.networks.mesh_decoder import MeshDecoder
from iscene_ros.models.iscene.networks.scene_flow import SceneFlowTransformer
from iscene_ros.models.iscene.networks.slat_flow import SlatFlow
from iscene_ros.models.iscene.sampling.flow_sampler import ReleaseNoise
from iscene_ros.models.iscene.sampling.structure_stage import StructureOptions, sample_structure
from iscene_ros.models.iscene.sparse.tensor import SparseTensor

TINY = ReleaseConfig.tiny()


def cells_of(counts):
    generator = torch.Generator().manual_seed(0)
    picked = [torch.randperm(16**3, generator=generator)[:n].sort().values for n in counts]
    coords = torch.cat([torch.stack([i // 256, i // 16 % 16, i % 16], 1) for i in picked])
    return SparseTensor(coords, torch.randn(len(coords), 8), tuple(counts))


@pytest.mark.parametrize("seeing", [0, 1, 2])
def test_the_slat_formula_is_what_the_counter_counts(seeing):
    flow, x = randomised(SlatFlow(TINY.slat_flow)), cells_of((500, 300))
    context = flow.cached_context(torch.randn(seeing, 7, 48)) if seeing else None
    counted = count(lambda: flow(x, torch.ones(1), context))
    call = SlatCall(x.geometry, 1, seeing, projected=0, context_tokens=7)
    assert slat_flow_flops(TINY.slat_flow, call) == counted


def test_the_slat_formula_counts_contexts_that_are_not_kept():
    flow, x = randomised(SlatFlow(TINY.slat_flow)), cells_of((500, 300))
    counted = count(lambda: flow(x, torch.ones(2), torch.randn(2, 7, 48)))
    call = SlatCall(x.geometry, 2, 2, projected=2, context_tokens=7)
    assert slat_flow_flops(TINY.slat_flow, call) == counted


def test_the_mesh_decoder_formula_is_what_the_counter_counts():
    decoder, x = randomised(MeshDecoder(TINY.mesh_decoder)), cells_of((600,))
    counted = count(lambda: decoder(x))
    assert mesh_decoder_flops(TINY.mesh_decoder, x.geometry) == counted


def test_the_counted_flow_counts_as_the_flow_computes():
    config = TINY.structure_flow
    context, noise = torch.randn(4, 7, 48), ReleaseNoise(0).structure(config)
    for max_slots in (3, 64):
        options = StructureOptions(TINY.structure_sampler, max_slots=max_slots)
        flow = randomised(SceneFlowTransformer(config))
        computed = count(lambda f=flow, o=options: sample_structure(f, context, noise, o))
        counted = CountedFlow(config)
        sample_structure(counted, context.to("meta"), noise, options)
        assert counted.flops == computed


def test_one_slot_of_the_published_flow_takes_5_tflop():
    flow = on_meta(SceneFlowTransformer, ReleaseConfig().structure_flow)
    with torch.device("meta"):
        inputs = torch.empty(1, 4096, 8), torch.empty(1)
        flops = count(lambda: flow(*inputs, context=torch.empty(1, 1374, 1024)))
    assert flops == pytest.approx(5.23e12, rel=1e-3)
