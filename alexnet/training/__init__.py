"""Training: from settings to a trained network, and what watches over it."""
