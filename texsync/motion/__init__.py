"""Human motion: the skeleton, its features, files that animators load, and characters that our own code moves."""
