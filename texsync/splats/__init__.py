"""3D Gaussian splats: files, which splats a pixel shows and how much of each, and their colours from pictures."""
