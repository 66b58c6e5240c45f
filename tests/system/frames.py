"""Frames in Python's words, after protocol/README.md, with their hash (XXH3-64, seed 0, after the
xxHash specification): a peer played by hand must not be the product's own."""
import struct

MASK = 2 ** 64 - 1
PRIME32_1, PRIME32_2, PRIME32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
PRIME64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
           0x27D4EB2F165667C5)
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")
(HELLO, WELCOME, REFUSAL, HEARTBEAT, GOODBYE, EXCHANGE, OPENING, SETTLEMENT, JOINING, ASK, SNAPSHOT,
 PIECE, MISSED) = range(1, 14)
HEADER_BYTES = 64


def u32(data, at):
    return int.from_bytes(data[at:at + 4], "little")


def u64(data, at):
    return int.from_bytes(data[at:at + 8], "little")


def folded(left, right):
    product = left * right
    return (product & MASK) ^ (product >> 64)


def avalanche(value):
    value ^= value >> 37
    value = value * 0x165667919E3779F9 & MASK
    return value ^ (value >> 32)


def avalanche_of_old(value):
    value ^= value >> 33
    value = value * PRIME64[1] & MASK
    value ^= value >> 29
    value = value * PRIME64[2] & MASK
    return value ^ (value >> 32)


def rotated(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK


def mixed(data, at, secret):
    return folded(u64(data, at) ^ u64(SECRET, secret), u64(data, at + 8) ^ u64(SECRET, secret + 8))


def xxh3_of_few(data):
    """Of at most 16 bytes."""
    size = len(data)
    if size > 8:
        low = u64(data, 0) ^ u64(SECRET, 24) ^ u64(SECRET, 32)
        high = u64(data, size - 8) ^ u64(SECRET, 40) ^ u64(SECRET, 48)
        swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
        return avalanche((size + swapped + high + folded(low, high)) & MASK)
    if size > 3:
        value = (u32(data, size - 4) + (u32(data, 0) << 32)) ^ u64(SECRET, 8) ^ u64(SECRET, 16)
        value ^= rotated(value, 49) ^ rotated(value, 24)
        value = value * 0x9FB21C651E98DF25 & MASK
        value = (value ^ (value >> 35) + size) * 0x9FB21C651E98DF25 & MASK
        return value ^ (value >> 28)
    if size > 0:
        value = data[0] << 16 | data[size // 2] << 24 | data[-1] | size << 8
        return avalanche_of_old(value ^ u32(SECRET, 0) ^ u32(SECRET, 4))
    return avalanche_of_old(u64(SECRET, 56) ^ u64(SECRET, 64))


def xxh3_of_some(data):
    """Of 17 to 240 bytes."""
    size = len(data)
    total = size * PRIME64[0]
    if size <= 128:
        for i in range((size - 1) // 32, -1, -1):
            total += mixed(data, 16 * i, 32 * i) + mixed(data, size - 16 * (i + 1), 32 * i + 16)
        return avalanche(total & MASK)
    total = avalanche((total + sum(mixed(data, 16 * i, 16 * i) for i in range(8))) & MASK)
    total += sum(mixed(data, 16 * i, 16 * (i - 8) + 3) for i in range(8, size // 16))
    return avalanche((total + mixed(data, size - 16, 136 - 17)) & MASK)


def xxh3(data):
    size = len(data)
    if size <= 240:
        return xxh3_of_few(data) if size <= 16 else xxh3_of_some(data)
    lanes = [PRIME32_3, *PRIME64[:4], PRIME32_2, PRIME64[4], PRIME32_1]
    words = {at: struct.unpack_from("<8Q", SECRET, at) for at in [*range(0, 129, 8), 121]}

    def accumulate(stripe, at):
        for i, (word, key) in enumerate(zip(struct.unpack_from("<8Q", data, stripe), words[at])):
            key ^= word
            lanes[i ^ 1] += word
            lanes[i] = lanes[i] + (key & 0xffffffff) * (key >> 32) & MASK

    stripes = (size - 1) // 64
    for number in range(stripes):
        accumulate(64 * number, 8 * (number % 16))
        if number % 16 == 15:
            for i, key in enumerate(words[128]):
                lane = lanes[i] & MASK
                lanes[i] = (lane ^ (lane >> 47) ^ key) * PRIME32_1 & MASK
    accumulate(size - 64, 121)
    total = size * PRIME64[0]
    for i in range(4):
        total += folded(lanes[2 * i] & MASK ^ u64(SECRET, 11 + 16 * i),
                        lanes[2 * i + 1] & MASK ^ u64(SECRET, 19 + 16 * i))
    return avalanche(total & MASK)


def payload_hash(message=b"", body=b""):
    parts = (xxh3(message) if message else 0) * 0x9E3779B97F4A7C15 + (xxh3(body) if body else 0)
    return parts & MASK


def header(kind=HELLO, message_bytes=0, body_bytes=0, payload_hash=0, epoch=0, sequence=0, round_=0,
           base_hash=0, magic=b"STRL", version=1, flags=0, check=0):
    """A frame header; `check` is added to the right one."""
    def packed(check):
        return struct.pack("<4sBBHIIQQQIIQQ", magic, version, kind, flags, message_bytes, epoch,
                           body_bytes, sequence, round_, 0, check, base_hash, payload_hash)
    return packed((xxh3(packed(0)) + check) & 0xffffffff)


def frame(kind, message=b"", body=b"", **fields):
    """A whole frame."""
    return header(kind, len(message), len(body), payload_hash(message, body), **fields) + \
        message + body
