"""Numbers with what they count, in words."""


def counted(count: int, one: str, several: str = "") -> str:
    """`1 trial`, `2 trials`.

    Args:
        one: what is said of one.
        several: what is said of others; `one` with an s when left out.
    """
    return f"{count} {one if count == 1 else several or one + 's'}"
