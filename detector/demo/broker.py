"""An MQTT broker inside this process, on a free loopback port (amqtt; it speaks MQTT 3.1.1)."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from types import TracebackType

from detector.errors import KyoriError


class Broker:
    """Runs from ``with`` to its end.

    Attributes
    ----------
    port : int
        Where it listens, on 127.0.0.1.
    """

    def __init__(self) -> None:
        try:
            import amqtt.broker  # noqa: F401, PLC0415 - an extra: found out here, with a remedy
        except ImportError:
            raise KyoriError(
                "the demo needs a broker of its own; add it with: pip install 'kyori[demo]'"
            ) from None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="demo broker", daemon=True)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except BaseException as error:
            self._failure = error
        finally:
            self._started.set()
            self._loop.close()

    async def _main(self) -> None:
        from amqtt.broker import Broker as Amqtt  # noqa: PLC0415

        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        broker = Amqtt(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await broker.start()
        self._started.set()
        await self._stop.wait()
        await broker.shutdown()

    def __enter__(self) -> Broker:
        self._thread.start()
        self._started.wait(15)
        if self._failure is not None or not self._started.is_set():
            raise KyoriError(f"the demo's broker did not start: {self._failure}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
