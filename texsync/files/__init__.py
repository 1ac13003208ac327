"""Mesh files as they stand: read what is in them, and give it all back with a new base colour. Knows no views."""
