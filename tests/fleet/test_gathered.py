"""What counts of what units give, and what is said of the rest."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from detector.errors import FleetError
from detector.fleet.gathered import Gathered
from detector.fleet.merging import merged
from detector.fleet.reference import Learned, Reference
from tests.fleet.help import PLAIN, records, trained

X = records(600)
SHAPE = trained(X[:50], "a").shape


def given(unit: str, life: str, scored: int, n: int = 50) -> bytes:
    one = trained(X[:n], unit)
    return Reference(one.shape, one.charts, {unit: Learned(life, scored)}).to_bytes()


def counting(gathered: Gathered) -> dict[str, float]:
    return {unit: one.records for unit, one in gathered.units.items()}


def test_a_unit_that_gives_again_takes_its_own_place() -> None:
    gathered = Gathered("p", SHAPE)
    assert gathered.take("a", given("a", "x", 50))
    assert gathered.take("b", given("b", "y", 50))
    assert not gathered.take("a", given("a", "x", 50))
    assert gathered.take("a", given("a", "x", 300, 300))
    assert not gathered.take("a", given("a", "x", 50))  # older, whenever it comes
    assert counting(gathered) == {"a": 300, "b": 50}
    charts = gathered.start("", by_key=False)
    assert charts is not None
    assert charts[0, 2] == 350
    assert gathered.take("a", b"")
    assert counting(gathered) == {"b": 50}


def test_a_unit_that_lost_its_state_begins_anew_and_two_of_one_name_count_no_more() -> None:
    gathered = Gathered("p", SHAPE)
    gathered.take("a", given("a", "x", 300, 300))
    with capture_logs() as log:
        assert gathered.take("a", given("a", "z", 50))
        assert counting(gathered) == {"a": 50}
        assert not gathered.take("a", given("a", "x", 301, 300))
    assert [line["event"] for line in log] == ["fleet_unit_began_anew", "fleet_unit_twice"]
    assert counting(gathered) == {}
    assert not gathered.take("a", given("a", "z", 60))
    assert gathered.start("", by_key=False) is None


def test_of_a_state_that_was_copied_one_counts() -> None:
    gathered = Gathered("p", SHAPE)
    gathered.take("a", given("a", "x", 300, 300))
    with capture_logs() as log:
        gathered.take("b", given("b", "x", 350, 350))
    assert [line["event"] for line in log] == ["fleet_state_copied"]
    assert counting(gathered) == {"b": 350}


def test_what_cannot_be_used_is_told_and_does_not_count() -> None:
    gathered = Gathered("p", SHAPE)
    other = trained(X, "a", PLAIN | {"distance": "euclidean"}).to_bytes()
    together = merged([trained(X[:50], "a"), trained(X[50:], "b")]).to_bytes()
    gathered.take("a", given("a", "x", 10))
    with capture_logs() as log:
        for data in (b"junk", other, together, given("b", "y", 10), given("a", "x", 20)[:-1]):
            assert not gathered.take("a", data)
    said = " ".join(line["reason"] for line in log)
    assert [line["event"] for line in log] == ["fleet_refused"] * 5
    for reason in ("no reference of kyori", "other settings", "a unit gives what it has learned", "checksum"):
        assert reason in said
    assert counting(gathered) == {}


def test_a_file_of_a_later_version_is_refused() -> None:
    import detector.fleet.reference as module  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "VERSION", 2)
        data = trained(X, "a").to_bytes()
    with pytest.raises(FleetError, match="in version 2 of the format, this kyori knows 1"):
        Reference.from_bytes(data)
