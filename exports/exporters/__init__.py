"""The exporters of a project: what may be exported, with columns and querysets.

A project declares them with `Exporter`, `Column` and `register`; a declaration that cannot work is
refused when Django starts. This package decides which querysets can be split by primary key without
losing or repeating a row. It does not know what a user requested.
"""

from __future__ import annotations

from exports.exporters.base import Column, Exporter
from exports.exporters.registry import register

__all__ = ["Column", "Exporter", "register"]
