"""The commands of ``python -m alexnet.data``, a module each, and what they need for themselves."""
