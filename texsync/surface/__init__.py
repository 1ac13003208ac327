"""Geometry only: unwrap, cameras, rasterise, texture, preview. Knows no files and no diffusion."""
