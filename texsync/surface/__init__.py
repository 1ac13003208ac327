"""Geometry only: load, unwrap, cameras, rasterise, texture, save, preview. Knows no diffusion."""
