"""Hashes for people."""

SHOWN_DIGITS = 12
"""Enough to tell any two hashes of a user apart."""


def short_hash(text: str) -> str:
    """A sha256, with what stands before it up to a colon, cut to its first digits; another text as it is."""
    name, colon, digest = text.rpartition(":")
    return f"{name}{colon}{digest[:SHOWN_DIGITS]}" if len(digest) == 64 else text
