"""What visitors and programs send: searches, pictures, the page, bad input, bodies that dribble.

For locust, which `benchmarks.load` runs in an environment of its own; it imports nothing of the
program. FOLDER names the pictures, GALLERY what is searched.
"""

import os
import random
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from locust import FastHttpUser, between, constant, task

GALLERY = os.environ["GALLERY"]
PICTURES = sorted(Path(os.environ["FOLDER"]).rglob("*.jpg"))
SECONDS_OF_A_DRIBBLE = 20
BUSY = 429
BAD = [
    ("a text", b"a shopping list " * 40, 422),
    ("nothing", b"", 422),
    ("half a picture", PICTURES[0].read_bytes()[:700], 422),
    ("a bomb", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\1\0\0" * 2 + b"\x08\2\0\0\0" * 40, 422),
    ("noise", b"RIFF\xff\xff\0\0WEBPVP8 " + random.Random(0).randbytes(5_000), 422),
    ("60 MB", PICTURES[0].read_bytes() + bytes(60_000_000), 413),
]


class Visitor(FastHttpUser):
    """Searches with pictures and looks at what is found."""

    weight = 10
    wait_time = between(0.5, 3)
    network_timeout = connection_timeout = 120

    def asked(self, method: str, path: str, name: str, expected: int = 200, **sent: Any) -> Any:
        """Send a request; it fails unless it is answered as expected, or 429 with a time."""
        with self.client.request(method, path, name=name, catch_response=True, **sent) as answer:
            status = answer.status_code
            if status == BUSY and answer.headers.get("Retry-After"):
                answer.request_meta["name"] = f"{name}: not now"
                answer.success()
            elif status == expected:
                answer.success()
            else:
                answer.failure(
                    f"{status}, not {expected}: {answer.text[:200] if answer.text else ''}"
                )
            return answer if status == 200 else None

    @task(8)
    def search(self) -> None:
        """Search with a picture, and look at some of what is found."""
        path = random.choice(PICTURES)
        answer = self.asked(
            "POST",
            f"/similarity-search?gallery={GALLERY}&k=20",
            "search with a picture",
            files={"file": (path.name, path.read_bytes())},
        )
        for result in (answer.json()["results"] if answer else [])[:4]:
            self.asked("GET", result["thumbnail_url"], "thumbnail")

    @task(6)
    def search_with_an_image(self) -> None:
        """Search with an image of the gallery."""
        self.asked(
            "POST",
            f"/similarity-search?gallery={GALLERY}&k=50",
            "search with an image",
            json={"id": random.randrange(9_000)},
        )

    @task(1)
    def search_with_several(self) -> None:
        """Search with four pictures in one request."""
        files = [
            ("files", (each.name, each.read_bytes())) for each in random.choices(PICTURES, k=4)
        ]
        self.asked(
            "POST", f"/similarity-search/batch?gallery={GALLERY}", "search with four", files=files
        )

    @task(2)
    def open_the_page(self) -> None:
        """Open the page."""
        self.asked("GET", "/", "page")
        self.asked("GET", "/galleries", "galleries")

    @task(2)
    def send_what_is_no_picture(self) -> None:
        """Search with what cannot be searched with."""
        name, data, expected = random.choices(BAD, weights=[4, 4, 4, 4, 4, 1])[0]
        self.asked(
            "POST",
            f"/similarity-search?gallery={GALLERY}",
            f"bad: {name}",
            expected,
            files={"file": ("a.jpg", data)},
        )

    @task(1)
    def ask_what_is_not_there(self) -> None:
        """Ask for galleries, images and addresses that there are not, or that are refused."""
        search = f"/similarity-search?gallery={GALLERY}"
        self.asked("POST", "/similarity-search?gallery=none", "bad: gallery", 404, json={"id": 1})
        self.asked("POST", search, "bad: image", 404, json={"id": 10**9})
        self.asked("POST", f"{search}&k=NaN", "bad: k", 422, json={"id": 1})
        self.asked("POST", search, "bad: address", 403, json={"url": "http://127.0.0.1/a.jpg"})
        self.asked("GET", "/nothing/here", "bad: path", 404)


class Dribbler(FastHttpUser):
    """Sends the beginning of a picture, a byte a second, and goes away."""

    weight = 1
    wait_time = constant(1)

    @task
    def dribble(self) -> None:
        """Begin an upload that does not end."""
        place = urlsplit(self.host or "")
        head = (
            f"POST /similarity-search?gallery={GALLERY} HTTP/1.1\r\nHost: {place.netloc}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 90000\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        )
        with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
            connection.sendall(head.encode())
            for _ in range(SECONDS_OF_A_DRIBBLE):
                connection.sendall(b"\xff")
                time.sleep(1)
