"""Texts with an HMAC behind them, in URL-safe letters. The only door to itsdangerous.

A signature has one spelling: the 43 letters of unpadded base64url. Decoders ignore the last two
bits and foreign bytes, which would give one text many.
"""

from __future__ import annotations

import hashlib
import hmac
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence

import itsdangerous
from itsdangerous.encoding import want_bytes

SIGNATURE = r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
"""Matches the letters of 32 bytes: the last two bits of the last one are zero."""


class Signer(itsdangerous.Signer):
    """itsdangerous' Signer whose keys are derived, and taken in by their HMAC, once.

    Preparing a key for each text costs more than the hash. And it decodes the signature that it
    verifies, which gives one signature many spellings; here they are compared as written.
    """

    def __init__(self, secret_keys: Sequence[str | bytes], salt: str) -> None:
        """Derive from the site's secrets, newest first."""
        keys = [want_bytes(key) for key in secret_keys]
        super().__init__(keys, salt, key_derivation="hmac", digest_method=hashlib.sha256)
        self.macs = [hmac.new(self.derive_key(key), digestmod="sha256") for key in keys]

    def get_signature(self, value: str | bytes) -> bytes:
        """Return the 43 letters with which the newest key signs."""
        return letters_of(mac_of(self.macs[0], want_bytes(value)))

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        """Tell whether these are the letters with which one of the keys signs."""
        return self._are_letters_of(want_bytes(value), want_bytes(sig))

    def has_signed(self, text: str) -> bool:
        """Tell whether a text is as ``sign`` writes it; ``unsign`` says no with an exception."""
        if not text.isascii():
            return False
        value, _, letters = text.encode().rpartition(b".")
        return self._are_letters_of(value, letters)

    def opened(self, text: str) -> str | None:
        """Return what stands before the signature, None where no key signed it."""
        try:
            return self.unsign(text.encode("utf-8", "surrogatepass")).decode("utf-8")
        except (itsdangerous.BadSignature, UnicodeDecodeError):
            return None

    def _are_letters_of(self, value: bytes, letters: bytes) -> bool:
        for mac in self.macs:
            if hmac.compare_digest(letters_of(mac_of(mac, value)), letters):
                return True
        return False


def mac_of(keyed: hmac.HMAC, value: bytes) -> bytes:
    """Return the HMAC of a value under a key that was taken in: three fifths of the price."""
    mac = keyed.copy()
    mac.update(value)
    return mac.digest()


# base64's own functions for this look at the type of what they get twice, at twice the price.
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_STANDARD = bytes.maketrans(b"-_", b"+/")


def encode(data: bytes) -> str:
    """Return unpadded base64url."""
    return letters_of(data).decode("ascii")


def letters_of(data: bytes) -> bytes:
    """Return what ``encode`` does, as bytes."""
    return b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=")


def decode(text: str) -> bytes:
    """Read what ``encode`` wrote, and whatever a2b_base64 takes; ValueError for the rest."""
    padded = text + "=" * (-len(text) % 4)
    return a2b_base64(padded.encode("ascii").translate(_STANDARD))


def short(digest: bytes) -> str:
    """Return the first 128 bits of a digest as 22 URL-safe letters."""
    return encode(digest[:16])
