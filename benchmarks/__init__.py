"""What Waybill costs and gains, as ratios measured side by side in one run.

`make bench` runs it on the demo's flights. The machine's own speed cancels out of a ratio;
the figures themselves are only for the machine that printed them.
"""

from __future__ import annotations
