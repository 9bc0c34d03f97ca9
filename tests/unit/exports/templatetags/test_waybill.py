"""What the tags of a page write."""

from __future__ import annotations

from exports.templatetags import waybill


def snapshot(**fields):
    unknown = {"rows_total": None, "rows_again": 0, "assembled": None, "rate": None, "eta": None}
    known = {"label": "Flights", "status": "running", "stage": "", "rows_done": 0, "bytes": 0}
    return {**known, **unknown, **fields}


def test_bar_of_a_queued_export_is_empty_and_still():
    assert waybill.bar("Progress", snapshot(status="queued")) == (
        '<progress aria-label="Progress" max="1" value="0"></progress>'
    )


def test_live_text_is_hidden_until_its_values_are_known():
    shown = waybill.live("about {eta} left", snapshot(eta=3))
    hidden = waybill.live("about {eta} left", snapshot())

    assert shown == '<span data-text="about {eta} left">about 3\N{NO-BREAK SPACE}sec left</span>'
    assert hidden == '<span data-text="about {eta} left" hidden></span>'


def test_live_text_escapes_markup():
    text = waybill.live("{label}", snapshot(label="<b>&"))

    assert text == '<span data-text="{label}">&lt;b&gt;&amp;</span>'
