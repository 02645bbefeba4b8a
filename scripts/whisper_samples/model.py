"""Whisper's architecture in plain torch; training only pays for the positions that hold audio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, gelu, scaled_dot_product_attention

from whisper_samples.vocabulary import TIMESTAMP_COUNT


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; the rest is Whisper's."""

    width: int = 128
    heads: int = 4
    layers: int = 2
    feed_forward: int = 512
    mels: int = 80
    source_positions: int = 1500
    target_positions: int = 448
    dropout: float = 0.05


ALIGNMENT_HEADS = (0, 1)
"""Heads of the last decoder layer that are trained to look at the word that is being written."""


def sinusoids(length: int, width: int) -> Tensor:
    """Whisper's position encodings: sines, then cosines, over geometric time scales."""
    scales = torch.exp(-math.log(10000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(length)[:, None] * scales[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Attention(nn.Module):
    """Multi-head attention with an additive bias per key; the keys' projection has none, as in Whisper."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.query = nn.Linear(shape.width, shape.width)
        self.key = nn.Linear(shape.width, shape.width, bias=False)
        self.value = nn.Linear(shape.width, shape.width)
        self.out = nn.Linear(shape.width, shape.width)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.heads, x.shape[-1] // self.heads).transpose(1, 2)

    def forward(
        self, x: Tensor, memory: Tensor, bias: Tensor, *, weights: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Returns the output and, if asked for, the weights [batch, head, query, key]."""
        q, k, v = self._split(self.query(x)), self._split(self.key(memory)), self._split(self.value(memory))
        if weights:
            attention = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias).softmax(-1)
            mixed = attention @ v
        else:
            attention = x.new_empty(0)
            mixed = scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.out(mixed.transpose(1, 2).flatten(-2)), attention


class Layer(nn.Module):
    """One pre-norm transformer layer, with cross-attention in a decoder."""

    def __init__(self, shape: Shape, *, cross: bool) -> None:
        super().__init__()
        self.self_norm, self.self_attention = nn.LayerNorm(shape.width), Attention(shape)
        self.cross = cross
        if cross:
            self.cross_norm, self.cross_attention = nn.LayerNorm(shape.width), Attention(shape)
        self.feed_norm = nn.LayerNorm(shape.width)
        self.feed_in = nn.Linear(shape.width, shape.feed_forward)
        self.feed_out = nn.Linear(shape.feed_forward, shape.width)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(
        self,
        x: Tensor,
        bias: Tensor,
        memory: Tensor | None = None,
        memory_bias: Tensor | None = None,
        *,
        weights: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Returns the output and the cross-attention weights if asked for."""
        normed = self.self_norm(x)
        x = x + self.dropout(self.self_attention(normed, normed, bias)[0])
        attention = x.new_empty(0)
        if self.cross and memory is not None and memory_bias is not None:
            mixed, attention = self.cross_attention(self.cross_norm(x), memory, memory_bias, weights=weights)
            x = x + self.dropout(mixed)
        x = x + self.dropout(self.feed_out(gelu(self.feed_in(self.feed_norm(x)))))
        return x, attention


def _stack(shape: Shape, *, cross: bool) -> Sequence[Layer]:
    # A ModuleList, said to be what it holds.
    return cast("Sequence[Layer]", nn.ModuleList(Layer(shape, cross=cross) for _ in range(shape.layers)))


class Encoder(nn.Module):
    """Mel frames to one vector per 20 ms."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(shape.mels, shape.width, 3, padding=1)
        self.conv2 = nn.Conv1d(shape.width, shape.width, 3, stride=2, padding=1)
        self.positions: Tensor
        self.register_buffer("positions", sinusoids(shape.source_positions, shape.width))
        self.layers: Sequence[Layer] = _stack(shape, cross=False)
        self.norm = nn.LayerNorm(shape.width)

    def forward(self, mels: Tensor, stand_ins: Tensor, bias: Tensor) -> Tensor:
        """Encodes the real positions and a few stand-ins for the padding behind them.

        mels: [batch, mel, frame]. stand_ins: [batch, n] positions of padding to compute.
        bias: [batch, 1, 1, key] over the real positions and then the stand-ins; for a stand-in, the
        logarithm of how many positions it stands for.
        """
        x = gelu(self.conv2(gelu(self.conv1(mels)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        # Features of padding are 0.0, so all its positions look alike but for their encoding.
        blank = gelu(self.conv2(gelu(self.conv1(mels.new_zeros(1, mels.shape[1], 8)))))[0, :, 2]
        x = torch.cat([x, blank + self.positions[stand_ins]], dim=1)
        for layer in self.layers:
            x, _ = layer(x, bias)
        encoded: Tensor = self.norm(x)
        return encoded


class Decoder(nn.Module):
    """Token ids and the encoder's output to the logits of the next token."""

    def __init__(self, shape: Shape, vocabulary_size: int) -> None:
        super().__init__()
        text_size = vocabulary_size - TIMESTAMP_COUNT
        self.text_embedding = nn.Parameter(torch.randn(text_size, shape.width) * 0.05)
        # While training, timestamps and positions are linear maps of sinusoids: neighbours teach each other.
        self.clock: Tensor
        self.places: Tensor
        self.register_buffer("clock", sinusoids(TIMESTAMP_COUNT, shape.width))
        self.timestamp_map = nn.Linear(shape.width, shape.width)
        self.register_buffer("places", sinusoids(shape.target_positions, shape.width))
        self.place_map = nn.Linear(shape.width, shape.width, bias=False)
        for module in (self.timestamp_map, self.place_map):
            nn.init.normal_(module.weight, std=0.05 / math.sqrt(shape.width / 2) * 4)
        self.layers: Sequence[Layer] = _stack(shape, cross=True)
        self.norm = nn.LayerNorm(shape.width)

    def table(self) -> Tensor:
        """The whole embedding [token, width], also the output projection."""
        return torch.cat([self.text_embedding, self.timestamp_map(self.clock)])

    def position_embedding(self) -> Tensor:
        """The embedding of the decoder's positions."""
        positions: Tensor = self.place_map(self.places)
        return positions

    def forward(
        self, ids: Tensor, memory: Tensor, memory_bias: Tensor, wanted: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns the logits [n, vocabulary] of the n wanted places, and the last layer's cross-attention.

        wanted: [batch, token], true where the next token matters: the projection is dear, prompts are long.
        """
        table = self.table()
        length = ids.shape[1]
        x = embedding(ids, table) + self.position_embedding()[:length]
        causal = torch.full((length, length), -math.inf).triu(1)
        attention = x.new_empty(0)
        for index, layer in enumerate(self.layers):
            last = index + 1 == len(self.layers)
            x, attention = layer(x, causal, memory, memory_bias, weights=last)
        return self.norm(x[wanted]) @ table.T, attention


class Whisper(nn.Module):
    """Encoder, decoder, and a head that names the word of each 20 ms, which is dropped at export."""

    def __init__(self, shape: Shape, vocabulary_size: int, word_count: int) -> None:
        super().__init__()
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape, vocabulary_size)
        self.word_head = nn.Linear(shape.width, word_count + 1)
