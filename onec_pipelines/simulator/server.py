"""The simulator as a running thing: in this process, in a thread of it, or in a process of its own.

`with Simulator.start_process(products=1000) as sim:` gives `sim.url`, `sim.user`, `sim.password`,
`sim.control_url`.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from onec_pipelines.simulator import assemble
from onec_pipelines.simulator.control import Control
from onec_pipelines.simulator.http import serve_connection
from onec_pipelines.simulator.options import Options, build, to_arguments
from onec_pipelines.simulator.service import Service
from onec_pipelines.simulator.source import Data

_LINE_LIMIT = 1 << 20
_START_SECONDS = 120.0
_STOP_SECONDS = 10.0


async def serve(options: Options, ready: Callable[[dict[str, Any]], None], data: Data | None = None) -> None:
    """Serve until cancelled; `ready` gets the addresses and the service once both sockets listen."""
    base = assemble.build(options, data)
    service = Service(base, options)
    control = Control(service)

    async def on_data(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_connection(reader, writer, service.handle)

    async def on_control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_connection(reader, writer, control.handle)

    main = await asyncio.start_server(on_data, options.host, options.port, limit=_LINE_LIMIT, backlog=512)
    side = await asyncio.start_server(on_control, options.host, 0, limit=_LINE_LIMIT)
    try:
        port = main.sockets[0].getsockname()[1]
        control_port = side.sockets[0].getsockname()[1]
        public = options.public_url or f"http://{options.host}:{port}"
        ready(
            {
                "url": f"{public}/{options.publication}/odata/standard.odata",
                "control_url": f"http://{options.host}:{control_port}",
                "user": options.user,
            }
        )
        await asyncio.Event().wait()
    finally:
        main.close()
        side.close()


class Simulator:
    """A running simulator; leaving the `with` block stops it.

    Make one with `start_process` or `start_thread`.
    """

    def __init__(
        self, addresses: dict[str, Any], options: Options, *, pid: int, stop: Callable[[], None]
    ) -> None:
        self.url: str = addresses["url"]
        self.control_url: str = addresses["control_url"]
        self.user = options.user
        self.password = options.password
        self.options = options
        self.pid = pid
        self._stop = stop

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it and wait until it is gone."""
        self._stop()

    @classmethod
    def start_process(cls, **options: Any) -> Simulator:
        """Start in a process of its own.

        Raises OptionError for unknown options and RuntimeError if it does not start.
        """
        made = build(options)
        command = [sys.executable, "-m", "onec_pipelines.simulator", *to_arguments(made)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module
        line = process.stdout.readline() if process.stdout is not None else ""

        def stop() -> None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()

        if not line:
            stop()
            raise RuntimeError(f"the simulator ended with code {process.returncode} before it was ready")
        return cls(json.loads(line), made, pid=process.pid, stop=stop)

    @classmethod
    def start_thread(cls, data: Data | None = None, **options: Any) -> Simulator:
        """Start in a thread of this process, on given data if there is some; for quick tests."""
        made = build(options)
        runner = _Thread(made, data)
        return cls(runner.start(), made, pid=0, stop=runner.stop)


class _Thread:
    def __init__(self, options: Options, data: Data | None) -> None:
        self._options = options
        self._data = data
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._addresses: dict[str, Any] = {}
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="onec-simulator", daemon=True)

    def start(self) -> dict[str, Any]:
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise RuntimeError("the simulator did not start in time")
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self._addresses

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(serve(self._options, self._on_ready, self._data))
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except (OSError, ValueError) as error:
            self._error = error
            self._ready.set()
        finally:
            self._close()

    def _close(self) -> None:
        pending = asyncio.all_tasks(self._loop)
        for task in pending:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _on_ready(self, addresses: dict[str, Any]) -> None:
        self._addresses = addresses
        self._ready.set()

    def stop(self) -> None:
        if self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(_STOP_SECONDS)
