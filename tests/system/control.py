"""The control socket in the tests' own words: protocol/control.proto without its compiler."""
import socket
import struct

# Fields of Request and Reply.
STATUS, PEERS, STOP, ERROR = 1, 2, 3, 15


def varint(number):
    out = b""
    while number > 0x7f:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, body=b""):
    return varint(number << 3 | 2) + varint(len(body)) + body


def framed(message):
    return struct.pack("<I", len(message)) + message


def fields_of(message):
    """(number, value) of each field: an int, bytes, or the eight bytes of a double."""
    def read_varint(at):
        value = shift = 0
        while True:
            value |= (message[at] & 0x7f) << shift
            shift += 7
            at += 1
            if message[at - 1] < 0x80:
                return value, at

    found = []
    at = 0
    while at < len(message):
        tag, at = read_varint(at)
        size = {1: 8, 5: 4}.get(tag & 7)
        if tag & 7 == 0:
            value, at = read_varint(at)
        else:
            if tag & 7 == 2:
                size, at = read_varint(at)
            value = message[at:at + size]
            at += size
        found.append((tag >> 3, value))
    return found


class Control:
    """One connection."""

    def __init__(self, path, patience_seconds=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(patience_seconds)
        self.socket.connect(str(path))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def read_exactly(self, size):
        """That many bytes, or nothing when the other end closes."""
        data = b""
        while len(data) < size:
            try:
                part = self.socket.recv(size - len(data))
            except ConnectionResetError:
                return None
            if not part:
                return None
            data += part
        return data

    def reply(self):
        """(verb, its fields) of one reply, or nothing when the connection ends."""
        prefix = self.read_exactly(4)
        if prefix is None:
            return None
        (verb, body), = fields_of(self.read_exactly(*struct.unpack("<I", prefix)))
        return verb, fields_of(body)

    def ask(self, verb):
        self.socket.sendall(framed(field(verb)))
        return self.reply()
