"""Who gets what: every URL and every stream, for each kind of person and each kind of export."""
