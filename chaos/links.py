"""Fault proxies: every byte between two processes goes through a link, which can be told to misbehave.

`TcpLink` knows bytes and connections, `HttpLink` requests and answers. All of them live on one event loop,
in a thread of its own; `inject` and `heal` may be called from any thread.
"""

import asyncio
import random
import socket
import struct
import threading

PIECE_BYTES = 64 * 1024
SLICE_BYTES = 16  # At most, of one piece of a link that slices.
UP, DOWN = "up", "down"  # From whoever connects, and back to it.

# What each kind does until it is healed. `amount` is the kind's own measure.
TCP_KINDS = {
    "delay": "every piece takes `amount` seconds longer",
    "bandwidth": "`amount` bytes a second",
    "slice": "pieces of a few bytes",
    "reset": "connections are reset, again and again",
    "half-open": "connections stand, and nothing passes",
    "half-close": "one direction of what is connected is closed",
    "drop-up": "what goes to the server is lost, what comes from it is not",
    "drop-down": "what comes from the server is lost",
}
HTTP_KINDS = {
    "duplicate": "requests come twice, the second one up to `amount` seconds later",
    "reorder": "requests are held back for up to `amount` seconds each, so that they overtake each other",
    "lost-answer": "the request is carried out, its answer is lost",
    "overtaken": "the connection breaks, and the request arrives up to `amount` seconds after that",
    "lost-request": "the connection breaks before the request has arrived",
}
HTTP_CHANCE = 0.4  # That a request is hit.


class Loop:
    """The event loop that all links share."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def call(self, function, *arguments):
        async def once():
            return function(*arguments)
        return self.run(once())

    def close(self):
        self.run(self._end_tasks())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    @staticmethod
    async def _end_tasks():
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def abort(writer):
    """Closes as a crash would, with a reset."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
    writer.transport.abort()


class Link:
    """What both kinds share: a listening port, an upstream, and the fault of the moment."""

    kinds = {}

    def __init__(self, loop, name, upstream, seed=0):
        self.loop, self.name, self.upstream = loop, name, upstream
        self.fault = None  # (kind, amount)
        self.hit = 0  # How much has been misbehaved: pieces, requests or connections.
        self.dice = random.Random(f"{seed}/{name}")
        self.writers = set()
        self.serving = set()  # Tasks, which the event loop knows by a weak reference only: one that waits could be collected.
        self.server = loop.run(asyncio.start_server(self._accept, "127.0.0.1", 0, limit=PIECE_BYTES))
        self.port = self.server.sockets[0].getsockname()[1]

    def inject(self, kind, amount=0.0):
        self.loop.call(self._begin, kind, amount)

    def heal(self):
        self.loop.call(self._end)

    def close(self):
        self.loop.call(self._close)

    def _begin(self, kind, amount):
        assert kind in self.kinds, kind
        self.fault = (kind, amount)

    def _end(self):
        self.fault = None

    def _close(self):
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()

    def is_now(self, *kinds):
        return self.fault is not None and self.fault[0] in kinds

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self.serving.add(task)
        self.writers.add(writer)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            abort(writer)
        except asyncio.CancelledError:
            pass  # The run is over.
        finally:
            self.serving.discard(task)
            self.writers.discard(writer)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _serve(self, reader, writer):
        raise NotImplementedError

    async def _connect(self):
        reader, writer = await asyncio.open_connection(*self.upstream, limit=PIECE_BYTES)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return reader, writer


class TcpLink(Link):
    kinds = TCP_KINDS

    def __init__(self, *arguments):
        self.connections = set()  # (writer down, writer up)
        self.poisoned = set()  # Of these the bytes have a gap: they can not go on.
        super().__init__(*arguments)

    def _begin(self, kind, amount):
        super()._begin(kind, amount)
        if kind == "reset":
            self._reset_all()
        elif kind == "half-close":
            for down, up in list(self.connections):
                self.hit += 1
                one = self.dice.choice((down, up))
                if one.can_write_eof() and not one.transport.is_closing():
                    one.write_eof()

    def _end(self):
        super()._end()
        for pair in list(self.poisoned):
            self._reset(pair)

    def _reset(self, pair):
        self.poisoned.discard(pair)
        for writer in pair:
            abort(writer)

    def _reset_all(self):
        for pair in list(self.connections):
            self.hit += 1
            self._reset(pair)

    async def _serve(self, reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.is_now("reset"):
            self.hit += 1
            abort(writer)
            return
        up_reader, up_writer = await self._connect()
        pair = (writer, up_writer)
        self.connections.add(pair)
        try:
            await asyncio.gather(self._pump(reader, up_writer, UP, pair), self._pump(up_reader, writer, DOWN, pair))
        finally:
            self.connections.discard(pair)
            self.poisoned.discard(pair)
            up_writer.transport.abort() if up_writer.transport.is_closing() else up_writer.close()

    async def _pump(self, reader, writer, direction, pair):
        try:
            while data := await reader.read(PIECE_BYTES):
                await self._pass(data, writer, direction, pair)
            if writer.can_write_eof() and not writer.transport.is_closing():
                writer.write_eof()
        except (OSError, RuntimeError):  # The latter: something came for a half that the link has closed.
            self._reset(pair)

    async def _pass(self, data, writer, direction, pair):
        kind, amount = self.fault or (None, 0)
        if pair in self.poisoned or kind in ("half-open", f"drop-{direction}"):
            self.hit += 1
            self.poisoned.add(pair)
            return
        if kind == "reset":
            self.hit += 1
            self._reset(pair)
            return
        if kind == "delay":
            self.hit += 1
            await asyncio.sleep(amount)
        elif kind == "bandwidth":
            self.hit += 1
            await asyncio.sleep(len(data) / amount)
        elif kind == "slice":
            self.hit += 1
            while len(data) > SLICE_BYTES and self.is_now("slice"):
                cut = self.dice.randint(1, SLICE_BYTES)
                writer.write(data[:cut])
                await writer.drain()
                await asyncio.sleep(0)
                data = data[cut:]
        writer.write(data)
        await writer.drain()


class HttpLink(Link):
    kinds = HTTP_KINDS

    def __init__(self, *arguments):
        self.late = set()  # Copies that are on their way; kept so that they are not collected.
        super().__init__(*arguments)

    async def _serve(self, reader, writer):
        up = None
        try:
            while request := await read_message(reader):
                if up is None:
                    up = await self._connect()
                if not await self._carry(request, writer, up):
                    break
        finally:
            if up is not None:
                up[1].close()

    async def _carry(self, request, writer, up):
        """Whether the connection goes on."""
        kind, amount = self.fault or (None, 0)
        if kind is not None and self.dice.random() >= HTTP_CHANCE:
            kind = None
        self.hit += kind is not None
        if kind == "lost-request":
            abort(writer)
            return False
        if kind == "overtaken":
            self._send_later(request, amount)
            abort(writer)
            return False
        if kind == "reorder":
            await asyncio.sleep(self.dice.uniform(0, amount))
        reader, up_writer = up
        up_writer.write(request)
        await up_writer.drain()
        answer = await read_message(reader)
        if kind == "duplicate":
            self._send_later(request, amount)
        if kind == "lost-answer" or not answer:
            abort(writer)
            return False
        writer.write(answer)
        await writer.drain()
        return not wants_close(request) and not wants_close(answer)

    def _send_later(self, request, seconds):
        task = self.loop.loop.create_task(self._deliver(request, self.dice.uniform(0, seconds)))
        self.late.add(task)
        task.add_done_callback(self.late.discard)

    async def _deliver(self, request, seconds):
        await asyncio.sleep(seconds)
        try:
            reader, writer = await self._connect()
            writer.write(request)
            await read_message(reader)
            writer.close()
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass  # Whoever it was for is gone: the copy is lost.


def field(head, name):
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip().lower()
    return b""


def wants_close(message):
    return field(message.partition(b"\r\n\r\n")[0], b"connection") == b"close"


async def read_message(reader):
    """One whole HTTP/1.1 message as it is on the wire; empty at the end of the stream."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return b""
    if b"chunked" in field(head, b"transfer-encoding"):
        return head + await read_chunks(reader)
    length = int(field(head, b"content-length") or 0)
    return head + await reader.readexactly(length)


async def read_chunks(reader):
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        body += line
        size = int(line.split(b";")[0], 16)
        body += await reader.readexactly(size + 2)
        if size == 0:
            return body
