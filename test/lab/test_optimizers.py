"""Muon trains the kernels of convolutions as matrices, AdamW the rest."""

import torch
from tiny_model import random_volumes, tiny_network

from iscene_ros.lab.training.optimizers import OUTER_LAYERS, make_optimizers, set_learning_rate
from iscene_ros.models.mini.network import MiniNetwork


def network_with_gradients(memory_format: torch.memory_format) -> MiniNetwork:
    network = tiny_network().to(memory_format=memory_format)
    predicted = network(random_volumes(2))
    loss = (predicted.distance - 0.3).square().mean() + predicted.error.mean()
    loss.backward()
    return network


def test_a_step_moves_every_weight_that_has_a_gradient():
    network = network_with_gradients(torch.channels_last_3d)
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    with_gradient = {n for n, p in network.named_parameters() if p.grad.abs().max() > 1e-6}
    optimizers = make_optimizers(network)
    set_learning_rate(optimizers, 1e-3)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    moved = {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}
    assert moved >= with_gradient and len(with_gradient) > 40
    assert all(p.grad is None for p in network.parameters())


def test_muon_moves_a_kernel_as_it_moves_the_matrix_of_its_rows():
    network = network_with_gradients(torch.channels_last_3d)
    kernel = network.grid_encoder[0].conv1.weight
    matrix = torch.nn.Parameter(kernel.detach().flatten(1).clone())
    matrix.grad = kernel.grad.flatten(1).clone()
    alone = torch.optim.Muon([matrix], lr=2e-3, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    before = kernel.detach().flatten(1).clone()
    optimizers = make_optimizers(network)
    set_learning_rate(optimizers, 1e-3)
    optimizers[1].step()
    alone.step()
    moved = kernel.detach().flatten(1) - before
    # The order of a row's numbers changes nothing but bfloat16's rounding.
    assert (moved - (matrix.detach() - before)).norm() < 0.05 * moved.norm()


def test_the_memory_format_changes_nothing_but_rounding():
    moved = []
    for memory_format in (torch.contiguous_format, torch.channels_last_3d):
        network = network_with_gradients(memory_format)
        before = network.down_middle.weight.detach().clone()
        optimizers = make_optimizers(network)
        set_learning_rate(optimizers, 1e-3)
        optimizers[1].step()
        moved.append(network.down_middle.weight.detach() - before)
    assert (moved[1] - moved[0]).norm() < 0.05 * moved[0].norm()


def test_adamw_trains_what_muon_does_not():
    network = tiny_network()
    adamw, muon = (
        sum(p.numel() for group in o.param_groups for p in group["params"])
        for o in make_optimizers(network)
    )
    assert adamw + muon == sum(p.numel() for p in network.parameters())
    kernels = [(n, p) for n, p in network.named_parameters() if p.ndim == 5]
    assert muon == sum(p.numel() for n, p in kernels if not n.startswith(OUTER_LAYERS))
