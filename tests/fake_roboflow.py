"""A server on the loopback address that speaks as much of Roboflow's API as the `roboflow` package asks for.

    with FakeRoboflow() as fake:                      # API_URL=fake.url, ROBOFLOW_API_KEY=fake.key
        fake.api = [500, 500, 500]                    # the next three answers of the API, then it works

    python tests/fake_roboflow.py --port 8080 --download cut,429 --polls 4

Its errors repeat the key and its links are signed, as a careless server's might be: nothing of that
may come out anywhere.
"""

import argparse
import io
import json
import sys
import threading
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

NAMES = ["MIDLINE_FALX", "CSP", "CHOROID_PLEXUS"]
PLANES = ["Fetal abdomen", "Fetal brain", "Fetal femur", "Fetal thorax"]
PREPROCESSING = {"resize": {"width": 640, "height": 640, "format": "Stretch to"}, "auto-orient": True}
AUGMENTATION = {"rotate": {"degrees": 15}, "image": {"versions": 2}, "blur": {"pixels": 1.5}}
SIGNATURE = "c0ffee5167ed"


@dataclass
class FakeRoboflow:
    """One workspace with one project; what is set here may be changed while it serves."""

    key: str = "rf-Key-0f-The-Fake"
    workspace: str = "hospital"
    project: str = "fetal-head"
    versions: list[int] = field(default_factory=lambda: [1, 2, 5])
    patients: int = 12
    port: int = 0
    polls: int = 0
    """How often the export is still being made before it is ready."""
    generating: int = 0
    """How often the version itself is still being made."""
    changed_label: bool = False
    """Whether one label of the export differs."""
    hostile: bool = False
    """Whether the zip has a member that leads out of it."""
    fields: dict[str, Any] = field(default_factory=dict)
    """What replaces or extends each version's entry."""
    api: list[str | int] = field(default_factory=list)
    """What becomes of the next requests to the API: a status, `html`, `cut`, `hang` (for half a second), or `ok`."""
    download: list[str | int] = field(default_factory=list)
    """What becomes of the next downloads: a status, `html`, `cut` (at 60 %), `short` (a wrong length), or `ok`."""
    retry_after: str = "1"
    """What a 429 says."""
    asked: list[str] = field(default_factory=list)
    """Method and path of every request so far."""
    url: str = ""

    def __post_init__(self) -> None:
        """Make the store of exports."""
        self._exports: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        """Start to serve."""
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = _Server(("127.0.0.1", self.port), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, parts: list[str], key: str) -> tuple[int, Mapping[str, Any]]:
        """Return status and body of the API's answer for a path."""
        if key != self.key:
            return 401, _error(f"This API key ({key}) does not exist (or has been revoked).", "OAuthException")
        if not parts:
            return 200, {"welcome": "Welcome to the Roboflow API.", "workspace": self.workspace}
        if parts[0] != self.workspace:
            return 404, _error(f"No workspace {parts[0]} for {key}", "GraphMethodException")
        if len(parts) == 1:
            return 200, {"workspace": self._workspace() | {"projects": [self._project()]}}
        if parts[1] != self.project:
            return 404, _error(f"No project {parts[1]} for {key}", "GraphMethodException")
        if len(parts) == 2:
            entries = [self._version(number) for number in self.versions]
            return 200, {"workspace": self._workspace(), "project": self._project(), "versions": entries}
        if not parts[2].isdigit() or int(parts[2]) not in self.versions:
            return 404, _error(f"No version {parts[2]} for {key}", "GraphMethodException")
        if len(parts) == 3:
            entry = self._version(int(parts[2]))
            if self.generating:
                self.generating -= 1
                entry |= {"generating": True, "images": 0, "progress": 0.25}
            return 200, {"workspace": self._workspace(), "project": self._project(), "version": entry}
        if parts[3] not in _MEMBERS:
            return 400, _error(f"No format {parts[3]} for {key}", "GraphMethodException")
        return self._export(int(parts[2]), parts[3])

    def zip(self, token: str) -> bytes | None:
        """Return the zip file behind a link."""
        return self._exports.get(token)

    def _export(self, version: int, form: str) -> tuple[int, Mapping[str, Any]]:
        if self.polls:
            self.polls -= 1
            return 202, {"progress": round(1 / (self.polls + 2), 2)}
        token = f"export-{len(self._exports)}"
        self._exports[token] = self._make(version, form, len(self._exports))
        link = f"{self.url}/storage/{token}.zip?X-Goog-Signature={SIGNATURE}&key={self.key}"
        return 200, {
            "workspace": self._workspace(),
            "project": self._project(),
            "version": self._version(version),
            "export": {"format": form, "link": link},
        }

    def _make(self, version: int, form: str, turn: int) -> bytes:
        """Make the zip anew: other bytes each time, of the same files but for the read-me's date."""
        members = _MEMBERS[form](self.patients, self.changed_label)
        if form == "yolov8":
            about = {"workspace": self.workspace, "project": self.project, "version": version, "license": "CC BY 4.0"}
            members["data.yaml"] += f"\nroboflow: {json.dumps(about)}\n".encode()
        members["README.dataset.txt"] = b"# fetal-head\n\nProvided by a Roboflow user\nLicense: CC BY 4.0\n"
        members["README.roboflow.txt"] = (
            f"\nfetal-head - v{version}\n==============================\n\n"
            f"This dataset was exported via roboflow.com on November {turn % 28 + 1}, 2025 at 10:00 AM GMT\n"
        ).encode()
        if self.hostile:
            members["../outside.txt"] = b"outside"
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(zipfile.ZipInfo(name, (2025, 11, turn % 28 + 1, 10, 0, 0)), data)
        return content.getvalue()

    def _workspace(self) -> dict[str, Any]:
        return {"name": self.workspace, "url": self.workspace, "members": 3}

    def _project(self) -> dict[str, Any]:
        return {
            "id": f"{self.workspace}/{self.project}",
            "type": "object-detection",
            "name": self.project,
            "created": 1700000000.5,
            "updated": 1700000100.5,
            "images": self.patients,
            "unannotated": 0,
            "annotation": "structures",
            "public": False,
            "splits": {"train": self.patients},
            "classes": dict.fromkeys(NAMES, self.patients),
            "colors": dict.fromkeys(NAMES, "#00FFCE"),
        }

    def _version(self, number: int) -> dict[str, Any]:
        return {
            "id": f"{self.workspace}/{self.project}/{number}",
            "name": f"v{number}",
            "created": 1700000000.5 + number,
            "images": self.patients,
            "splits": {"train": self.patients},
            "preprocessing": PREPROCESSING,
            "augmentation": AUGMENTATION,
            "exports": ["yolov8"],
        } | self.fields


def _error(message: str, kind: str) -> Mapping[str, Any]:
    return {"error": {"message": message, "type": kind, "hint": "https://docs.roboflow.com"}}


class _Server(ThreadingHTTPServer):
    """Serve without a word about clients that hang up."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show any other error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answer one request."""

    fake: FakeRoboflow
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.fake.asked.append(f"{self.command} {address.path}")
        parts = [part for part in address.path.split("/") if part]
        if parts[:1] == ["storage"]:
            self._download(parts[1].removesuffix(".zip"))
            return
        how = self.fake.api.pop(0) if self.fake.api else "ok"
        key = parse_qs(address.query).get("api_key", [""])[0]
        if how == "hang":
            time.sleep(0.5)
            how = "ok"
        if how == "cut":
            self.close_connection = True
        elif how == "html":
            self._send(200, b"<html>Please log in to the guest network</html>", "text/html")
        elif how == "ok":
            status, body = self.fake.answer(parts, key)
            self._send(status, json.dumps(body).encode(), "application/json")
        else:
            body = _error(f"Refused {key}", "OAuthException")
            self._send(int(how), json.dumps(body).encode(), "application/json")

    def _download(self, token: str) -> None:
        content = self.fake.zip(token)
        how = self.fake.download.pop(0) if self.fake.download else "ok"
        if content is None:
            self._send(404, b"<Error>NoSuchKey</Error>", "application/xml")
        elif how == "html":
            self._send(200, b"<html>Please log in to the guest network</html>", "text/html")
        elif how in ("ok", "cut", "short"):
            self._send_part(content, token, str(how))
        else:
            self._send(int(how), b"<Error>SlowDown</Error>", "application/xml")

    def _send_part(self, content: bytes, token: str, how: str) -> None:
        """Send the zip, from where the client asks on."""
        wanted = self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        if self.headers.get("If-Range", f'"{token}"') != f'"{token}"':
            start = 0
        rest = content[start:]
        headers = {"ETag": f'"{token}"', "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        sent = rest if how == "ok" else rest[: len(rest) * 6 // 10]
        stated = len(rest) if how == "cut" else len(sent)
        self._send(206 if start else 200, sent, "application/zip", headers, stated)
        if how == "cut":
            self.close_connection = True

    def _send(
        self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if status == 429 and self.fake.retry_after:
            self.send_header("Retry-After", self.fake.retry_after)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def _sides(patients: int) -> list[tuple[str, str, int]]:
    """List side, image name and number: in `train` two copies of each source image, one a patient."""
    listed = []
    for patient in range(patients):
        side = {5: "valid", 6: "test"}.get(patient % 7, "train")
        listed += [
            (side, f"{patient:03d}_HC_png.rf.{patient * 2 + copy:032x}", patient * 2 + copy)
            for copy in range(2 if side == "train" else 1)
        ]
    return listed


def _jpeg(number: int) -> bytes:
    """Draw speckle with a bright ellipse, 96 px wide and 64 high, another for each number."""
    y, x = np.mgrid[:64, :96]
    inside = ((x - 48) / 40) ** 2 + ((y - 32) / 26) ** 2 < 1
    speckle = np.random.default_rng(number).rayleigh(40, (64, 96)) * np.where(inside, 1.2, 0.4)
    content = io.BytesIO()
    Image.fromarray(speckle.clip(0, 255).astype(np.uint8)).save(content, "JPEG", quality=90)
    return content.getvalue()


def _yolov8(patients: int, changed: bool) -> dict[str, bytes]:
    card = f"train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: {len(NAMES)}\nnames: {NAMES}\n"
    members = {"data.yaml": card.encode()}
    for side, name, number in _sides(patients):
        size = 0.31 if changed and number == 0 else 0.3
        boxes = [(0, 0.5, 0.5, 0.7, 0.1), (1, 0.4, 0.4, 0.2, 0.2), (2, 0.6, 0.5, size, 0.2)]
        members[f"{side}/images/{name}.jpg"] = _jpeg(number)
        members[f"{side}/labels/{name}.txt"] = "\n".join(" ".join(map(str, box)) for box in boxes).encode()
    return members


def _coco(patients: int, changed: bool) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    cards: dict[str, dict[str, Any]] = {}
    for side, name, number in _sides(patients):
        members[f"{side}/{name}.jpg"] = _jpeg(number)
        categories = [{"id": index + 1, "name": word, "supercategory": "head"} for index, word in enumerate(NAMES)]
        card = cards.setdefault(
            side,
            {
                "info": {"version": "2", "contributor": "", "date_created": "2025-11-01T10:00:00+00:00"},
                "licenses": [{"id": 1, "url": "https://creativecommons.org/licenses/by/4.0/", "name": "CC BY 4.0"}],
                "categories": [{"id": 0, "name": "head", "supercategory": "none"}, *categories],
                "images": [],
                "annotations": [],
            },
        )
        image = len(card["images"])
        card["images"].append({"id": image, "license": 1, "file_name": f"{name}.jpg", "height": 64, "width": 96})
        size = 30 if changed and number == 0 else 29
        for category, box in ((1, [14, 29, 67, 6]), (2, [29, 19, 19, 13]), (3, [43, 26, size, 13])):
            card["annotations"].append(
                {
                    "id": len(card["annotations"]),
                    "image_id": image,
                    "category_id": category,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "segmentation": [],
                    "iscrowd": 0,
                }
            )
    return members | {f"{side}/_annotations.coco.json": json.dumps(card).encode() for side, card in cards.items()}


def _folder(patients: int, changed: bool) -> dict[str, bytes]:
    members = {}
    for side, name, number in _sides(patients):
        plane = PLANES[(number // 2 + (changed and number == 0)) % len(PLANES)]
        members[f"{side}/{plane}/Patient{number // 2:05d}_Plane_{name[3:]}.jpg"] = _jpeg(number)
    return members


_MEMBERS = {"yolov8": _yolov8, "coco": _coco, "folder": _folder}


def main() -> None:
    """Serve until interrupted; the first line on standard output is the address."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default=FakeRoboflow.key)
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--polls", type=int, default=0)
    parser.add_argument("--generating", type=int, default=0)
    parser.add_argument("--api", default="", help="what becomes of the first requests, by commas")
    parser.add_argument("--download", default="", help="what becomes of the first downloads, by commas")
    parser.add_argument("--changed-label", action="store_true")
    parser.add_argument("--hostile", action="store_true")
    settings = vars(parser.parse_args())
    for queue in ("api", "download"):
        settings[queue] = [word for word in settings[queue].split(",") if word]
    with FakeRoboflow(**settings) as fake:
        print(fake.url, flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
