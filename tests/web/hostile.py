"""Requests that nobody with good intentions sends, and the code that each is refused with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

CSRF, JSON = "X-Doneness-CSRF", "application/json"


@dataclass(frozen=True)
class Case:
    """One request. `raw` is sent byte by byte where it is given; RUN, PORT and CSRF are filled in."""

    name: str
    status: int
    target: str = "/api/runs"
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bytes = b""
    server: str = "open"


def post(name: str, status: int, target: str, told: Any, server: str = "open", **headers: str | None) -> Case:
    """A change as a page sends it, but for what is given."""
    usual: dict[str, str | None] = {"Content-Type": JSON, "Origin": "http://127.0.0.1:PORT", CSRF: "CSRF"}
    usual |= {key.replace("_", "-"): value for key, value in headers.items()}
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return Case(name, status, target, "POST", {k: v for k, v in usual.items() if v is not None}, body, b"", server)


def traversal() -> list[Case]:
    """Addresses that try to leave the folder, or to name a place instead of a run."""
    outside = [
        ("/../../etc/passwd", 400), ("/..", 400), ("/run/../../../etc/passwd", 400), ("/static/../../etc/passwd", 400),
        ("/%2e%2e/%2e%2e/etc/passwd", 400), ("/static/v/%2e%2e/%2e%2e/pages.py", 400), ("/run/%2e%2e", 400),
        ("/static/v/..%2f..%2fpages.py", 400), ("/static/v/..%5c..%5cpages.py", 400), ("/api/run/..%2f..%2fetc", 400),
        ("/static/v/%252e%252e%252fpages.py", 404), ("/static/v/....//pages.py", 404), ("/static/v/pages.py", 404),
        ("/static/v/%c0%ae%c0%ae%c0%afpages.py", 404), ("/static/v/app.css%00.html", 400), ("/static/v/", 404),
        ("/static/v/C:%5cwindows", 400), ("/static/v/%2fetc%2fpasswd", 404), ("//etc/passwd", 404),
        ("/file:///etc/passwd", 404), ("/run/mine", 404), ("/run/mine/journal.jsonl", 404), ("/runs/mine", 404),
        ("/api/run/mine", 404), ("/api/run/mine/series", 404), ("/api/run/.", 404), ("/api/run/%00", 400),
        ("/api/run/~root", 404), ("/api/run/RUN%00", 400), ("/api/run/RUN%2f..%2f..", 400), ("/api/run/RUN/../..", 400),
        ("/api/run/RUN/series/journal.jsonl", 404), ("/mine/journal.jsonl", 404), ("/journal.jsonl", 404),
        ("/.git/config", 404), ("/.env", 404), ("/api/run/" + "a" * 3000, 404), ("/api/run/%0d%0aSet-Cookie:a=b", 404),
        ("/api/compare?run=../../etc/passwd", 404), ("/compare?run=mine", 404), ("/api/run/RUN\\..\\..", 400),
    ]  # fmt: skip
    return [Case(f"traversal {target[:60]}", status, target) for target, status in outside]


def hosts() -> list[Case]:
    """Names that are not this server's: what a name bound anew would send."""
    names = [
        "evil.example", "evil.example:PORT", "localhost.evil.example:PORT", "127.0.0.1.evil.example:PORT", "127.0.0.1",
        "localhost", "127.0.0.1:1", "127.0.0.1:PORT0", "0.0.0.0:PORT", "[::]:PORT", "10.0.0.1:PORT",
        "169.254.169.254:PORT", "user@127.0.0.1:PORT", "127.1:PORT", "0x7f.0.0.1:PORT", "2130706433:PORT",
        "localhost.:PORT", "127.0.0.1:PORT:PORT", "[::1", "[::1]evil:PORT", "127.0.0.1:PORT/", "127.0.0.1 :PORT",
        "*:PORT",
    ]  # fmt: skip
    found = [Case(f"host {name}", 421, headers={"Host": name}) for name in names]
    twice = b"GET /api/runs HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nHost: evil.example\r\n\r\n"
    none = b"GET /api/runs HTTP/1.1\r\n\r\n"
    old = b"GET /api/runs HTTP/1.0\r\n\r\n"
    return [
        *found,
        Case("host twice", 400, raw=twice),
        Case("host none", 400, raw=none),
        Case("host 1.0", 421, raw=old),
    ]


def sites() -> list[Case]:
    """What pages of other sites can have a browser send."""
    stop = {"action": "stop", "who": "Eve"}
    control = "/api/run/RUN/control"
    origins = [
        "http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "http://localhost:PORT",
        "http://127.0.0.1:PORT.evil.example", "http://127.0.0.1:PORT@evil.example", "file://", "", "http://evil.example:PORT",
        "chrome-extension://abcdef", "http://127.0.0.1:PORT/",
    ]  # fmt: skip
    found = [post(f"origin {o}", 403, control, stop, Origin=o) for o in origins]
    found += [Case(f"read by {o}", 403, headers={"Origin": o}) for o in ("http://evil.example", "null")]
    for site, mode, dest in (
        ("cross-site", "cors", "empty"), ("cross-site", "no-cors", "script"), ("cross-site", "no-cors", "image"),
        ("same-site", "cors", "empty"), ("cross-site", "navigate", "iframe"), ("cross-site", "navigate", "frame"),
        ("cross-site", "no-cors", "style"), ("nonsense", "cors", "empty"),
    ):  # fmt: skip
        told = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
        found.append(Case(f"fetched {site} {mode} {dest}", 403, headers=told))
    found += [
        post(
            "a form from elsewhere",
            403,
            control,
            stop,
            **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        ),
        post("csrf none", 403, control, stop, **{CSRF: None}),
        post("csrf empty", 403, control, stop, **{CSRF: ""}),
        post("csrf wrong", 403, control, stop, **{CSRF: "0" * 64}),
        post("csrf cut", 403, control, stop, **{CSRF: "CSRFCUT"}),
        post("csrf twice over", 403, control, stop, **{CSRF: "CSRFCSRF"}),
        post("csrf in a cookie", 403, control, stop, Cookie="csrf=CSRF", **{CSRF: None}),
        post("csrf in the address", 403, control + "?csrf=CSRF", stop, **{CSRF: None}),
        post("csrf of odd letters", 403, control, stop, **{CSRF: "\xe4" * 64}),
    ]
    for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "text/json",
                  "application/jsonp", "application/xml"):  # fmt: skip
        found.append(post(f"media {media}", 415, control, stop, **{"Content-Type": media}))
    found.append(post("media none", 415, control, stop, **{"Content-Type": None}))
    return found


def tokens() -> list[Case]:
    """Who has no token, or makes one up."""
    cookies = [
        "", "doneness=", "doneness=TOKEN", "doneness=0", "doneness=" + "0" * 64, "doneness=" + "f" * 3000, "doneness",
        'doneness="; doneness=1', "DONENESS=COOKIE", "doneness=COOKIECUT", "doneness=COOKIE0", "other=COOKIE",
        "doneness=null; doneness=true", "doneness=%00", "doneness=\xff\xfe",
    ]  # fmt: skip
    found = [Case(f"cookie {c[:30]!r}", 403, headers={"Cookie": c} if c else {}, server="token") for c in cookies]
    found += [
        Case("token in the address", 403, "/api/runs?token=TOKEN", server="token"),
        Case("token by basic", 403, headers={"Authorization": "Basic VE9LRU4="}, server="token"),
        Case("events without", 403, "/api/events", server="token"),
        Case("a run without", 403, "/api/run/RUN", server="token"),
        Case("votes without", 403, "/api/run/RUN/review/export", server="token"),
        Case("head without", 403, method="HEAD", server="token"),
        post("a change without", 403, "/api/run/RUN/control", {"action": "stop", "who": "E"}, "token"),
        post("a vote without", 403, "/api/run/RUN/review/vote", {"token": "x", "vote": "1"}, "token"),
    ]
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://127.0.0.1:PORT"}

    def login(name: str, status: int, body: str, **more: str) -> Case:
        return Case(f"login {name}", status, "/login", "POST", form | more, body.encode(), server="token")

    found += [
        login("without csrf", 403, "token=TOKEN&next=/"),
        login("with a forged one", 403, "token=TOKEN&csrf=0000"),
        login("from elsewhere", 403, "token=TOKEN&csrf=CSRF", Origin="http://evil.example"),
        login("as JSON", 415, "{}", **{"Content-Type": JSON}),
        login("with many fields", 400, "&".join(f"a{i}=1" for i in range(50))),
        login("too long", 413, "token=" + "x" * 70_000),
        Case(
            "login from nowhere", 403, "/login", "POST", {"Content-Type": form["Content-Type"]}, b"a=1", server="token"
        ),
    ]
    # Five wrong ones, and then not even a look at any.
    found += [Case(f"bearer {i}", 403, headers={"Authorization": f"Bearer {i}"}, server="token") for i in range(5)]
    found += [Case("one bearer more", 429, headers={"Authorization": "Bearer TOKEN"}, server="token")]
    found += [login("after too many", 429, "token=TOKEN&csrf=CSRF")]
    return found


def sizes() -> list[Case]:
    """Too much of anything."""
    control, chunk = "/api/run/RUN/control", b"%x\r\n" % 40_000 + b" " * 40_000 + b"\r\n"
    head = (
        b"POST /api/run/RUN/control HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:PORT\r\n"
        b"Content-Type: application/json\r\nx-doneness-csrf: CSRF\r\n"
    )
    many = {f"X-{i}": "1" for i in range(70)}
    return [
        post("a large body", 413, control, b" " * 65_537),
        post("a very large body", 413, control, b" " * 200_000),
        Case("a length that lies", 413, raw=head + b"Content-Length: 99999999999\r\n\r\n{}"),
        Case("a length that is no number", 400, raw=head + b"Content-Length: 0x10\r\n\r\n{}"),
        Case("a negative length", 400, raw=head + b"Content-Length: -1\r\n\r\n"),
        Case("two lengths", 400, raw=head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        Case("a length and chunks", 400, raw=head + b"Content-Length: 2\r\nTransfer-Encoding: gzip\r\n\r\n{}"),
        Case("in chunks", 413, raw=head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n"),
        Case("a long address", 414, "/api/runs?x=" + "a" * 5000),
        Case("a very long address", 414, "/api/runs?x=" + "a" * 30_000),
        Case("a long header", 431, headers={"X-Long": "a" * 9000}),
        Case("a very long header", 431, headers={"X-Long": "a" * 30_000}),
        Case("many headers", 431, headers=many),
        Case("long cookies", 431, headers={"Cookie": "a=" + "b" * 9000}),
        Case("a line break in the address", 400, raw=b"GET /a\r\nb HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n"),
        Case("no HTTP at all", 400, raw=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        Case("a header folded", 400, raw=b"GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n folded\r\nX\r\n\r\n"),
    ]


def bodies() -> list[Case]:
    """JSON that is none, or says nothing that can be done."""
    control, review = "/api/run/RUN/control", "/api/run/PROBED/review"
    good = {"token": "t", "vote": "1", "reviewer": "Ann"}
    found = [
        post(f"body {body[:20]!r}", 400, control, body)
        for body in (
            b"",
            b"{",
            b"[]",
            b"3",
            b'"stop"',
            b"null",
            b"[" * 30_000,
            b'{"a":' * 5000,
            b"\xff\xfe{}",
            b"{'a': 1}",
        )
    ]
    wrong: list[dict[str, Any]] = [
        {"action": "dance", "who": "E"}, {"action": "", "who": "E"}, {"who": "E"}, {"action": "stop"},
        {"action": 3, "who": "E"},
        {"action": "stop", "who": ""}, {"action": "stop", "who": "  "}, {"action": "stop", "who": 3},
        {"action": "stop", "who": "x" * 81}, {"action": "keep", "who": "E", "step": "20"},
        {"action": "keep", "who": "E", "step": 20.0}, {"action": "keep", "who": "E", "step": True},
        {"action": ["stop"], "who": "E"}, {"action": "stop", "who": "\ud800"},
        {"action": "keep", "who": "E", "step": [1]},
    ]  # fmt: skip
    found += [post(f"control {json.dumps(each)[:50]}", 400, control, each) for each in wrong]
    found += [
        post("keep what is not there", 409, control, {"action": "keep", "who": "E", "step": 21}),
        post("keep before all steps", 409, control, {"action": "keep", "who": "E", "step": -1}),
        post("stop what has ended", 409, "/api/run/PROBED/control", {"action": "stop", "who": "E"}),
        post("stop another tool's", 409, "/api/run/FOREIGN/control", {"action": "stop", "who": "E"}),
        post("stop what is not there", 404, "/api/run/000000000000/control", {"action": "stop", "who": "E"}),
        post("a vote on another tool's", 409, "/api/run/FOREIGN/review/next", {"reviewer": "E"}),
        post("a vote where nothing was asked", 409, "/api/run/RUN/review/next", {"reviewer": "E"}),
        post("a vote with no token", 400, f"{review}/vote", {**good, "token": ""}),
        post("a vote with a made-up token", 409, f"{review}/vote", good),
        post("a vote with a token for SQL", 409, f"{review}/vote", {**good, "token": "' OR 1=1 --"}),
        post("a vote with another's token", 409, f"{review}/vote", {**good, "token": "SHOWN", "reviewer": "Eve"}),
        post("no such vote", 400, f"{review}/vote", {**good, "vote": "3"}),
        post("a vote that is a number", 400, f"{review}/vote", {**good, "vote": 1}),
        post("a vote by nobody", 400, f"{review}/vote", {**good, "reviewer": ""}),
        post("a vote by a long name", 400, f"{review}/vote", {**good, "reviewer": "x" * 81}),
        post("tags of a third side", 400, f"{review}/vote", {**good, "tags": {"3": ["unsafe"]}}),
        post("no such tag", 400, f"{review}/vote", {**good, "tags": {"1": ["<script>"]}}),
        post("tags that are a text", 400, f"{review}/vote", {**good, "tags": "unsafe"}),
        post("tags that are numbers", 400, f"{review}/vote", {**good, "tags": {"1": [1]}}),
        post("a rewrite too long", 400, f"{review}/vote", {**good, "rewrite": "x" * 20_001}),
        post("a rewrite that is a list", 400, f"{review}/vote", {**good, "rewrite": []}),
        post("next for nobody", 400, f"{review}/next", {}),
        post("undo for nobody", 400, f"{review}/undo", {"reviewer": None}),
    ]
    return found


def queries() -> list[Case]:
    """Numbers that are none, axes that are not there, too many of something."""
    series = "/api/run/RUN/series"
    wrong = [
        f"{series}?points=abc", f"{series}?points=-1", f"{series}?points=1e3", f"{series}?points=%F0%9D%9F%8F",
        f"{series}?points=" + "9" * 40, f"{series}?from=nan", f"{series}?to=inf", f"{series}?from=1;2",
        f"{series}?axis=wall", f"{series}?axis=__class__", "/api/run/PROBED/answers?page=x",
        "/api/run/PROBED/answers?step=-5", "/api/run/PROBED/answers?step=1.5", "/api/compare?axis=evil",
        "/api/run/PROBED/review/export?as=html", "/api/run/PROBED/review/export?as=../x",
        "/api/run/FOREIGN/series?axis=tokens",
        "/api/compare?" + "&".join(f"run={i:012x}" for i in range(13)),
        "/compare?" + "&".join(f"run={i}" for i in range(40)),
    ]  # fmt: skip
    return [Case(f"query {target[:70]}", 400, target) for target in wrong]


def methods() -> list[Case]:
    """Other ways of asking, and changes where only looking is allowed."""
    found = [Case(f"method {m}", 405, method=m) for m in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND")]
    found += [
        post("a list that is posted", 405, "/api/runs", {}),
        post("a page that is posted", 405, "/run/RUN", {}),
        Case("a stop by looking", 405, "/api/run/RUN/control?action=stop&who=E"),
        Case("a vote by looking", 405, "/api/run/PROBED/review/vote?vote=1"),
        Case("an undo by looking", 405, "/api/run/PROBED/review/undo"),
    ]
    for where, told in (
        ("RUN/control", {"action": "stop", "who": "E"}), ("PROBED/review/next", {"reviewer": "E"}),
        ("PROBED/review/vote", {"token": "x", "vote": "1", "reviewer": "E"}), ("PROBED/review/undo", {"reviewer": "E"}),
    ):  # fmt: skip
        found.append(post(f"read-only {where}", 403, f"/api/run/{where}", told, "readonly"))
    return found


CASES = [*traversal(), *hosts(), *sites(), *tokens(), *sizes(), *bodies(), *queries(), *methods()]
