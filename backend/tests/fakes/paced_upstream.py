"""A fake chat service whose answers are known beforehand and come at a pace that the prompt names."""

from dataclasses import dataclass

from tests.fakes.chat_habits import text_of
from tests.fakes.upstream import FakeUpstream, Reply, Request, chat


@dataclass(frozen=True)
class Pace:
    pieces: int
    piece_chars: int
    pause_s: float


PACES = {
    "short": Pace(8, 16, 0.01),  # over before most of what a test does to its server
    "brisk": Pace(80, 40, 0.01),
    "slow": Pace(400, 12, 0.04),  # 300 characters a second: saved because it is old
    "fast": Pace(400, 80, 0.02),  # 4000 characters a second: saved because it is much
}


def pace_of(prompt: str) -> Pace:
    """The one that the prompt's last word names."""
    return PACES.get(prompt.rpartition(" ")[2], PACES["short"])


def answer_to(prompt: str) -> list[str]:
    """The pieces of the answer to a prompt; no two places of it read the same."""
    pace = pace_of(prompt)
    return [f"{prompt} «{n}» ".ljust(pace.piece_chars, "ñ")[-pace.piece_chars :] for n in range(pace.pieces)]


class PacedUpstream(FakeUpstream):
    """Answers the last message of a conversation with `answer_to`."""

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET":
            return self.models
        prompt = text_of(request.json["messages"][-1]).rpartition("\n\n")[2]
        return chat(*answer_to(prompt), pause_s=pace_of(prompt).pause_s)
