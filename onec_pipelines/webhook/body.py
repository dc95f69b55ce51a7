"""A request's body under a cap of bytes, counted while it comes, and a deadline for the whole of it."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

MOST_BYTES = 256 * 1024
DEADLINE_SECONDS = 5.0


class TooLarge(Exception):
    """More bytes than the cap."""


class TooSlow(Exception):
    """The body was not whole in time."""


class Gone(Exception):
    """The sender hung up in the middle."""


async def read_body(
    request: Request, *, most_bytes: int = MOST_BYTES, deadline_seconds: float = DEADLINE_SECONDS
) -> bytes:
    """The raw bytes. Raises TooLarge, TooSlow or Gone; what a sender announces is believed only against it."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise TooLarge
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(deadline_seconds):
            async for part in request.stream():
                size += len(part)
                if size > most_bytes:
                    raise TooLarge
                parts.append(part)
    except TimeoutError:
        raise TooSlow from None
    except ClientDisconnect:
        raise Gone from None
    return b"".join(parts)
