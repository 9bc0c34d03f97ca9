"""Measure Waybill and other ways to export in one run, and compare them by ratios.

`make bench` uses the demo's flights. The ratios hardly depend on the machine, but the numbers
themselves hold only for the machine that printed them.
"""

from __future__ import annotations
