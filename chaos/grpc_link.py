"""A link that knows the calls of gRPC: frames of HTTP/2, each direction's in their order, are what it passes, holds or repeats.

Header blocks of a connection build upon each other, so no call can be cut out of it and sent elsewhere; a copy is one of
all that the connection has sent, on a connection of its own.
"""

import asyncio

from links import HTTP_CHANCE, HTTP_KINDS, Link, abort

PREFACE_BYTES = 24
HEAD_BYTES = 9
DATA, HEADERS, RST_STREAM, CONTINUATION = 0, 1, 3, 9
END_STREAM, END_HEADERS = 1, 4
COPY_BYTES = 256 * 1024  # What a connection has sent is kept for copies up to here.
LINGER_SECONDS = 3  # For how long a call without a caller may work.


class Frame:
    def __init__(self, data):
        self.data = data
        self.kind, self.flags = data[3], data[4]
        self.stream = int.from_bytes(data[5:9], "big") & 0x7FFFFFFF

    @property
    def begins_call(self):
        return self.kind == HEADERS

    @property
    def ends_call(self):
        return self.kind in (DATA, HEADERS) and self.flags & END_STREAM


async def read_frame(reader):
    """One frame; a header block in several is one, since nothing may come between."""
    data = await _read_single(reader)
    if data[3] == HEADERS and not data[4] & END_HEADERS:
        while True:
            more = await _read_single(reader)
            data += more
            if more[3] != CONTINUATION or more[4] & END_HEADERS:
                break
    return Frame(data)


async def _read_single(reader):
    head = await reader.readexactly(HEAD_BYTES)
    return head + await reader.readexactly(int.from_bytes(head[:3], "big"))


class Connection:
    def __init__(self, down, up):
        self.down, self.up = down, up
        self.sent = b""
        self.faults = {}  # Stream -> (kind, amount) that hit it.
        self.held = {}  # Stream -> frames that are held back.


class GrpcLink(Link):
    kinds = HTTP_KINDS

    def __init__(self, *arguments):
        self.late = set()  # What goes on apart from its connection; kept so that it is not collected.
        super().__init__(*arguments)

    async def _serve(self, reader, writer):
        up_reader, up_writer = await self._connect()
        connection = Connection(writer, up_writer)
        try:
            await asyncio.gather(self._carry_calls(reader, connection), self._carry_answers(up_reader, connection))
        finally:
            if not any(kind == "overtaken" for kind, _ in connection.faults.values()):
                up_writer.close()

    async def _carry_calls(self, reader, connection):
        connection.sent = await reader.readexactly(PREFACE_BYTES)
        connection.up.write(connection.sent)
        while True:
            frame = await read_frame(reader)
            if len(connection.sent) <= COPY_BYTES:
                connection.sent += frame.data
            if frame.begins_call:
                self._draw(frame, connection)
            kind, amount = connection.faults.get(frame.stream, (None, 0))
            if kind == "lost-request":
                raise ConnectionAbortedError
            if kind == "overtaken" and frame.ends_call:
                self._later(self._finish(frame, connection, self.dice.uniform(0, amount)))
                raise ConnectionAbortedError
            if kind == "duplicate" and frame.ends_call and len(connection.sent) <= COPY_BYTES:
                self._later(self._copy(connection.sent, self.dice.uniform(0, amount)))
            if frame.kind == RST_STREAM:
                connection.held.pop(frame.stream, None)
            if kind == "reorder" and frame.kind == DATA:
                self._hold(frame, connection, amount)
            else:
                connection.up.write(frame.data)
            await connection.up.drain()

    async def _carry_answers(self, reader, connection):
        while True:
            frame = await read_frame(reader)
            if frame.kind in (DATA, HEADERS) and connection.faults.get(frame.stream, ("",))[0] == "lost-answer":
                raise ConnectionAbortedError
            connection.down.write(frame.data)
            await connection.down.drain()

    def _draw(self, frame, connection):
        if self.fault is not None and self.dice.random() < HTTP_CHANCE:
            self.hit += 1
            connection.faults[frame.stream] = self.fault

    def _hold(self, frame, connection, amount):
        """Behind what is held of the same call already."""
        if frame.stream in connection.held:
            connection.held[frame.stream].append(frame)
            return
        connection.held[frame.stream] = [frame]
        self._later(self._release(frame.stream, connection, self.dice.uniform(0, amount)))

    async def _release(self, stream, connection, seconds):
        await asyncio.sleep(seconds)
        for frame in connection.held.pop(stream, ()):
            connection.up.write(frame.data)

    async def _finish(self, frame, connection, seconds):
        await asyncio.sleep(seconds)
        connection.up.write(frame.data)
        await asyncio.sleep(LINGER_SECONDS)
        connection.up.close()

    async def _copy(self, sent, seconds):
        await asyncio.sleep(seconds)
        reader, writer = await self._connect()
        writer.write(sent)
        try:
            await asyncio.wait_for(reader.read(-1), LINGER_SECONDS)
        except asyncio.TimeoutError:
            pass
        abort(writer)

    def _later(self, work):
        async def quietly():
            try:
                await work
            except OSError:
                pass  # Whoever it was for is gone.

        task = self.loop.loop.create_task(quietly())
        self.late.add(task)
        task.add_done_callback(self.late.discard)
