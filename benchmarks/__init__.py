"""Measure Waybill and other ways to export in one run, and compare them by ratios.

`make bench` uses the demo's flights. Ratios hardly depend on the speed of the machine. The numbers
themselves hold for one machine only.
"""

from __future__ import annotations
