"""What a check of an installation finds: a state, a sentence, and what to do."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `prompter doctor`. It never holds a secret."""

    check: str
    """What was looked at: `port`, `database`, …"""
    state: State
    """`problem`: the server does not start, does not work or loses data; `warning`: it works, with a flaw."""
    message: str
    advice: str = ""
    """What to do; empty where there is nothing to do."""


def report_ok(check: str, message: str) -> Finding:
    return Finding(check=check, state="ok", message=message)


def report_warning(check: str, message: str, advice: str) -> Finding:
    return Finding(check=check, state="warning", message=message, advice=advice)


def report_problem(check: str, message: str, advice: str) -> Finding:
    return Finding(check=check, state="problem", message=message, advice=advice)
