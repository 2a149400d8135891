"""The name under which a customer is kept: the same that the data plane gives (promise 12)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Final

#: Bytes of a hash, and the most of the house's key that are used.
SIZE: Final = 8
_KEY: Final = 64


def hasher(hash_key: str) -> Callable[[bytes], str]:
    """The keyed hash of a customer key: 16 hex digits."""
    make = partial(blake2b, digest_size=SIZE, key=hash_key.encode()[:_KEY])

    def hashed(key: bytes) -> str:
        return make(key).hexdigest()

    return hashed
