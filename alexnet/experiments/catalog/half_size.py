"""AlexNet with half of the channels on images of 115 pixels, which two cores train in minutes."""

HALF_SIZE = {"image_size": 115, "width": "0.5", "epochs": 30}
