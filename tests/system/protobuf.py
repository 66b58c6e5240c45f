"""Protocol Buffers on the wire, as much as the tests speak of them, without a compiler."""


def varint(number):
    out = b""
    while number > 0x7f:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value=b""):
    """A number, text or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


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
