"""The crash matrix on real engines: `make crash`."""
