"""x."""


def add_options(p): ...


def run(a): ...
