"""From a range of keys to rows."""
