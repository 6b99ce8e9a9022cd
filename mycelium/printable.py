"""Text of anybody's, as a terminal may show it: what models, data sets and other machines say is hostile."""


def make_printable(text: str) -> str:
    """Return a text whose control characters are replaced: none moves a cursor or writes a title."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
