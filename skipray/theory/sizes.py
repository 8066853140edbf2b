"""What every formula asks of its sizes."""


def positive(**sizes: float) -> None:
    for name, size in sizes.items():
        if not size >= 1:
            raise ValueError(f"found {name} {size}; allowed: at least 1")
