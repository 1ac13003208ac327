"""Models behind one small interface; an adapter per family, heavy imports inside."""
