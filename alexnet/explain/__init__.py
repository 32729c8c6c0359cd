"""Where a number of a network comes from: the sum, the window, the kernel that it is made of."""
