"""One client's place in one stream: what it is sent, when the table is read, what is kept."""

from __future__ import annotations

import pytest

from notifications.delivery.subscription import Read, Send, Subscription
from notifications.streams.backlog import Backlog
from notifications.streams.cursor import Cursor
from notifications.streams.items import Item

EPOCH = "epoch"
NOW = 100.0


def at(offset, revision=0, epoch=EPOCH):
    return Cursor(epoch, offset, revision)


def event(offset, revision=0, epoch=EPOCH):
    return Item("s", at(offset, revision, epoch), "event", "thing", {"n": offset}, "then")


def state(revision, offset=0, epoch=EPOCH):
    return Item("s", at(offset, revision, epoch), "state", "key", {"n": revision}, "then")


def level_at(cursor, window=8):
    """A subscription that has read up to `cursor`, with nothing to send."""
    subscription = Subscription("s", None, window=window)
    assert subscription.next_step(NOW) == Read(None, window)
    subscription.on_read(Backlog(cursor, cursor))
    assert subscription.next_step(NOW) is None
    return subscription


def push(subscription, *items, head=None):
    head = head or items[-1].position
    subscription.on_push(head.epoch, head, items)


def sent(subscription):
    """Everything that can be sent now, as it goes out."""
    steps = []
    while isinstance(step := subscription.next_step(NOW), Send):
        steps.append(step)
    assert step is None, step
    return steps


def names(steps):
    """The events' offsets, and "r" with the revision for values."""
    return [
        step.item.position.offset
        if step.item.kind == "event"
        else f"r{step.item.position.revision}"
        for step in steps
    ]


# -- pushes --------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [None, "latest", at(3, 1)])
def test_first_step_reads_the_table_from_the_requested_cursor(after):
    subscription = Subscription("s", after, window=8)

    assert subscription.next_step(NOW) == Read(after, 8)


def test_next_event_is_forwarded_without_a_read():
    subscription = level_at(at(5))

    push(subscription, event(6), event(7))

    assert names(sent(subscription)) == [6, 7]


def test_next_value_is_forwarded_without_a_read():
    subscription = level_at(at(5, 2))

    push(subscription, state(3, offset=5), event(6, revision=3))

    assert names(sent(subscription)) == ["r3", 6]


def test_each_step_has_the_position_after_it():
    subscription = level_at(at(5, 2))

    push(subscription, event(6, revision=2), state(3, offset=6))

    assert [step.cursor for step in sent(subscription)] == [at(6, 2), at(6, 3)]


def test_duplicate_items_are_dropped():
    subscription = level_at(at(5, 2))
    push(subscription, event(6, revision=2))
    sent(subscription)

    push(subscription, event(6, revision=2))
    push(subscription, event(4, revision=2))
    push(subscription, state(2, offset=4))

    assert sent(subscription) == []


def test_new_item_behind_old_items_is_forwarded_without_a_read():
    subscription = level_at(at(5))

    push(subscription, event(4), event(5), event(6))

    assert names(sent(subscription)) == [6]


@pytest.mark.proves("lost-push-only-delays")
def test_gap_leads_to_a_read_from_the_clients_position():
    subscription = level_at(at(5))

    push(subscription, event(7))

    assert subscription.next_step(NOW) == Read(at(5), 8)


def test_items_before_a_gap_are_sent_and_the_rest_is_read():
    subscription = level_at(at(5))

    push(subscription, event(6), event(8))

    assert names([subscription.next_step(NOW)]) == [6]
    assert subscription.next_step(NOW) == Read(at(6), 7)


def test_event_after_a_lost_value_leads_to_a_read():
    subscription = level_at(at(5, 2))

    push(subscription, event(6, revision=3))

    assert subscription.next_step(NOW) == Read(at(5, 2), 8)


def test_push_without_items_triggers_a_read():
    subscription = level_at(at(5))

    push(subscription, head=at(500))

    assert subscription.next_step(NOW) == Read(at(5), 8)


def test_push_of_another_epoch_leads_to_a_read():
    subscription = level_at(at(5))

    push(subscription, event(6, epoch="new"))

    assert subscription.next_step(NOW) == Read(at(5), 8)


def test_sweep_without_news_changes_nothing():
    subscription = level_at(at(5, 2))

    assert not subscription.on_head(at(5, 2))
    assert not subscription.on_head(at(4, 2))
    assert subscription.next_step(NOW) is None


@pytest.mark.proves("lost-push-only-delays")
@pytest.mark.parametrize("head", [at(6, 2), at(5, 3), at(1, 0, "new")])
def test_sweep_ahead_of_the_client_leads_to_a_read(head):
    subscription = level_at(at(5, 2))

    assert subscription.on_head(head)
    assert subscription.next_step(NOW) == Read(at(5, 2), 8)


# -- reads ---------------------------------------------------------------------------------


def test_reads_do_not_overlap():
    subscription = Subscription("s", None, window=8)
    subscription.next_step(NOW)

    subscription.on_head(at(9))
    push(subscription, event(10))

    assert subscription.next_step(NOW) is None


def test_push_during_a_read_that_missed_it_leads_to_another_read():
    subscription = Subscription("s", None, window=8)
    subscription.next_step(NOW)
    push(subscription, event(6))

    subscription.on_read(Backlog(at(5), at(5)))

    assert subscription.next_step(NOW) == Read(at(5), 8)


def test_push_during_a_read_that_brought_it_leads_to_no_other():
    subscription = Subscription("s", at(5), window=8)
    subscription.next_step(NOW)
    push(subscription, event(6))

    subscription.on_read(Backlog(at(5), at(6), [event(6)]))

    assert names(sent(subscription)) == [6]


def test_unconfirmed_head_is_not_read_again():
    subscription = level_at(at(5))
    push(subscription, head=at(900))
    subscription.next_step(NOW)

    subscription.on_read(Backlog(at(5), at(5)))

    assert subscription.next_step(NOW) is None
    push(subscription, event(6))
    assert names(sent(subscription)) == [6]


def test_full_page_is_sent_before_the_next_is_read():
    subscription = Subscription("s", at(0), window=8)
    subscription.next_step(NOW)

    subscription.on_read(Backlog(at(0), at(2), [event(1), event(2)], more=True))

    assert names([subscription.next_step(NOW), subscription.next_step(NOW)]) == [1, 2]
    assert subscription.next_step(NOW) == Read(at(2), 6)


def test_read_moves_the_client_beyond_its_last_item():
    subscription = Subscription("s", at(0, 0), window=8)
    subscription.next_step(NOW)

    subscription.on_read(Backlog(at(0, 0), at(1, 7), [event(1)]))

    assert [step.cursor for step in sent(subscription)] == [at(1, 7)]
    assert subscription.sent == at(1, 7)


def test_empty_read_still_moves_the_client():
    subscription = Subscription("s", at(3, 4), window=8)
    subscription.next_step(NOW)

    subscription.on_read(Backlog(at(3, 4), at(3, 9)))

    assert sent(subscription) == []
    assert subscription.sent == at(3, 9)


def test_latest_cursor_gets_only_later_items():
    subscription = Subscription("s", "latest", window=8)
    subscription.next_step(NOW)
    subscription.on_read(Backlog(at(5, 2), at(5, 2)))

    push(subscription, event(6, revision=2))

    assert names(sent(subscription)) == [6]


def test_failed_read_is_repeated():
    subscription = Subscription("s", at(5), window=8)
    first = subscription.next_step(NOW)

    subscription.on_read_failed()

    assert subscription.next_step(NOW) == first


def test_unexpected_failure_changes_nothing():
    subscription = level_at(at(5))

    subscription.on_read_failed()

    assert subscription.next_step(NOW) is None


def test_reset_restarts_the_client_where_the_read_began():
    subscription = level_at(at(5, 2))
    subscription.on_head(at(1, 1, "new"))
    subscription.next_step(NOW)

    subscription.on_read(
        Backlog(
            at(0, 0, "new"),
            at(1, 1, "new"),
            [state(1, epoch="new"), event(1, 1, epoch="new")],
            reset="epoch",
        )
    )

    assert [step.cursor for step in sent(subscription)] == [at(0, 1, "new"), at(1, 1, "new")]


# -- the window ----------------------------------------------------------------------------


def test_client_without_acks_gets_at_most_one_window():
    subscription = level_at(at(0), window=3)

    push(subscription, *(event(offset) for offset in range(1, 10)))

    assert names(sent(subscription)) == [1, 2, 3]


def test_ack_makes_room_for_a_read():
    subscription = level_at(at(0), window=3)
    push(subscription, *(event(offset) for offset in range(1, 10)))
    sent(subscription)

    subscription.on_ack(at(2))

    assert subscription.next_step(NOW) == Read(at(3), 2)


def test_read_is_limited_to_the_room_in_the_window():
    subscription = level_at(at(0), window=4)
    push(subscription, event(1), event(2), event(3), head=at(9))
    names([subscription.next_step(NOW) for _ in range(3)])

    assert subscription.next_step(NOW) == Read(at(3), 1)


@pytest.mark.proves("slow-clients-cost-one-window")
def test_client_that_does_not_read_costs_one_window():
    subscription = level_at(at(0), window=3)

    for offset in range(1, 1000):
        push(subscription, event(offset))
        subscription.next_step(NOW)

    assert len(subscription._queue) + len(subscription._unacked) <= 3


@pytest.mark.proves("slow-clients-cost-one-window")
def test_queued_pushes_take_at_most_one_window():
    subscription = level_at(at(0), window=3)

    push(subscription, *(event(offset) for offset in range(1, 1000)))

    assert len(subscription._queue) == 3


def test_ack_covers_earlier_items():
    subscription = level_at(at(0), window=2)
    push(subscription, event(1), event(2))
    sent(subscription)

    subscription.on_ack(at(2))
    push(subscription, event(3), event(4))

    assert names(sent(subscription)) == [3, 4]


@pytest.mark.parametrize("ack", [at(0), at(9, 9, "another")])
def test_unrelated_ack_makes_no_room(ack):
    subscription = level_at(at(0), window=1)
    push(subscription, event(1), event(2))
    sent(subscription)

    subscription.on_ack(ack)

    assert sent(subscription) == []


def test_stall_begins_when_the_window_is_full():
    subscription = level_at(at(0), window=2)
    push(subscription, event(1))
    subscription.next_step(10.0)
    assert subscription.stalled_since() is None
    push(subscription, event(2))
    subscription.next_step(20.0)

    assert [subscription.next_step(when) for when in (21.0, 22.0)] == [None, None]

    assert subscription.stalled_since() == 21.0


def test_slowly_acknowledging_client_is_not_stalled():
    subscription = level_at(at(0), window=2)
    push(subscription, event(1), event(2), event(3))
    sent(subscription)
    assert subscription.stalled_since() == NOW

    subscription.on_ack(at(1))
    assert subscription.stalled_since() is None
    subscription.next_step(150.0)
    subscription.on_read(Backlog(at(2), at(3), [event(3)]))
    subscription.next_step(150.0)
    subscription.next_step(160.0)

    assert subscription.stalled_since() == 160.0


def test_reset_forgets_unacknowledged_items():
    subscription = level_at(at(0), window=2)
    push(subscription, event(1))
    sent_before = sent(subscription)
    subscription.on_head(at(2, 0, "new"))
    assert subscription.next_step(NOW) == Read(at(1), 1)

    subscription.on_read(
        Backlog(at(0, 0, "new"), at(1, 0, "new"), [event(1, epoch="new")], reset="epoch")
    )
    push(subscription, event(2, epoch="new"))

    assert names(sent_before) == [1]
    assert names(sent(subscription)) == [1, 2]
