"""Trains the checkpoint from nothing on one CPU core: python -m whisper_samples.train --out FOLDER."""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from whisper_samples.data import Batch, Batches
from whisper_samples.model import ALIGNMENT_HEADS, Shape, Whisper
from whisper_samples.vocabulary import Vocabulary

FINAL_RATE = 2e-5
WARM_UP_STEPS = 100
FRAME_WEIGHT, ALIGN_WEIGHT = 0.5, 0.3
CHECKPOINT_STEPS = 200


def compute_losses(model: Whisper, batch: Batch, word_starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of the text, and two that stand in for pre-training: words of frames, attention on words."""
    memory = model.encoder(batch.mels, batch.stand_ins, batch.bias)
    wanted = batch.target_weights.sum(-1) > 0
    logits, attention = model.decoder(
        batch.ids, torch.cat([memory, memory]), torch.cat([batch.bias, batch.bias]), wanted
    )
    log_odds = logits.log_softmax(-1)
    chosen = (log_odds.gather(-1, batch.target_ids[wanted]) * batch.target_weights[wanted]).sum(-1)
    spread = log_odds[:, word_starts].mean(-1) * batch.spread[wanted]
    text = -(chosen + spread).sum() / batch.target_weights.sum()
    real = batch.frame_words.shape[1]
    frames = cross_entropy(model.word_head(memory[:, :real]).flatten(0, 1), batch.frame_words.flatten())
    return text, frames, _off_word(attention, batch.align_from)


def _off_word(attention: Tensor, spans: Tensor) -> Tensor:
    """Minus the log of the attention that the alignment heads pay to the span of the word being written."""
    heads = attention[:, list(ALIGNMENT_HEADS)]
    places = torch.arange(attention.shape[-1])
    inside = (places >= spans[..., :1]) & (places <= spans[..., 1:])
    paid = (heads * inside[:, None]).sum(-1).clamp_min(1e-6).log().mean(1)
    counted = spans[..., 0] >= 0
    return -(paid * counted).sum() / counted.sum().clamp_min(1)


def get_learning_rate(done: float, step: int, peak: float) -> float:
    """Learning rate: a short rise, then half a cosine; `done` is the share of the budget that is used up."""
    cosine = FINAL_RATE + (peak - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return min(1.0, (step + 1) / WARM_UP_STEPS) * cosine


@dataclass(frozen=True)
class Plan:
    """How long to train and how."""

    out: Path
    steps: int
    minutes: float
    rate: float
    seed: int
    width: int
    resume: Path | None


def train(plan: Plan) -> None:
    """Trains until the steps or the minutes of the plan are used up; writes checkpoints on the way."""
    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)
    vocabulary = Vocabulary()
    shape = Shape(width=plan.width, feed_forward=plan.width * 4)
    model = Whisper(shape, vocabulary.size, len(vocabulary.words))
    if plan.resume is not None:
        model.load_state_dict(torch.load(plan.resume, weights_only=True))
    word_starts = torch.tensor(vocabulary.word_starts)
    optimiser = torch.optim.AdamW(model.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.01)
    print(f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.2f} M parameters", flush=True)
    # The loader's process makes the next batches while this one learns.
    batches = DataLoader(Batches(plan.seed), batch_size=None, num_workers=1, prefetch_factor=8)
    plan.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    means = torch.zeros(3)
    for step, batch in enumerate(batches):
        done = max(step / plan.steps, (time.monotonic() - began) / 60 / plan.minutes)
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = get_learning_rate(done, step, plan.rate)
        parts = compute_losses(model, cast("Batch", batch), word_starts)
        loss = parts[0] + FRAME_WEIGHT * parts[1] + ALIGN_WEIGHT * parts[2]
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} at step {step}")
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        means = 0.95 * means + 0.05 * torch.stack(parts).detach()
        if step % 25 == 0:
            text, frames, align = (means / (1 - 0.95 ** (step + 1))).tolist()
            print(
                f"step {step} {time.monotonic() - began:.0f} s cpu {time.process_time():.0f} s "
                f"text {text:.3f} frames {frames:.3f} align {align:.3f}",
                flush=True,
            )
        if step % CHECKPOINT_STEPS == 0:
            torch.save(model.state_dict(), plan.out / "latest.pt")
    torch.save(model.state_dict(), plan.out / "final.pt")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for latest.pt and final.pt")
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--minutes", type=float, default=30.0, help="wall-clock limit")
    parser.add_argument("--rate", type=float, default=2.5e-3, help="highest learning rate")
    parser.add_argument("--resume", type=Path, help="checkpoint to go on from, with a schedule of its own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=128)
    arguments = parser.parse_args()
    train(Plan(**vars(arguments)))


if __name__ == "__main__":
    main()
