"""One file per method, named as the coupling is."""
