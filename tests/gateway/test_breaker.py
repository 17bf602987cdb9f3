"""The breaker: what opens it, how long it rests, and that half-open lets exactly one call through."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway.health import FIRST_REST_S, LONGEST_REST_S, OPEN_AFTER, Breaker


class ByHand(ManualClock):
    """Moved without a loop."""

    def move(self, seconds: float) -> None:
        self._elapsed += seconds


def opened() -> tuple[Breaker, ByHand]:
    clock = ByHand()
    breaker = Breaker(clock)
    for _ in range(OPEN_AFTER):
        breaker.failure(breaker.admit() or 0)
    return breaker, clock


def test_opens_after_consecutive_failures_only() -> None:
    breaker = Breaker(ByHand())
    for _ in range(OPEN_AFTER - 1):
        breaker.failure(breaker.admit() or 0)
    breaker.success(breaker.admit() or 0)
    for _ in range(OPEN_AFTER - 1):
        breaker.failure(breaker.admit() or 0)
    assert breaker.state == "closed"
    breaker.failure(breaker.admit() or 0)
    assert breaker.state == "open"
    assert breaker.admit() is None
    assert breaker.opened == 1


def test_one_probe_after_the_rest() -> None:
    breaker, clock = opened()
    clock.move(FIRST_REST_S - 0.001)
    assert breaker.admit() is None
    clock.move(0.001)
    assert breaker.state == "half_open"
    tickets = [breaker.admit() for _ in range(50)]
    assert [t is not None for t in tickets] == [True] + [False] * 49
    assert breaker.state == "half_open"


def test_a_probe_that_fails_doubles_the_rest() -> None:
    breaker, clock = opened()
    rest = FIRST_REST_S
    for _ in range(10):
        clock.move(rest)
        ticket = breaker.admit()
        assert ticket is not None
        breaker.failure(ticket)
        rest = min(rest * 2, LONGEST_REST_S)
        clock.move(rest - 0.01)
        assert breaker.admit() is None
        clock.move(-(rest - 0.01))
    assert rest == LONGEST_REST_S


def test_a_probe_that_answers_closes() -> None:
    breaker, clock = opened()
    clock.move(FIRST_REST_S)
    breaker.success(breaker.admit() or 0)
    assert breaker.state == "closed"
    assert breaker.admit() is not None


def test_a_host_that_only_answers_probes_is_asked_ever_more_seldom() -> None:
    breaker, clock = opened()
    clock.move(FIRST_REST_S)
    breaker.success(breaker.admit() or 0)
    for _ in range(OPEN_AFTER):
        breaker.failure(breaker.admit() or 0)
    clock.move(FIRST_REST_S)
    assert breaker.admit() is None
    clock.move(FIRST_REST_S)
    breaker.success(breaker.admit() or 0)
    breaker.success(breaker.admit() or 0)
    for _ in range(OPEN_AFTER):
        breaker.failure(breaker.admit() or 0)
    clock.move(FIRST_REST_S)
    assert breaker.admit() is not None


def test_calls_from_before_the_opening_decide_nothing() -> None:
    clock = ByHand()
    breaker = Breaker(clock)
    old = [breaker.admit() or 0 for _ in range(OPEN_AFTER + 3)]
    for ticket in old[:OPEN_AFTER]:
        breaker.failure(ticket)
    clock.move(FIRST_REST_S)
    probe = breaker.admit()
    assert probe is not None
    breaker.failure(old[-1])
    breaker.release(old[-2])
    breaker.success(old[-3])
    assert breaker.admit() is None
    assert breaker.opened == 1
    breaker.success(probe)
    assert breaker.state == "closed"


def test_calls_from_before_the_closing_do_not_open_it_again() -> None:
    clock = ByHand()
    breaker = Breaker(clock)
    old = [breaker.admit() or 0 for _ in range(2 * OPEN_AFTER)]
    for ticket in old[:OPEN_AFTER]:
        breaker.failure(ticket)
    clock.move(FIRST_REST_S)
    breaker.success(breaker.admit() or 0)
    for ticket in old[OPEN_AFTER:]:
        breaker.failure(ticket)
    assert breaker.state == "closed"


def test_a_released_probe_may_go_again() -> None:
    breaker, clock = opened()
    clock.move(FIRST_REST_S)
    ticket = breaker.admit()
    assert ticket is not None
    breaker.release(ticket)
    assert breaker.state == "half_open"
    assert breaker.admit() is not None
    assert breaker.admit() is None


def test_a_forced_call_is_no_probe_and_its_answer_closes() -> None:
    breaker, _ = opened()
    ready = breaker.ready_at
    failing, answering = breaker.admit(force=True), breaker.admit(force=True)
    assert failing is not None
    assert answering is not None
    breaker.failure(failing)
    assert (breaker.state, breaker.ready_at, breaker.opened) == ("open", ready, 1)
    breaker.success(answering)
    assert breaker.state == "closed"


class BreakerMachine(RuleBasedStateMachine):
    """Calls admitted, answered, failed, cancelled and forced in any order at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ByHand()
        self.breaker = Breaker(self.clock)
        self.flying: list[int] = []
        self.forced: set[int] = set()
        self.before: set[int] = set()
        self.rest_until = 0.0

    def _note(self, state: str) -> None:
        if self.breaker.state != "closed" and state == "closed":
            self.before = set(self.flying)
            self.rest_until = self.breaker.ready_at
            assert self.rest_until - self.clock.monotonic() >= FIRST_REST_S

    @rule()
    def ask(self) -> None:
        closed = self.breaker.state == "closed"
        may = self.breaker.admits()
        ticket = self.breaker.admit()
        assert (ticket is not None) == may
        if ticket is not None:
            assert ticket not in self.flying
            assert closed or self.clock.monotonic() >= self.breaker.ready_at
            self.flying.append(ticket)

    @rule()
    def force(self) -> None:
        probe = self.breaker.state == "half_open" and not self.breaker.probing
        ticket = self.breaker.admit(force=True)
        assert ticket is not None
        self.flying.append(ticket)
        if not probe:
            self.forced.add(ticket)

    @precondition(lambda self: self.flying)
    @rule(pick=st.integers(0, 1000), how=st.sampled_from(["success", "failure", "release"]))
    def end(self, pick: int, how: str) -> None:
        ticket = self.flying.pop(pick % len(self.flying))
        state, opened_times = self.breaker.state, self.breaker.opened
        probe = self.breaker.is_probe(ticket)
        getattr(self.breaker, how)(ticket)
        self._note(state)
        if state != "closed" and not probe:
            if how != "success" or ticket in self.before:
                assert self.breaker.state == state
            assert self.breaker.opened == opened_times
        if probe:
            assert not self.breaker.probing
            assert self.breaker.state == {"success": "closed", "failure": "open"}.get(how, "half_open")

    @rule(seconds=st.sampled_from([0.0, 0.5, FIRST_REST_S, 2 * FIRST_REST_S, LONGEST_REST_S]))
    def wait(self, seconds: float) -> None:
        self.clock.move(seconds)

    @invariant()
    def one_probe(self) -> None:
        probes = [t for t in self.flying if self.breaker.is_probe(t)]
        assert len(probes) == int(self.breaker.probing)
        if self.breaker.state != "closed":
            since = [t for t in self.flying if t not in self.before and t not in self.forced]
            assert len(since) <= 1


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
