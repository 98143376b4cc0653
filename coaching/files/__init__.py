"""Reads what watches and programs export: FIT, TCX, GPX, and zip files of them. Knows no rows and no requests."""
