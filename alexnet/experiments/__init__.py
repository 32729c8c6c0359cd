"""The claims of the paper, repeated: runs of several arms and seeds, their rows, and verdicts."""
