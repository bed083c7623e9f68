"""PyTorch with torch.compile, which needs a C++ compiler: training, from a batch's bytes to its loss and back."""

from __future__ import annotations

import torch
import torch._inductor.config

from . import with_torch


def start(threads: int) -> str:
    torch._inductor.config.compile_threads = 1  # none but this process: the others would outlive it
    return with_torch.start(threads)


def network(told: dict, mode: str, dtype: str) -> dict:
    net = with_torch.chain(told, dtype)
    return {"compile": with_torch.training(told, net, torch.compile(with_torch.loss_of(net, dtype), dynamic=False))}
