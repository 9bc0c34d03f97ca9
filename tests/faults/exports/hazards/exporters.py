"""Registers them, in a worker: this module is found by its name."""

from __future__ import annotations

from exports.exporters import register
from tests.faults.exports.hazards.cargo import exporters

for _each in exporters():
    register(_each)
