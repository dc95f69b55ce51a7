"""Who is at the keyboard, as the audit log names people: `user@host`."""

from __future__ import annotations

import getpass
import socket


def at_keyboard() -> str:
    """`user@host`; a number in place of the name where the system knows none (containers)."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        import os

        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
