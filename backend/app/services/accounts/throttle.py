"""A limit on guesses: a few attempts in a row, then one at a time. It has no clock of its own."""

from ipaddress import IPv6Address, ip_address

MAX_KEYS = 10_000
"""Names or addresses remembered at the same time."""


class Throttle:
    """Allows `tries` attempts in a row for each key, then one every `window_s / tries`.

    It stores one number for each key: the time at which all its attempts are paid off (the generic cell rate
    algorithm of ATM Forum TM 4.0). Count an attempt before its outcome is known, so that a thousand attempts at once
    do not all pass, and give it back if it succeeds.
    """

    def __init__(self, tries: int, window_s: float, max_keys: int = MAX_KEYS) -> None:
        self._each_s = window_s / tries
        self._burst_s = window_s
        self._max_keys = max_keys
        self._paid_by: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._paid_by)

    def wait_s(self, key: str, now_s: float) -> float:
        """Return how long this key has to wait before its next attempt (s); 0 if it need not wait."""
        paid_by = self._paid_by.get(key, now_s)
        wait_s = paid_by + self._each_s - self._burst_s - now_s
        return wait_s if wait_s > 1e-6 else 0.0  # rounding errors of the sums

    def take(self, key: str, now_s: float) -> None:
        """Count an attempt."""
        if key not in self._paid_by:
            self._make_room(now_s)
        self._paid_by[key] = max(self._paid_by.get(key, now_s), now_s) + self._each_s

    def give_back(self, key: str, now_s: float) -> None:
        """Take back the count of an attempt that succeeded."""
        paid_by = self._paid_by.get(key, now_s) - self._each_s
        if paid_by > now_s:
            self._paid_by[key] = paid_by
        else:
            self._paid_by.pop(key, None)

    def _make_room(self, now_s: float) -> None:
        """Forget keys that need not wait, then those with the shortest wait: made-up names push out no guessed name."""
        if len(self._paid_by) < self._max_keys:
            return
        self._paid_by = {key: paid for key, paid in self._paid_by.items() if paid > now_s}
        while len(self._paid_by) >= self._max_keys:
            del self._paid_by[min(self._paid_by, key=self._paid_by.__getitem__)]


def make_address_key(peer: str) -> str:
    """Return the key of a peer: its IPv4 address, or the /64 network that one IPv6 customer has."""
    try:
        address = ip_address(peer)
    except ValueError:
        return peer[:64]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)
