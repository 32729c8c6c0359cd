"""What a trained network says of images: loading it, evaluation, results, and its layers."""
