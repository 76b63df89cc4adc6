"""The service says what predict says, keeps to its limits, and keeps nothing of an image."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
import schemathesis
import tiny_models
from dicom_files import dicom
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from sonotrace import cli
from sonotrace.images.grey import encode_png
from sonotrace.predict import command
from sonotrace.predict.search import Search
from sonotrace.predict.trust import Trust
from sonotrace.serve.service import Limits, service

BRAIN = encode_png(np.full((32, 64), tiny_models.LEVELS["brain"], np.uint8))
SECRET = "s3cret"  # noqa: S105
FAR = encode_png(np.full((32, 64), tiny_models.FAR, np.uint8))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    tiny_models.write(folder)
    return command.load_models(command.choose(folder, None, None), Trust(folder, allow_unknown=True))


@pytest.fixture
def client(loaded):
    trusted, models = loaded
    with TestClient(service(models, trusted, Search(), Limits(megabytes=1))) as one:
        yield one


def test_an_image_gets_its_plane_its_boxes_and_the_hashes_of_the_models(client):
    said = client.post("/predict?name=a.png", content=BRAIN).json()
    (image,) = said["images"]
    assert image["plane"] == "brain"
    assert image["structures"] == [{"structure": "CSP", "confidence": 0.9, "box": [16, 8, 48, 24]}]
    assert set(said["models"]) == {"planes", "structures"}
    assert said["models"] == client.get("/health").json()["models"]


def test_an_image_of_no_plane_gets_none_and_the_reason(client):
    (image,) = client.post("/predict", content=FAR).json()["images"]
    assert image["plane"] is None
    assert image["reason"] == "none of the four planes"
    assert sum(image["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_a_dicom_file_is_taken_and_its_identifiers_come_back_nowhere(client):
    content = dicom(np.full((40, 80), tiny_models.LEVELS["brain"], np.uint8), PatientName="Muster^Erika")
    answer = client.post("/predict", content=content)
    assert answer.json()["images"][0]["plane"] == "brain"
    assert "Muster" not in answer.text
    assert "Muster" not in client.get("/metrics").text


@pytest.mark.parametrize(
    ("content", "status", "detail"),
    [
        (b"", 422, "the body is empty"),
        (b"no image", 422, "a.png: "),
        (BRAIN[:40], 422, "a.png: "),
        (bytes(1_000_001), 413, "larger than 1 MB"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(client, content, status, detail):
    answer = client.post("/predict?name=a.png", content=content)
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(detail)
    assert client.post("/predict", content=BRAIN).status_code == 200


def test_a_body_that_hides_its_length_is_cut_off_too(client):
    answer = client.post("/predict", content=(bytes(100_000) for _ in range(20)))
    assert answer.status_code == 413


def test_with_a_token_only_who_sends_it_is_answered(loaded):
    trusted, models = loaded
    with TestClient(service(models, trusted, Search(), Limits(), token=SECRET)) as client:
        assert client.get("/health").status_code == 200
        for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "Basic s3cret"}):
            assert client.post("/predict", content=BRAIN, headers=headers).status_code == 401
            assert client.get("/metrics", headers=headers).status_code == 401
        assert client.post("/predict", content=BRAIN, headers={"Authorization": "Bearer s3cret"}).status_code == 200


def test_more_than_may_wait_are_turned_away_and_can_come_back(loaded):
    trusted, models = loaded
    app = service(models, trusted, Search(), Limits(waiting=2, threads=1))

    async def together():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            asked = [client.post("/predict", content=BRAIN) for _ in range(20)]
            first = [answer.status_code for answer in await asyncio.gather(*asked)]
            return first, (await client.post("/predict", content=BRAIN)).status_code

    first, later = asyncio.run(together())
    assert set(first) == {200, 503}
    assert later == 200


def test_an_answer_that_takes_too_long_is_given_up_and_its_thread_stays_counted(loaded):
    trusted, models = loaded
    at_once, most = 0, 0

    class Slow(type(models)):
        def say(self, name, images, search):
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            time.sleep(0.3)
            at_once -= 1
            return super().say(name, images, search)

    slow = Slow(models.classifier, models.detector)
    app = service(slow, trusted, Search(), Limits(seconds=0.1, threads=1))

    async def together():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            asked = [client.post("/predict", content=BRAIN) for _ in range(5)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert asyncio.run(together()) == [504] * 5
    assert most == 1


def test_an_image_that_does_not_arrive_is_given_up(loaded):
    trusted, models = loaded
    app = service(models, trusted, Search(), Limits(seconds=0.1))

    async def slowly():
        yield BRAIN[:10]
        await asyncio.sleep(1)
        yield BRAIN[10:]

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return (await client.post("/predict", content=slowly())).status_code

    assert asyncio.run(ask()) == 408


def test_metrics_count_answers_by_plane_and_refusals_by_status(client):
    client.post("/predict", content=BRAIN)
    client.post("/predict", content=FAR)
    client.post("/predict", content=b"no image")
    found = client.get("/metrics").text
    assert 'sonotrace_answers_total{plane="brain"} 1.0' in found
    assert 'sonotrace_answers_total{plane="none"} 1.0' in found
    assert 'sonotrace_requests_total{status="422"} 1.0' in found
    assert "sonotrace_waiting 0.0" in found


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(client):
    answer = client.get("/")
    assert "<title>sonotrace</title>" in answer.text
    assert re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", answer.text) == []
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("token", [None, SECRET])
def test_the_description_holds_for_whatever_is_sent(loaded, token):
    trusted, models = loaded
    app = service(models, trusted, Search(), Limits(megabytes=1), token)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    operations = [found.ok() for found in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations()]
    assert {operation.path for operation in operations} == {"/health", "/predict"}
    for operation in operations:

        @given(operation.as_strategy())
        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        def check(case):
            case.call_and_validate(
                headers=headers, excluded_checks=[positive_data_acceptance]
            )  # not all bytes are images

        check()


def test_the_command_serves_until_it_is_stopped_and_refuses_to_be_open_without_a_token(tmp_path):
    tiny_models.write(tmp_path / "models")
    env = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    env.pop("SONOTRACE_TOKEN", None)
    start = [sys.executable, "-m", "sonotrace", "serve", "--allow-unknown", "--port", "0"]
    done = subprocess.run(
        [*start, "--host", "192.0.2.1"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "error: --host 192.0.2.1: others could use the service; set SONOTRACE_TOKEN to a secret that they must send\n"
    )
    with (
        (tmp_path.parent / "said").open("w+") as said,
        subprocess.Popen(start, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=said, text=True) as server,
    ):
        address = re.search(r"http://\S+(?=;)", next(line for line in server.stdout if line.startswith("serve: ")))[0]
        for _ in range(50):
            try:
                answer = httpx.post(f"{address}/predict", content=BRAIN)
                break
            except httpx.TransportError:
                pass
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as giving_up:
            giving_up.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
        assert httpx.post(f"{address}/predict", content=BRAIN).json() == answer.json()
        server.send_signal(signal.SIGINT)
        server.wait(20)
    assert answer.json()["images"][0]["plane"] == "brain"
    assert "Traceback" not in (tmp_path.parent / "said").read_text()
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["planes.onnx", "structures.onnx"]


def test_a_name_cannot_break_the_line_of_a_message(client):
    detail = client.post("/predict?name=a%0Ab%1B[2J.png", content=b"no image").json()["detail"]
    assert detail.isprintable()
    assert detail.startswith(r"a\nb\x1b[2J.png: ")


def test_a_length_of_thousands_of_digits_is_refused(client):
    answer = client.post("/predict", content=BRAIN, headers={"Content-Length": "9" * 5000})
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/predict/?%ff", "/health/?a"])
def test_a_path_with_a_slash_at_its_end_is_not_redirected(client, path):
    assert client.get(path, follow_redirects=False).status_code == 404


def test_a_query_that_is_not_utf8_ends_in_an_answer(loaded):
    trusted, models = loaded
    scope = {"type": "http", "method": "GET", "path": "/health/", "query_string": b"\xa4", "headers": []}
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    asyncio.run(service(models, trusted, Search(), Limits())(scope, receive, send))
    assert sent[0]["status"] == 404
