"""Weights of other programs, and of this one: any file of an AlexNet becomes a checkpoint."""
