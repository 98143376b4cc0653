"""One folder per provider; see integrations/README.md."""
