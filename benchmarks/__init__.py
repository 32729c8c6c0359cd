"""What the engine costs, measured side by side with PyTorch where that is installed."""

# The networks that are timed. The small one of `alexnet.model.ARCHITECTURES` costs too little.
NETWORKS = ("alexnet", "owt")
