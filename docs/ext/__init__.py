"""What Sphinx does for this manual beyond its own."""
