"""One file per family of models: what it claims, and how it loads."""
