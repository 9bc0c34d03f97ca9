"""A package, because its fixtures live as long as one."""
