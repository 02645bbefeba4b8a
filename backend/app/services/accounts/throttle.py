"""How often one may guess: a few tries at once, then one every so often; pure, on the caller's clock."""

from ipaddress import IPv6Address, ip_address

MOST_KEYS = 10_000
"""Names or addresses remembered; one that has waited long enough is forgotten anyhow."""


class Throttle:
    """Allow `tries` in a row for each key, then one every `window_s / tries`.

    One number is kept for each key: the time by which all its tries would be paid for (the generic cell rate
    algorithm of ATM Forum TM 4.0). A try is counted before its outcome is known, so that a thousand at once do not
    all pass; one that succeeds is given back.
    """

    def __init__(self, tries: int, window_s: float, most_keys: int = MOST_KEYS) -> None:
        self._each_s = window_s / tries
        self._burst_s = window_s
        self._most_keys = most_keys
        self._paid_by: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._paid_by)

    def wait_s(self, key: str, now_s: float) -> float:
        """How long until this key may try; 0 if now."""
        paid_by = self._paid_by.get(key, now_s)
        wait_s = paid_by + self._each_s - self._burst_s - now_s
        return wait_s if wait_s > 1e-6 else 0.0  # sums of fractions are never quite even

    def take(self, key: str, now_s: float) -> None:
        """Count a try."""
        if key not in self._paid_by:
            self._make_room(now_s)
        self._paid_by[key] = max(self._paid_by.get(key, now_s), now_s) + self._each_s

    def give_back(self, key: str, now_s: float) -> None:
        """The try was no guess."""
        paid_by = self._paid_by.get(key, now_s) - self._each_s
        if paid_by > now_s:
            self._paid_by[key] = paid_by
        else:
            self._paid_by.pop(key, None)

    def _make_room(self, now_s: float) -> None:
        """Forget who owes nothing, then who owes least: a flood of made-up names frees no guessed one."""
        if len(self._paid_by) < self._most_keys:
            return
        self._paid_by = {key: paid for key, paid in self._paid_by.items() if paid > now_s}
        while len(self._paid_by) >= self._most_keys:
            del self._paid_by[min(self._paid_by, key=self._paid_by.__getitem__)]


def make_address_key(peer: str) -> str:
    """What stands for a peer: its IPv4 address, or the /64 that one IPv6 customer has to himself."""
    try:
        address = ip_address(peer)
    except ValueError:
        return peer[:64]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)
