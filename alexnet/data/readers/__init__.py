"""Readers: one module a source opens its data sets; `alexnet.data.sources` lists them."""
