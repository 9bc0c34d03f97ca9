"""A process without connections is to blame only as long as the database has some to give."""

from __future__ import annotations

import pytest

from config.supply import PAUSE_SECONDS, Supply


class World:
    """What the checks of a supply find, one after the other: whether the server answers.

    Each of them finds the pool used up, until nothing more is listed. Then it has recovered.
    """

    def __init__(self, *answers: bool) -> None:
        self.now = 1000.0
        self.starved: list[float] = []  # after each check
        self._answers = list(answers)
        self.supply = Supply(
            server_answers=lambda: self._answers.pop(0),
            try_pool=self.try_pool,
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    def try_pool(self) -> None:
        self.starved.append(self.supply.starved_seconds())
        if not self._answers:
            self.supply.succeeded()

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_starvation_counts_from_the_first_failed_attempt() -> None:
    world = World(True, True, True)
    world.now += 10
    world.supply.failed(began=1000)
    world.supply.failed(began=1005)

    world.supply.check()

    assert world.starved == [10, 10 + PAUSE_SECONDS, 10 + 2 * PAUSE_SECONDS]
    assert world.supply.starved_seconds() == 0


def test_starvation_counts_only_while_the_server_answers() -> None:
    world = World(True, False, False, True, True)
    world.supply.failed(began=1000)

    world.supply.check()

    assert world.starved == [0, 0, 0, 0, PAUSE_SECONDS]


def test_process_is_not_starved_before_its_server_was_tried() -> None:
    world = World()
    world.supply.failed(began=1000)
    world.now += 100

    assert world.supply.starved_seconds() == 0


@pytest.mark.parametrize("began", [900, 1000])
def test_attempt_from_before_a_success_counts_from_that_success(began: float) -> None:
    world = World(True)
    world.now += 5
    world.supply.succeeded()
    world.now += 5
    world.supply.failed(began=began)

    world.supply.check()

    assert world.starved == [5]
