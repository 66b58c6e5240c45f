"""The control socket in the tests' own words: protocol/control.proto without its compiler."""
import socket
import struct

from protobuf import field, fields_of

# Fields of Request and Reply.
STATUS, PEERS, STOP, ERROR = 1, 2, 3, 15


def framed(message):
    return struct.pack("<I", len(message)) + message


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
