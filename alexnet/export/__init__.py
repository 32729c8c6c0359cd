"""A checkpoint as files for other programs."""
