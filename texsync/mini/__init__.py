"""The embedded model: its data, its training, its weights (an ordinary diffusers folder)."""
