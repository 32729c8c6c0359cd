"""AlexNet with half of the channels and hidden units on images of 115 pixels.

Two cores train it in minutes.
"""

HALF_SIZE = {"image_size": 115, "width": 0.5, "epochs": 30}
