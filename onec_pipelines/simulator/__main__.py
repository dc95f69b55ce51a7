"""`python -m onec_pipelines.simulator`: serve until interrupted.

The first line of output is JSON with the addresses.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

from onec_pipelines.simulator import commands
from onec_pipelines.simulator.options import OptionError, Options, from_arguments
from onec_pipelines.simulator.server import serve


def main(arguments: list[str] | None = None) -> int:
    """Run the simulator, or a command to a running one; returns the exit code.

    2 for bad options, 1 when the port is taken.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in commands.COMMANDS:
        return commands.main(given[0], given[1:])
    options = from_arguments(given)
    try:
        asyncio.run(_run(options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 0
    except OptionError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"cannot listen on {options.host}:{options.port}: {error}\n")
        return 1
    return 0


async def _run(options: Options) -> None:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await serve(options, _announce)


def _announce(addresses: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(addresses, ensure_ascii=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
