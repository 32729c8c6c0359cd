"""AlexNet with half of the channels on images of 115 pixels, which two cores train in minutes."""

HALF_SIZE = {"image_size": 115, "channels": "48,128,192,192,128", "hidden": 2048, "epochs": 30}
