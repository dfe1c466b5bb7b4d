"""What is refused before anything is looked at: strange hosts and origins, wrong tokens, too much of anything."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass

from doneness.web.site import Settings

COOKIE, CSRF_HEADER = "doneness", b"x-doneness-csrf"
MOST_BODY = 64 << 10
MOST_TARGET, MOST_HEADERS, MOST_HEADER = 4096, 64, 8192  # bytes of path and query; how many; bytes of one
_TRIES, _WINDOW, _ALTOGETHER = 5, 60.0, 60  # wrong tokens of one address, of all, in so many seconds
_REMEMBERED = 10_000
_METHODS = ("GET", "HEAD", "POST")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xff]")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


@dataclass(frozen=True)
class Refusal(Exception):
    """A request that is not answered: the status, and the key of the sentence."""

    status: int
    key: str


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Looks at the head of every request.

    Attributes:
        csrf: what every change has to carry; only a page of ours can know it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        secret = secrets.token_bytes(32)
        self.csrf = hmac.new(secret, b"csrf", hashlib.sha256).hexdigest()
        self._cookie = hmac.new(settings.token.encode(), b"doneness session", hashlib.sha256).hexdigest()
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque()
        self._hosts = self._known_hosts()

    def head(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
        """The headers, where the head of the request is in order.

        Raises:
            Refusal: it is not.
        """
        if method not in _METHODS:
            raise Refusal(405, "method")
        if len(target) > MOST_TARGET:
            raise Refusal(414, "target")
        if len(headers) > MOST_HEADERS or any(len(k) + len(v) > MOST_HEADER for k, v in headers):
            raise Refusal(431, "headers")
        found: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in found and name in (b"host", b"origin", b"content-length", b"content-type", CSRF_HEADER):
                raise Refusal(400, "twice")
            # Browsers may part cookies over several headers.
            found[name] = found[name] + b"; " + value if name == b"cookie" and name in found else value
        if not self._is_ours(found.get(b"host", b"")):
            raise Refusal(421, "host")
        origin = found.get(b"origin")
        if origin is not None and not self._same(origin, found[b"host"]):
            raise Refusal(403, "origin")
        site = found.get(b"sec-fetch-site", b"none")
        walked_in = method == "GET" and found.get(b"sec-fetch-mode") == b"navigate" and b"frame" not in found.get(
            b"sec-fetch-dest", b"document"
        )  # fmt: skip
        if site not in (b"none", b"same-origin") and not walked_in:
            raise Refusal(403, "origin")
        return found

    def change(self, headers: Mapping[bytes, bytes], media: bytes = b"application/json") -> None:
        """A request that changes something carries what only our pages know.

        Raises:
            Refusal: it does not, or nothing may be changed.
        """
        told = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if told != media:
            raise Refusal(415, "media")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise Refusal(400, "length")
        if int(length) > MOST_BODY:
            raise Refusal(413, "body")

    def forged(self, told: str) -> bool:
        """Whether a CSRF token is not ours."""
        return not hmac.compare_digest(told.encode("utf-8", "replace"), self.csrf.encode())

    def known(self, cookies: Mapping[str, str], bearer: str, address: str) -> bool:
        """Whether the reader may see anything.

        Raises:
            Refusal: a wrong token, too many of them.
        """
        if not self._settings.token:
            return True
        cookie = cookies.get(COOKIE, "")
        if cookie and hmac.compare_digest(cookie.encode("utf-8", "replace"), self._cookie.encode()):
            return True
        return bool(bearer) and self.right(bearer, address)

    def right(self, token: str, address: str) -> bool:
        """Whether a token is the one; wrong ones are counted.

        Raises:
            Refusal: so many were wrong of late that none is looked at.
        """
        now = time.monotonic()
        mine = self._wrong.setdefault(address, deque())
        self._wrong.move_to_end(address)
        for times in (mine, self._all):
            while times and now - times[0] > _WINDOW:
                times.popleft()
        while len(self._wrong) > _REMEMBERED:
            self._wrong.popitem(last=False)
        if len(mine) >= _TRIES or len(self._all) >= _ALTOGETHER:
            raise Refusal(429, "tries")
        if hmac.compare_digest(token.encode("utf-8", "replace"), self._settings.token.encode()):
            mine.clear()
            return True
        mine.append(now)
        self._all.append(now)
        return False

    @property
    def cookie(self) -> str:
        """The header that lets a browser in until it is closed."""
        return f"{COOKIE}={self._cookie}; Path=/; HttpOnly; SameSite=Strict"

    @property
    def no_cookie(self) -> str:
        """The header that shows it out."""
        return f"{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"

    @property
    def _plain(self) -> bool:
        return self._settings.port == 80

    def _known_hosts(self) -> frozenset[str]:
        names = {"localhost", "127.0.0.1", "[::1]", *(name.lower() for name in self._settings.names)}
        host = self._settings.host.strip("[]").lower()
        if host not in ("0.0.0.0", "::", ""):
            names.add(f"[{host}]" if ":" in host else host)
        return frozenset(names)

    def _is_ours(self, host: bytes) -> bool:
        """A name that somebody else's server may have taken leads here as well; only known ones are answered."""
        text = host.decode("latin-1").lower()
        if not text or _CONTROL.search(text):
            return False
        name, port = _parted(text)
        if port != str(self._settings.port) and not (port == "" and (name in self._settings.names or self._plain)):
            return False
        if name in self._hosts:
            return True
        # Bound to all addresses, it is reached by any of this machine's; an address cannot be bound anew as names can.
        return self._settings.host in ("0.0.0.0", "::") and _is_address(name)

    @staticmethod
    def _same(origin: bytes, host: bytes) -> bool:
        return origin.lower() in (b"http://" + host.lower(), b"https://" + host.lower())


def _parted(host: str) -> tuple[str, str]:
    """Name and port of a Host header."""
    if host.startswith("["):
        name, end, rest = host.partition("]")
        return name + end, rest.removeprefix(":") if rest.startswith(":") or not rest else "?"
    name, _, port = host.partition(":")
    return name, port


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
