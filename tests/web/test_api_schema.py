"""The API does what its description says, whatever is asked: schemathesis asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from detector.web.endpoints import ENDPOINTS
from detector.web.openapi import document
from tests.web.answering import answering, faulty, fed, texts
from tests.web.serving import Serving

EXAMPLES = 12
_WITHOUT_END = "/v1/events"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with answering(tmp_path_factory.mktemp("schema")) as serving:
        fed(serving, texts(faulty(1500, 1200)))
        yield serving


schema = schemathesis.openapi.from_dict(document())


@schema.exclude(path=_WITHOUT_END).parametrize()
@settings(
    max_examples=EXAMPLES, phases=[Phase.generate], database=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_it_answers_as_described(case: Any, one: Serving) -> None:
    response = case.call(base_url=one.site.url, headers=one.bearer())
    case.validate_response(
        response,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )


def test_every_path_is_described_and_nothing_else() -> None:
    described = {(method.upper(), path) for path, of in document()["paths"].items() for method in of}
    assert described == {(one.method, one.path) for one in ENDPOINTS} | {("GET", _WITHOUT_END)}
    assert len(ENDPOINTS) == len({(one.method, one.path) for one in ENDPOINTS})
