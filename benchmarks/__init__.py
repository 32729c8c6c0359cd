"""What the engine costs, measured side by side with PyTorch where that is installed."""
