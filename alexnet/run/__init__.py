"""What a run leaves on the disk: its folder, checkpoints, metrics, and progress on the terminal."""
