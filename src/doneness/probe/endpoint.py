"""A chat endpoint of OpenAI's form, asked with the standard library alone; what was asked once is read from disk.

Replies are kept by the hash of address, model and messages, one file each, so an interrupted judging resumes, a
repeated one costs nothing, and no judge is taken for another. What can pass by itself (429, 5xx, a connection that
breaks, silence) is tried again, twice as late each time; what cannot (a wrong key, an unknown model) is said at once.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doneness.core import DonenessError, tr
from doneness.probe.deadline import opener
from doneness.runs.atomic import write_text

URL, MODEL, KEY = "DONENESS_JUDGE_URL", "DONENESS_JUDGE_MODEL", "DONENESS_JUDGE_KEY"
_PASSING = (408, 409, 425, 429, 500, 502, 503, 504, 529)
_LONGEST_WAIT = 60.0
_REACH = 10.0  # seconds
_MOST = 1 << 24  # bytes of a reply; a longer one is none

Messages = Sequence[Mapping[str, str]]


class Unanswered(DonenessError):
    """The endpoint gave no usable reply to one request, all tries spent."""


@dataclass(frozen=True)
class Endpoint:
    """One model behind one address.

    Attributes:
        base_url: up to and with the version, "http://localhost:8000/v1". Empty reads replies that were kept when they
            did not tell their address yet, which goes with no tries alone.
        model: its name there.
        key: sent as a bearer token; empty sends none.
        cache: folder of the replies; None keeps none.
        timeout: seconds of silence before a try is given up.
        whole: seconds after which a try is given up even where bytes still come.
        tries: how often one request is sent at most; 0 reads what is kept and asks nobody.
        wait: seconds before the second try, doubled for each further one.
        sleep: what waits.
    """

    base_url: str
    model: str
    key: str = field(default="", repr=False)
    cache: Path | None = None
    timeout: float = 60.0
    whole: float = 180.0
    tries: int = 5
    wait: float = 1.0
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        if self.tries and urllib.parse.urlsplit(self.base_url).scheme not in ("http", "https"):
            raise DonenessError(tr("judge.url", url=self.base_url))

    def reach(self) -> None:
        """See that somebody listens there, before anything is asked that only a judge can grade.

        Behind a proxy nothing can be seen: the name may be known to the proxy alone.

        Raises:
            DonenessError: nobody does.
        """
        place = urllib.parse.urlsplit(self.base_url)
        if place.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(place.netloc):
            return
        try:
            port = place.port or (443 if place.scheme == "https" else 80)
            socket.create_connection((place.hostname or "", port), timeout=_REACH).close()
        except (OSError, ValueError) as error:
            raise DonenessError(tr("judge.unreachable", url=self.base_url, reason=error)) from error

    def reply(self, messages: Messages, usable: Callable[[str], bool] = bool) -> str:
        """What the model says to `messages`, at temperature 0.

        Args:
            messages: role and content.
            usable: whether a text is a reply at all; one that is not is asked for again and never kept.

        Raises:
            Unanswered: no usable reply after all tries.
            DonenessError: the endpoint refuses for a reason that will not pass.
        """
        kept = self.kept(messages, usable)
        if kept is not None:
            return kept
        body = {"model": self.model, "messages": [dict(m) for m in messages], "temperature": 0}
        place = self._place(messages)
        reason = ""
        for attempt in range(self.tries):
            # Asked again word for word, a model at temperature 0 would say the same.
            asked = body if attempt == 0 or reason != _GARBAGE else {**body, "temperature": 0.3}
            text, reason, pause = self._try(asked)
            if text is not None and usable(text):
                if place is not None:
                    said = {"url": self._address, "model": self.model, "reply": text}
                    write_text(place, json.dumps(said, ensure_ascii=False) + "\n")
                return text
            reason = reason or _GARBAGE
            if attempt + 1 < self.tries:
                self.sleep(min(_LONGEST_WAIT, max(pause, self.wait * 2**attempt)))
        raise Unanswered(tr("judge.unanswered", url=self.base_url, tries=self.tries, reason=reason))

    def kept(self, messages: Messages, usable: Callable[[str], bool] = bool) -> str | None:
        """What it said to `messages` before, where that is on disk and usable; nobody is asked."""
        place = self._place(messages)
        found = _kept(place)
        if place is None or found is None or not usable(found):
            return None
        if self.tries:
            with suppress(OSError):  # whose replies were wanted last is seen from their times
                os.utime(place)
        return found

    @property
    def _address(self) -> str:
        return self.base_url.rstrip("/")

    def _try(self, body: Mapping[str, Any]) -> tuple[str | None, str, float]:
        """(text, why there is none, seconds to wait before the next try)."""
        head = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        url = self._address + "/chat/completions"
        request = urllib.request.Request(url, json.dumps(body).encode(), head, method="POST")
        try:
            with opener(self.whole).open(request, timeout=min(self.timeout, self.whole)) as response:
                return _text_of(response.read(_MOST)), "", 0.0
        except urllib.error.HTTPError as error:
            with error:
                if error.code not in _PASSING:
                    said = _words_of(error)
                    raise DonenessError(tr("judge.refused", url=url, code=error.code, said=said)) from error
                return None, f"HTTP {error.code}", _seconds(error.headers.get("Retry-After"))
        except (OSError, http.client.HTTPException) as error:  # timeouts and broken connections among them
            return None, f"{type(error).__name__}: {error}", 0.0

    def _place(self, messages: Messages) -> Path | None:
        if self.cache is None:
            return None
        asked = [self.model, [dict(m) for m in messages]]
        text = json.dumps([self._address, *asked] if self._address else asked, ensure_ascii=False, sort_keys=True)
        return self.cache / f"{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:32]}.json"


_GARBAGE = "an answer that is none"


def from_environment(cache: Path | None = None) -> Endpoint | None:
    """The endpoint that DONENESS_JUDGE_URL, _MODEL and _KEY name; None where no address is set.

    Raises:
        DonenessError: an address without a model.
    """
    url = os.environ.get(URL, "").strip()
    if not url:
        return None
    model = os.environ.get(MODEL, "").strip()
    if not model:
        raise DonenessError(tr("judge.no_model", url=URL, model=MODEL))
    return Endpoint(url, model, os.environ.get(KEY, "").strip(), cache)


def _words_of(error: urllib.error.HTTPError) -> str:
    """What a refusal says, as far as it comes."""
    try:
        said = error.read(2000)
    except (OSError, http.client.HTTPException):
        return error.reason
    return " ".join(said.decode("utf-8", "replace").split())[:200]


def _text_of(raw: bytes) -> str | None:
    try:
        content = json.loads(raw)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return content if isinstance(content, str) else None


def _kept(place: Path | None) -> str | None:
    """A reply from disk; a damaged file is none."""
    if place is None or not place.is_file():
        return None
    try:
        reply = json.loads(place.read_text(encoding="utf-8"))["reply"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return reply if isinstance(reply, str) else None


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:  # a date: wait as usual
        return 0.0
