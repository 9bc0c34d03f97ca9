"""The audit trail: who did what to whom, when, and from where.

`record.record` writes an entry in the caller's transaction, so an action and its entry are both
stored or both not. `origin` finds the request, command or process that acts; `signals` records
changes of users and their rights. Entries are never changed: the model, its querysets and triggers
of the database (`guard`) refuse it. Only `prune` removes entries, once they are older than
NOTIFICATIONS_AUDIT_DAYS.
"""
