"""Every command of docs/api.md, as a shell runs it, against a daemon that runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from detector.web.endpoints import ENDPOINTS
from tests.web.answering import answering, faulty, fed, got, texts

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


@pytest.mark.skipif(shutil.which("curl") is None, reason="apt-get install curl")
def test_its_commands_do_what_they_say(tmp_path: Path) -> None:
    with answering(tmp_path) as one:
        fed(one, texts(faulty(1230, 1200)))
        (alert,) = got(one, "/v1/alerts?status=open")["alerts"]
        environ = os.environ | {"KYORI": one.site.url, "TOKEN": one.site.token, "ALERT": alert["id"]}
        said = {}
        for command in COMMANDS:
            done = subprocess.run(
                ["bash", "-c", command], env=environ, capture_output=True, text=True, timeout=30, check=False
            )
            said[command] = done.stdout
            assert done.returncode in (0, 28), (command, done)  # 28: a stream without end, cut off
            if "events" in command:
                assert "event: tick" in done.stdout
            else:
                assert "error" not in json.loads(done.stdout), (command, done.stdout)
        assert got(one, f"/v1/alerts/{alert['id']}")["alert"]["class"] == "leak"
        (score,) = next(json.loads(text) for command, text in said.items() if "/v1/score" in command)[
            "results"
        ]
        assert score["level"] is not None and not score["error"]


def test_it_names_what_there_is() -> None:
    named = {
        path.partition("?")[0].replace("$ALERT", "{id}")
        for path in re.findall(r"/v1/[\w/$]+(?:\.json)?", PAGE)
    }
    there = {one.path for one in ENDPOINTS} | {"/v1/events", "/v1/openapi.json"}
    assert named <= there
    assert there - named <= {"/v1/alerts/{id}/unack", "/v1/silences/{id}"}
