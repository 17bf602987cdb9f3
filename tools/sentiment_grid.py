"""Dense layers that compute in training what the int8 graph will compute: their weights and inputs on a grid.

A value is moved to the nearest point of its grid in the forward pass and the gradient passes as if it had not been (the
straight-through estimator, https://arxiv.org/abs/1308.3432), so the last part of the training adapts the weights to
the rounding. https://arxiv.org/abs/1712.05877 describes the method for whole networks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sentiment_onnx import WEIGHT_LIMIT, WORD_LIMIT, Grid

EVENNESS = 0.7
"""How far the channels of a layer's input are brought to one size before they share a scale; 0 not at all, 1 wholly."""


class GridLinear(nn.Linear):
    """A dense layer with three states: plain, observing its input, and on the grid.

    On the grid its input is divided, channel by channel, by `grid.divisor`, and the weights are multiplied by it: a few
    channels of the normalised vectors are tenfold the others and would leave those few points of the grid
    (https://arxiv.org/abs/2211.10438).
    """

    observing: bool
    lowest: Tensor
    highest: Tensor
    grid: Grid | None

    def start(self) -> None:
        """Be plain, with nothing observed."""
        self.observing, self.grid = False, None
        self.lowest, self.highest = torch.zeros(self.in_features), torch.zeros(self.in_features)

    def forward(self, value: Tensor) -> Tensor:
        if self.observing:
            rows = value.detach().float().flatten(0, -2)
            self.lowest = torch.minimum(self.lowest, rows.amin(0))
            self.highest = torch.maximum(self.highest, rows.amax(0))
        if self.grid is None:
            return functional.linear(value, self.weight, self.bias)
        divisor = torch.from_numpy(self.grid.divisor)
        value = torch.fake_quantize_per_tensor_affine(
            value.float() / divisor, self.grid.scale, self.grid.zero, 0, 255
        )
        return functional.linear(value, on_grid(self.weight * divisor), self.bias)

    def settle(self) -> None:
        """Fix the grid of the input from what was observed; zero is a point of it."""
        size = torch.maximum(-self.lowest, self.highest).clamp(min=1e-3)
        divisor = (size / size.log().mean().exp()) ** EVENNESS
        low, high = float((self.lowest / divisor).min()), float((self.highest / divisor).max())
        scale = (high - low) / 255
        self.observing, self.grid = False, Grid(scale, round(-low / scale), divisor.numpy())


def on_grid(weight: Tensor) -> Tensor:
    """Dense weights moved to the grid of their row."""
    scale = weight.detach().abs().amax(1).clamp(min=1e-12) / WEIGHT_LIMIT
    zero = torch.zeros(len(scale), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -WEIGHT_LIMIT, WEIGHT_LIMIT)


def prepare(model: nn.Module) -> dict[str, GridLinear]:
    """Make the dense layers of the encoder GridLinear, plain for the moment, and return them by name; move the word
    vectors, which are not trained, to their grid at once."""
    layers: dict[str, GridLinear] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear) and ".encoder." in name:
            layer.__class__ = GridLinear
            assert isinstance(layer, GridLinear)
            layer.start()
            layers[name] = layer
    words = model.get_parameter("bert.embeddings.word_embeddings.weight")
    with torch.no_grad():
        scale = words.abs().amax(1, keepdim=True).clamp(min=1e-12) / WORD_LIMIT
        words.copy_((words / scale).round() * scale)
    words.requires_grad_(False)
    return layers


def bake(layers: dict[str, GridLinear]) -> dict[str, Grid]:
    """Leave the weights on their grid for good, make the layers plain again and return the grids of their inputs."""
    grids: dict[str, Grid] = {}
    for name, layer in layers.items():
        assert layer.grid is not None
        grids[name], layer.grid = layer.grid, None
        divisor = torch.from_numpy(grids[name].divisor)
        with torch.no_grad():
            layer.weight.copy_(on_grid(layer.weight * divisor) / divisor)
    return grids
