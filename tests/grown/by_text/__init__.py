"""Users whose key is their e-mail address."""
