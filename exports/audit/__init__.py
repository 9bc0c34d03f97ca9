"""Exports in the audit trail, and the audit trail as an export.

`record` writes an entry for each action on an export or a preset. `exporter` lets users who may
view the trail export it. The trail itself is in `notifications.audit`.
"""
