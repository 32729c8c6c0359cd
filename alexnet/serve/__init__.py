"""A page on this machine to play with a network, or to watch one that learns."""
