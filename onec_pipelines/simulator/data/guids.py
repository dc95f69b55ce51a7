"""Keys and chance without memory: a reversible, keyed map of numbers to GUIDs, and a fast hash of a number.

Nothing here knows the shop, and nothing is secret: it only has to look random and be reproducible.
"""

from __future__ import annotations

from hashlib import blake2b

_BITS = 60
_MASK = (1 << _BITS) - 1
_MASK64 = (1 << 64) - 1
_SHIFT = 31  # at least half of _BITS, so that x ^ (x >> _SHIFT) is its own inverse
_NODE = (1 << 48) - 1
_GUID_LENGTH = 36


def salt(seed: int, name: str) -> int:
    """Give 64 bits that depend on the seed and the name only."""
    return int.from_bytes(blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "big")


def scramble(number: int, key: int) -> int:
    """Give 64 well mixed bits for a number under a key (the finaliser of splitmix64)."""
    mixed = ((number + key) * 0x9E3779B97F4A7C15) & _MASK64
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    return mixed ^ (mixed >> 31)


class Guids:
    """The GUIDs of one entity: number → GUID and back, one to one, for numbers below 2**60.

    Sixty bits of the GUID are a keyed permutation of the number, the rest is a keyed check, so a GUID of
    another entity (or of nobody: a dangling reference) is recognised as foreign. The order of GUIDs says
    nothing.
    """

    def __init__(self, seed: int, entity: str) -> None:
        digest = blake2b(f"{seed}/guid/{entity}".encode(), digest_size=40).digest()
        parts = [int.from_bytes(digest[at : at + 8], "big") for at in range(0, 40, 8)]
        self._flip = parts[0] & _MASK
        self._first = (parts[1] | 1) & _MASK
        self._second = (parts[2] | 1) & _MASK
        self._first_back = pow(self._first, -1, 1 << _BITS)
        self._second_back = pow(self._second, -1, 1 << _BITS)
        self._check = parts[3]
        self._spread = parts[4] | 1

    def make(self, number: int) -> str:
        """Give the GUID of a number: 36 lower-case characters that look like a random (version 4) UUID."""
        mixed = ((number ^ self._flip) * self._first) & _MASK
        mixed ^= mixed >> _SHIFT
        mixed = (mixed * self._second) & _MASK
        mixed ^= mixed >> _SHIFT
        check = ((mixed + self._check) * self._spread) & _MASK64
        check ^= check >> 29
        return "%08x-%04x-4%03x-%04x-%012x" % (  # noqa: UP031 -- this line runs once per key of every page: % is the fastest
            mixed >> 28,
            mixed >> 12 & 0xFFFF,
            mixed & 0xFFF,
            0x8000 | check >> 50,
            check & _NODE,
        )

    def number(self, guid: str) -> int | None:
        """Give the number whose GUID this is, or None if it is not one of this entity's."""
        if len(guid) != _GUID_LENGTH:
            return None
        try:
            mixed = int(guid[:8] + guid[9:13] + guid[15:18], 16)
        except ValueError:
            return None
        mixed ^= mixed >> _SHIFT
        mixed = (mixed * self._second_back) & _MASK
        mixed ^= mixed >> _SHIFT
        found = ((mixed * self._first_back) & _MASK) ^ self._flip
        return found if self.make(found) == guid.lower() else None
