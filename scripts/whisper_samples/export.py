"""Writes a trained checkpoint as the CTranslate2 folder that faster-whisper loads."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ctranslate2.specs import WhisperSpec
from ctranslate2.specs.common_spec import LayerNormSpec, LinearSpec
from torch import nn

from whisper_samples.model import ALIGNMENT_HEADS, Attention, Layer, Shape, Whisper
from whisper_samples.vocabulary import Vocabulary

QUANTIZATION = "int8_float16"
"""How the weights are stored: matrices as int8, the rest as float16."""
PREPROCESSOR = {
    "feature_size": 80,
    "sampling_rate": 16000,
    "hop_length": 160,
    "chunk_length": 30,
    "n_fft": 400,
}


def _array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    # Contiguous and of its own, as the writer takes the buffer as it lies.
    return np.ascontiguousarray(tensor.detach().float().numpy())


def _bias(conv: nn.Conv1d) -> torch.Tensor:
    assert conv.bias is not None
    return conv.bias


def _norm(spec: LayerNormSpec, module: nn.LayerNorm) -> None:
    spec.gamma, spec.beta = _array(module.weight), _array(module.bias)


def _linear(spec: LinearSpec, *modules: nn.Linear) -> None:
    """Sets one matrix from several that read the same input; a missing bias is zero."""
    spec.weight = _array(torch.cat(tuple(module.weight for module in modules)))
    biases = (torch.zeros(module.out_features) if module.bias is None else module.bias for module in modules)
    spec.bias = _array(torch.cat(tuple(biases)))


def _self_attention(spec: Any, norm: nn.LayerNorm, module: Attention) -> None:
    _norm(spec.layer_norm, norm)
    _linear(spec.linear[0], module.query, module.key, module.value)
    _linear(spec.linear[1], module.out)


def _cross_attention(spec: Any, norm: nn.LayerNorm, module: Attention) -> None:
    _norm(spec.layer_norm, norm)
    _linear(spec.linear[0], module.query)
    _linear(spec.linear[1], module.key, module.value)
    _linear(spec.linear[2], module.out)


def _layer(spec: Any, module: Layer) -> None:
    _self_attention(spec.self_attention, module.self_norm, module.self_attention)
    if module.cross:
        _cross_attention(spec.attention, module.cross_norm, module.cross_attention)
    _norm(spec.ffn.layer_norm, module.feed_norm)
    _linear(spec.ffn.linear_0, module.feed_in)
    _linear(spec.ffn.linear_1, module.feed_out)


def to_spec(model: Whisper, shape: Shape, vocabulary: Vocabulary) -> WhisperSpec:
    """The checkpoint in CTranslate2's terms; the helper head stays behind."""
    spec = WhisperSpec(shape.layers, shape.heads, shape.layers, shape.heads)
    encoder, decoder = model.encoder, model.decoder
    for conv_spec, conv in ((spec.encoder.conv1, encoder.conv1), (spec.encoder.conv2, encoder.conv2)):
        conv_spec.weight, conv_spec.bias = _array(conv.weight), _array(_bias(conv))
    spec.encoder.position_encodings.encodings = _array(encoder.positions)
    _norm(spec.encoder.layer_norm, encoder.norm)
    for layer_spec, layer in zip(spec.encoder.layer, encoder.layers, strict=True):
        _layer(layer_spec, layer)
    embedding = _array(decoder.table())
    if not np.isfinite(embedding).all():
        raise ValueError(
            "the checkpoint holds weights that are not numbers; CTranslate2 would load them silently"
        )
    # The same array twice, so that it is stored once.
    spec.decoder.embeddings.weight = embedding
    spec.decoder.projection.weight = embedding
    spec.decoder.position_encodings.encodings = _array(decoder.position_embedding())
    _norm(spec.decoder.layer_norm, decoder.norm)
    for layer_spec, layer in zip(spec.decoder.layer, decoder.layers, strict=True):
        _layer(layer_spec, layer)
    spec.register_vocabulary(vocabulary.tokens())
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [vocabulary.end]
    spec.config.lang_ids = vocabulary.all_languages
    spec.config.alignment_heads = [[shape.layers - 1, head] for head in ALIGNMENT_HEADS]
    return spec


def export(checkpoint: Path, out: Path) -> None:
    """Reads a checkpoint of train.py and writes the model's folder."""
    vocabulary = Vocabulary()
    weights = torch.load(checkpoint, weights_only=True)
    width = weights["encoder.norm.weight"].shape[0]
    shape = Shape(width=width, feed_forward=width * 4)
    model = Whisper(shape, vocabulary.size, len(vocabulary.words))
    model.load_state_dict(weights)
    spec = to_spec(model.eval(), shape, vocabulary)
    spec.validate()
    spec.optimize(quantization=QUANTIZATION)
    out.mkdir(parents=True, exist_ok=True)
    spec.save(str(out))
    vocabulary.tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    (out / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR) + "\n", encoding="utf-8")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    export(arguments.checkpoint, arguments.out)


if __name__ == "__main__":
    main()
