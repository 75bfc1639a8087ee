"""A bad network between a client and a broker, on loopback: broken, silent, half-closed or slow at a word."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import Any, Self

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_TO_RESET = struct.pack("ii", 1, 0)


class _Pipe:
    """One connection of the client, and the one to the broker that belongs to it."""

    def __init__(self, client: Streams) -> None:
        self.client = client
        self.broker: Streams | None = None
        self.dead = False
        """What either side sends is taken and goes nowhere; what was lost cannot be made up for any more."""

    def writers(self) -> list[asyncio.StreamWriter]:
        return [streams[1] for streams in (self.client, self.broker) if streams is not None]

    def close(self, *, reset: bool = False) -> None:
        self.dead = True
        for writer in self.writers():
            if reset and not writer.is_closing():
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _TO_RESET)
            writer.transport.abort()


class FaultProxy:
    """Passes bytes on to a port, in a thread of its own; a context.

    Attributes
    ----------
    port : int
        Where clients connect.
    accepted : int
        Connections so far.
    piece : int or None
        The most bytes that are passed on at once; None: what comes.
    delay_s : float
        How long each piece is held back.
    """

    def __init__(self, target: int) -> None:
        self.accepted = 0
        self.piece: int | None = None
        self.delay_s = 0.0
        self._target = target
        self._silent = False
        self._pipes: set[_Pipe] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = 0
        self._do(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    # --- the faults

    def reset(self) -> None:
        """Break every connection by RST, on both sides."""
        self._do(self._break())

    def half_close(self) -> None:
        """Tell each client that nothing more will come; the broker takes the connection for alive."""
        self._do(self._half_close())

    @contextlib.contextmanager
    def blackhole(self) -> Iterator[None]:
        """A time in which every connection, old or new, swallows all, and never recovers."""
        self._silent = True
        for pipe in self._pipes:
            pipe.dead = True
        try:
            yield
        finally:
            self._silent = False

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """A time in which there are no connections, and new ones are refused."""
        self._do(self._refuse())
        try:
            yield
        finally:
            self._do(self._listen())

    # --- the thread of the loop

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _break(self) -> None:
        for pipe in self._pipes:
            pipe.close(reset=True)

    async def _half_close(self) -> None:
        for pipe in self._pipes:
            pipe.dead = True
            pipe.client[1].write_eof()

    async def _refuse(self) -> None:
        self._server.close()
        await self._break()

    async def _close(self) -> None:
        await self._refuse()
        while self._pipes:
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        pipe = _Pipe((reader, writer))
        pipe.dead = self._silent
        self._pipes.add(pipe)
        ways: list[tuple[asyncio.StreamReader, asyncio.StreamWriter | None]] = [(reader, None)]
        with contextlib.suppress(OSError):
            if not pipe.dead:
                pipe.broker = await asyncio.open_connection("127.0.0.1", self._target)
                ways = [(reader, pipe.broker[1]), (pipe.broker[0], writer)]
            # Whichever side ends takes the other with it, so that nothing is left of a connection.
            tasks = [asyncio.create_task(self._pass_on(pipe, *way)) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            pipe.close()
            await asyncio.wait(tasks)
        pipe.close()
        self._pipes.discard(pipe)

    async def _pass_on(
        self, pipe: _Pipe, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                size = self.piece or len(data)
                for start in range(0, len(data), size):
                    await asyncio.sleep(self.delay_s)
                    if pipe.dead or writer is None:
                        break
                    writer.write(data[start : start + size])
                    await writer.drain()
