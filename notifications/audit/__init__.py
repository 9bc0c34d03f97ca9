"""The audit trail: who did what to whom, when, and from where.

`record.record` is its one door. It writes in the caller's transaction, so an action and its
entry are there together or not at all. `origin` knows which request, command or process acts;
`signals` listens to what Django tells of people and their rights. Entries are never changed:
the model, its querysets and triggers of the database (`guard`) refuse it. Only `prune` removes
entries, once they are older than NOTIFICATIONS_AUDIT_DAYS.
"""
