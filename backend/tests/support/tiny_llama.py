"""A language model of half a megabyte, made in a moment, with which real llama.cpp writes readable answers.

The weights are not learnt. A word's embedding is an axis of its own, and the output reads from that axis which word
comes next, so that greedy decoding says `SENTENCE` and stops; sampling wanders, and `ignore_eos` never ends. Attention
and feed-forward layers are noise, too weak to change that. Where a grammar forbids the words, brackets and quotes
close as soon as they may, so that answers to a JSON schema are whole and short; where it may not end without calling
a function, it calls one.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support.gguf import Value, write_gguf

SENTENCE = "the quick brown fox jumps over a lazy dog and then it sleeps well until dawn."
"""What it says when asked for the likeliest words (temperature 0), whatever the prompt."""

WORDS = tuple(SENTENCE.removesuffix(".").split())

TEMPLATE = """\
{%- if tools %}
{{- '<|im_start|>system\\nYou may call functions.\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
{{- '\\n</tools>\\nCall one as <tool_call>\\n{"name": <name>, "arguments": <arguments>}\\n</tool_call><|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'assistant' %}
{{- '<|im_start|>assistant' }}
{%- if message.content %}{{- '\\n' + message.content }}{%- endif %}
{%- for call in message.tool_calls %}
{{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""

_UNKNOWN, _START, _END = "<unk>", "<|im_start|>", "<|im_end|>"
_PARAGRAPH, _CALL, _NEWLINE = "\n\n", "<tool_call>", "<0x0A>"
_NORMAL, _UNKNOWN_KIND, _CONTROL, _BYTE = 1, 2, 3, 6
_SPACE = "▁"
_WIDTH, _HEADS, _INNER, _LAYERS = 64, 4, 128, 2
_CONSTANT_AXIS = 0
_CONSTANT = 1.0
_LIKELY, _POSSIBLE = 3.0, 2.8
_CLOSERS = {'"': 0.4, "}": 0.6, "]": 0.6, "0": 0.3}


def write_tiny_llama(path: Path, context_tokens: int = 1 << 17) -> Path:
    """Write the model; the same bytes every time. Gives the path."""
    tokens, kinds = _vocabulary()
    metadata: dict[str, Value] = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "llama.context_length": context_tokens,
        "llama.embedding_length": _WIDTH,
        "llama.block_count": _LAYERS,
        "llama.feed_forward_length": _INNER,
        "llama.rope.dimension_count": _WIDTH // _HEADS,
        "llama.attention.head_count": _HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [float(-index) for index in range(len(tokens))],
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.unknown_token_id": tokens.index(_UNKNOWN),
        "tokenizer.ggml.bos_token_id": tokens.index(_START),
        "tokenizer.ggml.eos_token_id": tokens.index(_END),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": TEMPLATE,
    }
    write_gguf(path, metadata, _tensors(tokens))
    return path


def _vocabulary() -> tuple[list[str], list[int]]:
    characters = [chr(code) for code in range(33, 127)]
    words = [WORDS[0], *(_SPACE + word for word in WORDS[1:])]
    entries = [
        (_UNKNOWN, _UNKNOWN_KIND),
        *((f"<0x{code:02X}>", _BYTE) for code in range(256)),
        *((character, _NORMAL) for character in (*characters, _SPACE)),
        *((word, _NORMAL) for word in (*words, _PARAGRAPH, _CALL) if word not in characters),
        (_START, _CONTROL),
        (_END, _CONTROL),
    ]
    return [token for token, _ in entries], [kind for _, kind in entries]


def _tensors(tokens: list[str]) -> dict[str, NDArray[np.float32]]:
    noise = np.random.RandomState(0)  # its numbers are promised never to change

    def weak(*shape: int) -> NDArray[np.float32]:
        return noise.normal(0, 0.01, shape).astype(np.float32)

    embedding, output = _embedding_and_output(tokens)
    tensors = {
        "token_embd.weight": embedding,
        "output_norm.weight": np.ones(_WIDTH, np.float32),
        "output.weight": output,
    }
    for layer in range(_LAYERS):
        block = f"blk.{layer}."
        for norm in ("attn_norm", "ffn_norm"):
            tensors[f"{block}{norm}.weight"] = np.ones(_WIDTH, np.float32)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors[f"{block}{name}.weight"] = weak(_WIDTH, _WIDTH)
        tensors |= {
            f"{block}ffn_gate.weight": weak(_INNER, _WIDTH),
            f"{block}ffn_up.weight": weak(_INNER, _WIDTH),
            f"{block}ffn_down.weight": weak(_WIDTH, _INNER),
        }
    return tensors


def _embedding_and_output(tokens: list[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both of shape (tokens, width): what a token puts on the axes, and how much each token likes an axis."""
    embedding = np.zeros((len(tokens), _WIDTH), np.float32)
    output = np.zeros((len(tokens), _WIDTH), np.float32)
    embedding[:, _CONSTANT_AXIS] = _CONSTANT
    for closer, likes in _CLOSERS.items():
        output[tokens.index(closer), _CONSTANT_AXIS] = likes
    said = [WORDS[0], *(_SPACE + word for word in WORDS[1:]), "."]
    chain = [*zip(said, [*said[1:], _END], strict=True), (_PARAGRAPH, _CALL), (_CALL, _NEWLINE), (">", _END)]
    for axis, (token, following) in enumerate(chain, _CONSTANT_AXIS + 1):
        embedding[tokens.index(token), axis] = _CONSTANT
        output[tokens.index(following), axis] = _LIKELY
        if token in said[:-1]:
            for other in said[1:-1:5]:
                likes = output[tokens.index(other)]
                likes[axis] = max(likes[axis], _POSSIBLE)
    full_stop = said.index(".") + _CONSTANT_AXIS + 1
    output[tokens.index(_PARAGRAPH), full_stop] = 2.2  # it may not end: it has to call a function first
    output[tokens.index('"'), full_stop] = 1.6  # nor begin a paragraph: it is inside a text of JSON
    output[tokens.index(WORDS[0]), _CONSTANT_AXIS] = 1.0  # whatever else was said last, the sentence begins
    return embedding, output
