"""What a user may ask for: each option is declared once, for shell, Python, worker and Blender."""
