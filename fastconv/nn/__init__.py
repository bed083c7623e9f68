"""Layers: forward, backward, parameters. They hold state and call fastconv.functional, where the work is done."""

from fastconv.nn.activation import ReLU, Sigmoid, Tanh
from fastconv.nn.concat import Concat
from fastconv.nn.conv import Conv2d
from fastconv.nn.flatten import Flatten
from fastconv.nn.layer import Layer
from fastconv.nn.linear import Linear
from fastconv.nn.parametric import Parametric
from fastconv.nn.pooling import AvgPool2d, MaxPool2d
from fastconv.nn.residual import Residual
from fastconv.nn.sequential import Sequential

__all__ = [
    "AvgPool2d",
    "Concat",
    "Conv2d",
    "Flatten",
    "Layer",
    "Linear",
    "MaxPool2d",
    "Parametric",
    "ReLU",
    "Residual",
    "Sequential",
    "Sigmoid",
    "Tanh",
]
