"""A TCP proxy between a process and PostgreSQL: a network that is cut, silent, or fails at a COMMIT."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

_BLOCK = 64 * 1024
_COMMIT = b"COMMIT\x00"  # the end of a simple query
T = TypeVar("T")


class Network:
    """The thread of the proxies; connections wait in it, none needs a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(_end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it in the thread, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)


async def _end_tasks() -> None:
    """Let every connection end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # dropped connections are closed in the next turn


class Proxy:
    """Forwards connections to a port of this machine; ``port`` is its own.

    cuts  how the next COMMITs fail: "before" (the server never gets it), "after" (the answer gets lost), or
          "silent" (as after, and the connection stays open); ``made_cuts`` counts them
    """

    def __init__(self, network: Network, target: int) -> None:
        self._network = network
        self._target = target
        self._links: set[_Link] = set()
        self._refuses = False
        self._flows = asyncio.Event()
        self._flows.set()
        self.cuts: list[str] = []
        self.made_cuts: Counter[str] = Counter()
        self._server = network.run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def url(self, url: str) -> str:
        """The URL of a database, through this proxy."""
        return url.replace(f":{self._target}/", f":{self.port}/")

    def close(self) -> None:
        """Accept nothing more, and drop what is open."""
        self._network.run(self._close())

    async def _close(self) -> None:
        await self._set(refuses=True, flows=True)
        self._server.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Drop all connections, and every new one, until ``mend``."""
        self._network.run(self._set(refuses=True, flows=True))

    def hold(self) -> None:
        """Let nothing through, without an error, until ``mend``."""
        self._network.run(self._set(refuses=False, flows=False))

    def silence(self) -> None:
        """Let nothing more through on the connections of now, which stay open; new ones work."""
        self._network.run(self._silence())

    async def _silence(self) -> None:
        for link in self._links:
            link.is_silent = True

    def mend(self, *, drops: bool = False) -> None:
        """Work again; with ``drops`` the connections until now are lost."""
        self.cuts.clear()
        self._network.run(self._set(refuses=drops, flows=not drops))
        self._network.run(self._set(refuses=False, flows=True))

    async def _set(self, *, refuses: bool, flows: bool) -> None:
        self._refuses = refuses
        if flows:
            self._flows.set()
        else:
            self._flows.clear()
        for link in list(self._links) if refuses else ():
            link.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._refuses:
                raise ConnectionError
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, writer, server_writer)
        self._links.add(link)
        pumps = [
            asyncio.ensure_future(link.pump(reader, server_writer, is_request=True)),
            asyncio.ensure_future(link.pump(server_reader, writer, is_request=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.discard(link)
            link.abort()
            for pump in pumps:
                pump.cancel()

    async def flows(self) -> None:
        """Wait while nothing gets through."""
        await self._flows.wait()


class _Link:
    """One connection and that to the server."""

    def __init__(self, proxy: Proxy, *writers: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._writers = writers
        self._loses_answer = False
        self.is_silent = False  # until the client closes it

    def abort(self) -> None:
        """Drop both."""
        for writer in self._writers:
            writer.transport.abort()

    async def pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_request: bool
    ) -> None:
        """Forward one direction until it ends or is cut."""
        try:
            while block := await reader.read(_BLOCK):
                await self._proxy.flows()
                if self.is_silent:
                    continue
                if is_request and _COMMIT in block and self._proxy.cuts:
                    cut = self._proxy.cuts.pop(0)
                    self._proxy.made_cuts[f"connection cut {cut} COMMIT"] += 1
                    if cut == "before":
                        return
                    self.is_silent = cut == "silent"
                    self._loses_answer = True
                elif not is_request and self._loses_answer:
                    return
                writer.write(block)
                await writer.drain()
        except OSError:
            return
