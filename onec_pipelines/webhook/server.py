"""The receiver as a process or a thread: uvicorn, on sockets that nobody holds for long without saying anything."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import uvicorn

from onec_pipelines.errors import Stop
from onec_pipelines.webhook.protocol import HEADER_SECONDS, EventProtocol

if TYPE_CHECKING:
    from starlette.applications import Starlette

KEEP_ALIVE_SECONDS = 5
MOST_CONNECTIONS = 1000
_START_SECONDS = 15.0


class Receiver:
    """One running receiver. `serve` blocks until a signal; the context manager runs it in a thread, for tests and trials."""

    def __init__(
        self, app: Starlette, *, host: str, port: int, header_seconds: float = HEADER_SECONDS
    ) -> None:
        protocol: Any = type("Protocol", (EventProtocol,), {"header_seconds": header_seconds})
        self._config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="on",
            # Whoever sends to us is known by the signature, not by headers of a proxy.
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=10,
        )
        self._server = uvicorn.Server(self._config)
        self._thread: threading.Thread | None = None
        # Bound here, so that a port that is taken is told before anything is started.
        try:
            self._socket = socket.create_server((host, port), backlog=512)
        except OSError as error:
            raise Stop(
                f"cannot listen at {host}:{port} ({error.strerror or type(error).__name__})",
                code="WEBHOOK_ADDRESS",
                remedy="Choose another with ONEC_WEBHOOK_HOST and ONEC_WEBHOOK_PORT.",
            ) from None
        self.host, self.port = self._socket.getsockname()[:2]

    @property
    def url(self) -> str:
        """The root of the receiver."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def serve(self, *, on_ready: Callable[[str], None]) -> None:
        """Serve until SIGINT or SIGTERM; what was received by then is stored and answered."""
        on_ready(self.url)
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="webhooks", daemon=True
        )
        self._thread.start()
        started = threading.Event()
        for _ in range(int(_START_SECONDS / 0.01)):
            if self._server.started:
                return self
            started.wait(0.01)
        raise RuntimeError("the receiver did not start")

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        self._socket.close()
