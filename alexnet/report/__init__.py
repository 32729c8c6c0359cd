"""``python -m alexnet.report``: one HTML page about a run; `content` is what its sections share."""
