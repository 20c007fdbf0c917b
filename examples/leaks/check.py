"""Finds secrets of token_auth in a text, without a database: their form and their checksum tell them from other words.

    git log -p | python3 check.py
"""

import re
import sys
import zlib

SECRET = re.compile(rb"(?<![0-9A-Za-z_])[a-z0-9_]{0,11}_[0-9A-Za-z]{49}(?![0-9A-Za-z_])")
BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def is_secret(word):
    """Returns true if the last 6 characters are the CRC-32 of what precedes, in base62."""
    rest, check = zlib.crc32(word[:-6]), b""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        check = BASE62[digit : digit + 1] + check
    return word[-6:] == check


def secrets_in(text):
    return [word for word in SECRET.findall(text) if is_secret(word)]


if __name__ == "__main__":
    found = set(secrets_in(sys.stdin.buffer.read()))
    for secret in sorted(found):
        print(secret[:8].decode() + "..." + secret[-4:].decode())
    sys.exit(1 if found else 0)
