"""Plausible mistakes in valid files. Each check is a pure function from an inspection to hints."""
