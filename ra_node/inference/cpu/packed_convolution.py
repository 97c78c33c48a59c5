"""A convolution with prepacked weight and fused activation (oneDNN), forward and backward.

PyTorch packs weights anew in every pass, and with one thread runs 1 x 1 convolutions through a library that
is half as fast on some CPUs. The operators here are those of oneDNN that torch.compile uses, which needs a
C++ compiler on the machine. They have no gradient, so the backward pass is defined here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

Activation = Literal["none", "relu", "swish"]


def can_pack(device: torch.device) -> bool:
    """Whether this device has those operators."""
    return device.type == "cpu" and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


class Packed(nn.Module):
    """A convolution and its activation, packed for inputs of `size`; others work as well.

    With `slope` the output has a gradient to the input, but none to the weight. A packed weight can be
    neither moved to another device nor copied.
    """

    def __init__(
        self, convolution: nn.Conv2d, activation: Activation, size: list[int], *, slope: bool
    ) -> None:
        super().__init__()
        grid = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        self._activation = activation
        self._forward = _Operator(convolution.weight.detach(), convolution.bias, grid, size)
        self._backward = _backward_of(convolution, size) if slope else None

    def forward(self, x_NCHW: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x_NCHW.requires_grad:
            made: Tensor = _WithGradient.apply(x_NCHW, self)
            return made
        return self._forward(x_NCHW, self._activation)

    def forward_and_context(self, x_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """The output, and what the backward pass of the activation needs."""
        if self._activation != "swish":
            made = self._forward(x_NCHW, self._activation)
            return made, made
        before = self._forward(x_NCHW, "none")
        return nn.functional.silu(before), before

    def input_gradient(self, gradient_NCHW: Tensor, context_NCHW: Tensor, size: torch.Size) -> Tensor:
        """The gradient at an input of `size`, from that at its output."""
        if self._activation == "relu":
            gradient_NCHW = torch.ops.aten.threshold_backward(gradient_NCHW, context_NCHW, 0)
        elif self._activation == "swish":
            gradient_NCHW = torch.ops.aten.silu_backward(gradient_NCHW, context_NCHW)
        if self._backward is None:
            raise RuntimeError("expected a convolution that was packed for the way back, found one without")
        return self._backward(gradient_NCHW, size)


BackwardPass = Callable[[Tensor, torch.Size], Tensor]
"""From the gradient at the output to that at an input of the size."""


def _backward_of(convolution: nn.Conv2d, size: list[int]) -> BackwardPass:
    """The backward pass for stride 1 is a convolution as well, and packed like one."""
    (rows, columns), (down, across) = convolution.kernel_size, map(int, convolution.padding)
    learnt, steps = convolution.weight.detach(), (convolution.stride, convolution.dilation)
    if (*steps, convolution.groups) != ((1, 1), (1, 1), 1):
        return lambda gradient_NCHW, given: conv2d_input(  # type: ignore[no-untyped-call]
            given, learnt, gradient_NCHW, steps[0], convolution.padding, steps[1], convolution.groups
        )
    weight = learnt.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
    out = [size[0], weight.shape[1], size[2] + 2 * down - rows + 1, size[3] + 2 * across - columns + 1]
    operator = _Operator(weight, None, ((rows - 1 - down, columns - 1 - across), (1, 1), (1, 1), 1), out)
    return lambda gradient_NCHW, _given: operator(gradient_NCHW, "none")


class _Operator:
    """oneDNN's convolution with one packed weight."""

    def __init__(self, weight: Tensor, bias: Tensor | None, grid: tuple[Any, ...], size: list[int]) -> None:
        self._bias, self._grid = bias, grid
        self._weight = torch.ops.aten.mkldnn_reorder_conv2d_weight(weight.to_mkldnn(), *grid, size)

    def __call__(self, x_NCHW: Tensor, activation: Activation) -> Tensor:
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001  # has no other name
            x_NCHW, self._weight, self._bias, *self._grid, activation, [], ""
        )
        return made


class _WithGradient(torch.autograd.Function):
    """A packed convolution with a backward pass."""

    @staticmethod
    def forward(ctx: Any, x_NCHW: Tensor, part: Packed) -> Tensor:  # noqa: ANN401  # as torch declares it
        made, context = part.forward_and_context(x_NCHW)
        ctx.part, ctx.size = part, x_NCHW.shape
        ctx.save_for_backward(context)
        return made

    @staticmethod
    def backward(ctx: Any, gradient_NCHW: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return ctx.part.input_gradient(gradient_NCHW, *ctx.saved_tensors, ctx.size), None
