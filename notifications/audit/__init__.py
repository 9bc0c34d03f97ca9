"""The audit trail: who did what to whom, when and from where.

`record.record` writes an entry in the caller's transaction, so an action and its entry are stored
together or not at all. `origin` finds the request, command or process that acts, and `signals`
records changes of users and their rights. The model, its querysets and database triggers (`guard`)
refuse to change entries. Only `prune` removes entries: those that are older than
NOTIFICATIONS_AUDIT_DAYS.
"""
