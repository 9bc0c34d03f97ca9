"""Exports in the audit trail, and the audit trail as an export.

`record` writes what somebody does to an export; `exporter` lets those who may view the trail export
it. The trail itself is in `notifications.audit`.
"""
