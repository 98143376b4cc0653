"""Where our own calls may go: allowed hosts by name, at addresses of the open internet, and nowhere else.

Text is judged before a name is looked up, addresses before they are connected to, and what was judged is what is
connected to: a name that answers differently the second time gains nothing.
"""

import re
import socket
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Self, override
from urllib.parse import SplitResult, unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.poolmanager import PoolManager
from urllib3.util import Timeout

from integrations import errors

type Address = IPv4Address | IPv6Address

LONGEST = 8_000
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
FIRST_FREE_PORT = 1024
POOL_SIZE = 10
PORTS = {"http": 80, "https": 443}

# Python calls some of these global, and which ones changes between its versions: ::127.0.0.1 and 64:ff9b::7f00:1 (both
# outside 2000::/3), 6to4 and its relays, Teredo, documentation.
UNICAST = IPv6Network("2000::/3")
TUNNELS: tuple[IPv4Network | IPv6Network, ...] = (
    IPv6Network("2002::/16"),
    IPv6Network("2001::/32"),
    IPv6Network("3fff::/20"),
    IPv4Network("192.88.99.0/24"),
)

_TIDY = re.compile(r'[!"$-\[\]-~]+')  # what can be seen of ASCII, without "#" and "\"
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9-]{1,63}\.)+[a-z](?:[a-z0-9-]*[a-z0-9])?")
_SHOWN = re.compile(r"[a-z0-9._:-]{1,253}")


class Refused(ValueError):
    """Why a URL may not be called, in words that tell nothing of its path, its query or its userinfo."""


@dataclass(frozen=True, slots=True)
class Origin:
    """`host` is in lower case and without brackets."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads, every address of it judged."""

    scheme: str
    host: str
    port: int
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """One provider's rules; the form for base URLs, each call and each new connection follow the same ones."""

    allowed_hosts: frozenset[str]
    loopback: bool

    @classmethod
    def of(cls, allowed_hosts: Collection[str], *, loopback: bool) -> Self:
        """A number in the list counts for nothing: hosts are allowed by name."""
        return cls(frozenset(host for host in allowed_hosts if _NAME.fullmatch(host)), loopback)

    def origin(self, url: str) -> Origin:
        """Judges the text alone. Raises Refused."""
        _, origin = _split(url)
        if origin.host in LOOPBACK_HOSTS:
            self._judge_loopback(origin)
        else:
            self._judge_name(origin)
        return origin

    def addresses(self, host: str, port: int) -> tuple[Address, ...]:
        """One look-up; all of its answers have to be fit. Raises Refused, or ConnectionError without an answer."""
        found = _look_up(host, port)
        if host in LOOPBACK_HOSTS:
            fit = self.loopback and all(address.is_loopback for address in found)
        else:
            fit = host in self.allowed_hosts and all(is_public(address) for address in found)
        if not fit:
            raise Refused("its name leads to an address that is not on the open internet")
        return found

    def _judge_loopback(self, origin: Origin) -> None:
        if not self.loopback:
            raise Refused("this machine's own addresses are for the sandbox, which is off")
        if origin.scheme not in PORTS:
            raise Refused("it must begin with http:// or https://")
        if origin.port < FIRST_FREE_PORT:
            raise Refused(f"the sandbox's port is {FIRST_FREE_PORT} or above")

    def _judge_name(self, origin: Origin) -> None:
        if origin.scheme != "https":
            raise Refused("it must begin with https://")
        if origin.host not in self.allowed_hosts:
            raise Refused(f"the host is not one of {', '.join(sorted(self.allowed_hosts))}")
        if origin.port != PORTS["https"]:
            raise Refused("only port 443 is allowed")


def is_public(address: Address) -> bool:
    """Whether it belongs to somebody on the open internet; a v4 address written as v6 is judged as the v4 address."""
    address = _unwrapped(address)
    if isinstance(address, IPv6Address) and (address not in UNICAST or address.scope_id):
        return False
    return address.is_global and not address.is_multicast and not any(address in tunnel for tunnel in TUNNELS)


def check(url: str, *, allowed_hosts: Collection[str], loopback: bool) -> Target:
    """Where `url` leads, now. Raises ConfigurationError "address_refused", or ConnectionError when the name is unknown.

    `loopback` also lets 127.0.0.1, localhost and [::1] pass, by http too, from port 1024 on.
    """
    rules = Rules.of(allowed_hosts, loopback=loopback)
    try:
        origin = rules.origin(url)
        addresses = rules.addresses(origin.host, origin.port)
    except Refused as refused:
        raise _refusal(_host_of(url), refused) from None
    return Target(origin.scheme, origin.host, origin.port, addresses)


def check_link(url: object, *, base: str) -> str:
    """Path and query, as the gateway takes them below `base`, of a link that a provider's answer brings.

    It leads below `base` or it raises DataError "foreign_link", which tells nothing of it. A link that begins with "/"
    counts from the root of the host, as in a browser.
    """
    root, origin = _split(base.rstrip("/"))
    try:
        link = _link(url, root, origin)
    except Refused:
        raise errors.DataError("the provider sent a link that leads away from it", code="foreign_link") from None
    path = link.path.removeprefix(root.path)
    return f"{path}?{link.query}" if link.query else path


def _link(url: object, root: SplitResult, origin: Origin) -> SplitResult:
    if not isinstance(url, str):
        raise Refused("it is no text")
    link, its_origin = _split(f"{root.scheme}://{root.netloc}{url}" if url.startswith("/") else url)
    if its_origin != origin:
        raise Refused("it leads to another host")
    if not link.path.startswith(f"{root.path}/") or _wanders(link.path):
        raise Refused("it leads to another place of the host")
    return link


def _wanders(path: str) -> bool:
    """Whether a server could read the path as another one than is written there."""
    decoded = unquote(path)
    if (
        decoded.count("/") != path.count("/")
        or not decoded.isprintable()
        or any(sign in decoded for sign in "\\%\ufffd")
    ):
        return True
    steps = [step.partition(";")[0] for step in decoded.split("/")[1:]]
    return any(step in {".", ".."} for step in steps) or "" in steps[:-1]


def _split(url: str) -> tuple[SplitResult, Origin]:
    """The URL in its parts, provided that it is one which every reader takes apart alike. Raises Refused."""
    if len(url) > LONGEST or not _TIDY.fullmatch(url):
        raise Refused("write a plain address such as https://api.example.org")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("this is not an address") from None
    host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc
    if port == 0 or host != (f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname):
        raise Refused("this is not an address")
    return parts, Origin(parts.scheme, parts.hostname or "", port or PORTS.get(parts.scheme, 0))


def _look_up(host: str, port: int) -> tuple[Address, ...]:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        answers = []
    if not answers:
        raise errors.ConnectionError(f"no address is known for {host} at the moment", code="name_unknown")
    return tuple(dict.fromkeys(ip_address(str(sockaddr[0])) for *_, sockaddr in answers))


def _unwrapped(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address


def _host_of(url: str) -> str:
    """The host alone, for a message."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return host if _SHOWN.fullmatch(host) else "this address"


def _refusal(host: str, refused: Refused) -> errors.ConfigurationError:
    return errors.ConfigurationError(f"{host} is not called: {refused}", code="address_refused", context={"host": host})


class _Pinned(HTTPConnection):
    """Connects to an address that its own look-up gave and the rules let pass; TLS goes on with the host's name."""

    def __init__(self, *args: Any, rules: Rules, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rules = rules

    def _new_conn(self) -> socket.socket:
        try:
            addresses = self._rules.addresses(self.host, self.port)
            return self._connected(addresses)
        except Refused as refused:
            raise _refusal(self.host, refused) from None

    def _connected(self, addresses: tuple[Address, ...]) -> socket.socket:
        """The first address that answers; together they get the time that one connection may take."""
        timeout = Timeout.resolve_default_timeout(self.timeout)
        end = None if timeout is None else time.monotonic() + timeout
        failed: OSError | None = None
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            share = None if end is None else max((end - time.monotonic()) / left, 0.001)
            try:
                return self._connected_to(address, share)
            except OSError as exc:
                failed = exc
        if isinstance(failed, TimeoutError):
            raise ConnectTimeoutError(self, f"{self.host} did not answer within {timeout} s")
        raise NewConnectionError(self, f"{self.host} could not be reached: {failed and failed.strerror}")

    def _connected_to(self, address: Address, timeout: float | None) -> socket.socket:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(timeout)
            sock.connect((str(address), self.port))
            peer = ip_address(str(sock.getpeername()[0]))
            if _unwrapped(peer) != _unwrapped(address):
                raise Refused("the connection led to another address than was asked for")
            sock.settimeout(Timeout.resolve_default_timeout(self.timeout))
        except BaseException:  # whatever ends it, no socket is left behind
            sock.close()
            raise
        return sock


class _PinnedTLS(_Pinned, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Pinned


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _PinnedTLS


class _Manager(PoolManager):
    def __init__(self, rules: Rules, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rules = rules
        self.pool_classes_by_scheme = {"http": _Pool, "https": _PoolTLS}

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> HTTPConnectionPool:
        pool = super()._new_pool(scheme, host, port, request_context)
        pool.conn_kw["rules"] = self._rules
        return pool


class PinnedAdapter(HTTPAdapter):
    """For `session.mount`, at "https://" and "http://" both; threads may share one.

    Whatever the session is told, there is no proxy, no redirect and no unverified TLS. A connection is kept and used
    again without a new look-up. Raises ConfigurationError "address_refused" before anything is sent.
    """

    __attrs__ = [*HTTPAdapter.__attrs__, "_rules"]

    def __init__(self, *, allowed_hosts: Collection[str], loopback: bool) -> None:
        self._rules = Rules.of(allowed_hosts, loopback=loopback)
        super().__init__(pool_maxsize=POOL_SIZE, pool_block=False, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager = _Manager(self._rules, num_pools=connections, maxsize=maxsize, block=block, **pool_kwargs)

    @override
    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        url = request.url or ""
        try:
            self._rules.origin(url)
        except Refused as refused:
            raise _refusal(_host_of(url), refused) from None
        return super().send(request, stream=stream, timeout=timeout, verify=verify or True, cert=cert)

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """A redirect comes without its Location, so that no session can follow it."""
        response = super().build_response(req, resp)
        if response.is_redirect:
            del response.headers["Location"]
        return response
