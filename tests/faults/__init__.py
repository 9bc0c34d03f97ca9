"""A package, so that the one in it is `tests.faults.exports`, and not `exports`."""
