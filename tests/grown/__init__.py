"""A project that has grown before Waybill came into it, with habits of its own."""
