"""cupy.cuda.nccl: sends and receives between ranks, which are processes or threads, checked.

The unique id names a folder, in which each rank listens at a Unix socket; each two ranks have a
connection. When a group of calls ends, each rank tells the others what it sends to them and what it
expects of them, with the data, and waits for what they say. NCCL would return at once, and where
the two do not agree, wait for ever or write beside an array; here both ranks say what is wrong.
"""

import contextlib
import ctypes
import os
import socket
import tempfile
import threading
import time
import types
from multiprocessing.connection import Connection

from . import memory, settings, streams
from .accesses import Operation
from .settings import EmulatorError

UNIQUE_ID_BYTES = 128

NCCL_INT8, NCCL_UINT8, NCCL_INT32, NCCL_UINT32, NCCL_INT64, NCCL_UINT64 = range(6)
NCCL_FLOAT16, NCCL_FLOAT32, NCCL_FLOAT64 = 6, 7, 8
ITEM_BYTES = (1, 1, 4, 4, 8, 8, 2, 4, 8)
TYPES = "int8 uint8 int32 uint32 int64 uint64 float16 float32 float64".split()

ERRORS = {
    4: "NCCL_ERROR_INVALID_ARGUMENT: invalid argument",
    5: "NCCL_ERROR_INVALID_USAGE: invalid usage",
    6: "NCCL_ERROR_REMOTE_ERROR: remote process exited or there was a network error",
}


class NcclError(RuntimeError):
    """As cupy_backends.cuda.libs.nccl.NcclError."""

    def __init__(self, status):
        self.status = status
        super().__init__(f"{ERRORS[status]} (run with NCCL_DEBUG=INFO for details)")


def get_unique_id():
    """A folder for the sockets of the ranks."""
    return os.fsencode(tempfile.mkdtemp(prefix="nccl")).ljust(UNIQUE_ID_BYTES, b"\0")


class _Calls(threading.local):
    """Of each thread of the host: the calls since the outermost groupStart."""

    def __init__(self):
        self.waiting = []


_calls = _Calls()


def groupStart():
    streams.thread.open_groups += 1


def groupEnd():
    if not streams.thread.open_groups:
        raise NcclError(5)
    streams.thread.open_groups -= 1
    if not streams.thread.open_groups:
        calls, _calls.waiting = _calls.waiting, []
        for communicator in {call.communicator for call in calls}:
            communicator._run([call for call in calls if call.communicator is communicator])


class _Call:
    """A send or a receive."""

    def __init__(self, communicator, sends, address, count, datatype, peer, stream):
        if not (0 <= peer < communicator._ranks and count >= 0 and 0 <= datatype < len(TYPES)):
            raise NcclError(4)
        self.communicator, self.sends, self.peer, self.stream = communicator, sends, peer, stream
        self.message = f"{count} {TYPES[datatype]}"
        self.size = count * ITEM_BYTES[datatype]
        self.start, self.end = address, address + self.size
        self.accesses = memory.accesses(address, self.size) if self.size else {}
        if self.accesses is None:
            raise EmulatorError(f"{self} of memory that is not in one array")

    def __str__(self):
        direction = "send to" if self.sends else "receive from"
        return f"{direction} rank {self.peer} of {self.message}"


class NcclCommunicator:
    """The ranks are processes or threads of this machine."""

    def __init__(self, ndev, commId, rank, config=None):
        if not (0 <= rank < ndev and len(commId) == UNIQUE_ID_BYTES):
            raise NcclError(4)
        self._ranks, self._rank = ndev, rank
        folder = commId.rstrip(b"\0")
        self._connections = _connect(folder, ndev, rank)
        with contextlib.suppress(OSError):  # the last one finds it empty
            os.rmdir(folder)

    def rank_id(self):
        return self._rank

    def check_async_error(self):
        pass

    def destroy(self):
        for connection in self._connections.values():
            connection.close()

    abort = destroy

    def send(self, sendbuf, count, datatype, peer, stream):
        self._call(True, sendbuf, count, datatype, peer, stream)

    def recv(self, recvbuf, count, datatype, peer, stream):
        self._call(False, recvbuf, count, datatype, peer, stream)

    def _call(self, sends, address, count, datatype, peer, stream):
        groupStart()  # a call outside of a group is a group of its own
        try:
            _calls.waiting.append(_Call(self, sends, address, count, datatype, peer, stream))
        finally:
            if streams.thread.open_groups == 1:
                groupEnd()
            else:
                streams.thread.open_groups -= 1

    def _run(self, calls):
        """Make the sends and receives of a group."""
        self._check(calls)
        operation = Operation("a group of NCCL calls", streams.at(calls[0].stream))
        for call in calls:
            operation.uses(call.accesses, call.start, call.end, writes=not call.sends)
        peers = sorted({call.peer for call in calls})
        given = {peer: _Share([call for call in calls if call.peer == peer]) for peer in peers}
        for peer, taken in self._exchange(given).items():
            self._compare(given[peer], taken, peer)
            receives = [call for call in calls if call.peer == peer and not call.sends]
            for call, data in zip(receives, taken.data):
                ctypes.memmove(call.start, data, call.size)

    def _check(self, calls):
        """Raise an error for what no rank may call, whatever the others do."""
        if len({call.stream for call in calls}) > 1 or streams.at(calls[0].stream) is None:
            raise EmulatorError("the NCCL calls of a group are not on one stream that there is")
        for call in calls:
            for other in calls:
                overlap = call.start < other.end and other.start < call.end
                if overlap and call is not other and not call.sends:
                    raise EmulatorError(f"{call} overwrites what is in use: {other}")

    def _exchange(self, given):
        """What each peer has given, for what this rank gives it."""
        taken, threads = {}, []
        for peer, share in given.items():
            if peer != self._rank:
                # By threads, because two ranks that both send may both wait for the other to read.
                send = self._connections[peer].send
                threads.append(threading.Thread(target=_unless_gone, args=(send, share)))
                threads[-1].start()
        for peer in given:
            taken[peer] = given[peer] if peer == self._rank else self._receive(peer)
        for thread in threads:
            thread.join()
        return taken

    def _receive(self, peer):
        try:
            if self._connections[peer].poll(settings.nccl_seconds):
                return self._connections[peer].recv()
        except (EOFError, OSError) as error:
            raise NcclError(6) from error
        raise EmulatorError(
            f"rank {self._rank} waits for rank {peer} in a group of NCCL calls, for more than "
            f"{settings.nccl_seconds:g} s: rank {peer} does not call it"
        )

    def _compare(self, given, taken, peer):
        for sender, receiver, sent, received in (
            (self._rank, peer, given.sent, taken.received),
            (peer, self._rank, taken.sent, given.received),
        ):
            if sent != received:
                raise EmulatorError(
                    f"rank {sender} sends {_words(sent)} to rank {receiver}, which receives "
                    f"{_words(received)} in this group of NCCL calls"
                )


class _Share:
    """What one rank says to another in a group: the sizes and types of messages, and the data."""

    def __init__(self, calls):
        self.sent = [call.message for call in calls if call.sends]
        self.received = [call.message for call in calls if not call.sends]
        self.data = [ctypes.string_at(call.start, call.size) for call in calls if call.sends]


def _words(messages):
    return ", then ".join(messages) or "nothing"


def _unless_gone(send, share):
    with contextlib.suppress(OSError):  # the rank finds out when it reads
        send(share)


def _connect(folder, ranks, rank):
    """The connections of a rank with all others; those below it listen for it."""
    connections, deadline = {}, time.monotonic() + settings.nccl_seconds
    with socket.socket(socket.AF_UNIX) as listener:
        own = os.path.join(folder, str(rank).encode())
        listener.bind(own)
        listener.listen(ranks)
        listener.settimeout(settings.nccl_seconds)
        for peer in range(rank):
            connections[peer] = _call_up(os.path.join(folder, str(peer).encode()), deadline)
            connections[peer].send(rank)
        for _ in range(rank + 1, ranks):
            try:
                connection = Connection(listener.accept()[0].detach())
            except TimeoutError:
                raise EmulatorError(f"rank {rank} waits for the other ranks in vain") from None
            connections[connection.recv()] = connection
    os.unlink(own)
    return connections


def _call_up(address, deadline):
    while True:
        channel = socket.socket(socket.AF_UNIX)
        try:
            channel.connect(address)
            return Connection(channel.detach())
        except OSError:  # it does not listen yet
            channel.close()
            if time.monotonic() > deadline:
                raise EmulatorError(f"no rank listens at {os.fsdecode(address)}") from None
            time.sleep(0.01)


PUBLIC = """
    NCCL_INT8 NCCL_UINT8 NCCL_INT32 NCCL_UINT32 NCCL_INT64 NCCL_UINT64 NCCL_FLOAT16 NCCL_FLOAT32
    NCCL_FLOAT64 NcclCommunicator NcclError get_unique_id groupEnd groupStart
""".split()
module = types.ModuleType("cupy.cuda.nccl")
module.available = True
for _name in PUBLIC:
    setattr(module, _name, globals()[_name])
