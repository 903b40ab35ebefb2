"""A client of the daemon's control socket, as the operator, in nothing but Python's standard library.

It is written from `protocol/README.md` alone: frames of a length and canonical CBOR, calls told apart by an id, the first
one `session.hello` with the token. The same framing and calls serve a plugin over QUIC.
"""

import os
import socket
import struct

MAX_FRAME_BYTES = 256 * 1024
MAX_DEPTH = 64
MAX_SAFE = 2**53 - 1


class MooringError(Exception):
    """A refusal of the daemon: `code` is one of the table of errors."""

    def __init__(self, code, message, detail=None):
        super().__init__(f"{code}: {detail or message}")
        self.code = code


def encode(value, depth=0):
    """The one CBOR encoding that a value has."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if value is None:
        return b"\xf6"
    if value is False or value is True:
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_SAFE:
        value = int(value)
    if isinstance(value, int):
        if abs(value) > MAX_SAFE:
            raise ValueError("an integer beyond 2^53 - 1")
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return _shortest(value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode("utf-8")
        return _head(3, len(text)) + text
    if isinstance(value, (list, tuple)):
        return _head(4, len(value)) + b"".join(encode(item, depth + 1) for item in value)
    if isinstance(value, dict):
        # Ordered by length and then by bytes.
        keys = sorted(value, key=lambda key: (len(key.encode("utf-8")), key.encode("utf-8")))
        pairs = (encode(key, depth + 1) + encode(value[key], depth + 1) for key in keys)
        return _head(5, len(value)) + b"".join(pairs)
    raise TypeError(f"{type(value).__name__} has no encoding")


def _head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    for code, form, limit in ((24, ">B", 1 << 8), (25, ">H", 1 << 16), (26, ">I", 1 << 32), (27, ">Q", 1 << 64)):
        if number < limit:
            return bytes([major << 5 | code]) + struct.pack(form, number)
    raise ValueError("a number beyond 64 bits")


def _shortest(value):
    for code, form in ((25, ">e"), (26, ">f"), (27, ">d")):
        try:
            packed = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, packed)[0] == value:
            return bytes([7 << 5 | code]) + packed
    raise ValueError("neither NaN nor infinity is sent")


def decode(data):
    """The value of one frame. Reads what the daemon writes; a daemon that is trusted is not checked for canonical form."""
    value, end = _item(data, 0, 0)
    if end != len(data):
        raise ValueError("bytes behind the value")
    return value


def _item(data, at, depth):
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    first = data[at]
    major, info, at = first >> 5, first & 31, at + 1
    if major == 7:
        if info in (20, 21, 22):
            return {20: False, 21: True, 22: None}[info], at
        form, size = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}[info]
        return struct.unpack(form, data[at : at + size])[0], at + size
    number = info
    if info >= 24:
        size = {24: 1, 25: 2, 26: 4, 27: 8}[info]
        number, at = int.from_bytes(data[at : at + size], "big"), at + size
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major in (2, 3):
        if at + number > len(data):
            raise ValueError("a text that is cut off")
        piece = bytes(data[at : at + number])
        return piece if major == 2 else piece.decode("utf-8"), at + number
    if major == 4:
        items = []
        for _ in range(number):
            item, at = _item(data, at, depth + 1)
            items.append(item)
        return items, at
    if major == 5:
        table = {}
        for _ in range(number):
            key, at = _item(data, at, depth + 1)
            table[key], at = _item(data, at, depth + 1)
        return table, at
    raise ValueError(f"major type {major} is never sent")


class Control:
    """One connection of the operator. Calls are made one after the other."""

    def __init__(self, path, token, timeout=30):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._socket.connect(path)
        self._calls = 0
        self.call("session.hello", {"token": token})

    @classmethod
    def of(cls, run_dir):
        """The daemon whose socket and token are in this folder. Only its owner can read them."""
        with open(os.path.join(run_dir, "control.token"), encoding="ascii") as file:
            return cls(os.path.join(run_dir, "daemon.sock"), file.read().strip())

    def call(self, op, values):
        """Asks for one operation and answers its output. Raises `MooringError` with the code of a refusal."""
        self._calls += 1
        self._send({"t": "call", "id": self._calls, "op": op, "input": values})
        while True:
            answer = self._receive()
            if answer["t"] == "error" and answer["id"] in (0, self._calls):
                raise MooringError(answer["code"], answer["message"], answer.get("detail"))
            if answer["t"] == "result" and answer["id"] == self._calls:
                return answer["output"]

    def close(self):
        self._socket.close()

    def _send(self, frame):
        body = encode(frame)
        if len(body) > MAX_FRAME_BYTES:
            raise ValueError("a frame has at most 256 KiB")
        length, number = b"", len(body)
        while number >= 0x80:
            length, number = length + bytes([number & 0x7F | 0x80]), number >> 7
        self._socket.sendall(length + bytes([number]) + body)

    def _receive(self):
        number, shift = 0, 0
        while True:
            (byte,) = self._exactly(1)
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 21:
                raise ValueError("a length has at most four bytes")
        if number > MAX_FRAME_BYTES:
            raise ValueError("a frame has at most 256 KiB")
        return decode(self._exactly(number))

    def _exactly(self, amount):
        data = b""
        while len(data) < amount:
            piece = self._socket.recv(amount - len(data))
            if not piece:
                raise ConnectionError("the daemon closed the connection")
            data += piece
        return data
