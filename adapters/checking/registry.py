"""Whether an image exists where a pod would pull it from: Docker Hub, and every registry that speaks the OCI
distribution API (https://github.com/opencontainers/distribution-spec/blob/main/spec.md), asked without credentials.

Only the registry's own word that there is no such tag is a proof. Every other problem is a warning.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from rpd.adapters.checking.finding import Finding, error, warning
from rpd.adapters.checking.image import CHECK, Contents, judge
from rpd.journal import tolerant
from rpd.states.ports.job import Job

if TYPE_CHECKING:
    import requests

SECONDS = 10.0
DOCKER_HUB = "registry-1.docker.io"
MOST_BYTES = 256 * 1024
MOST_MANIFEST_BYTES = 4 * 1024 * 1024

_TYPES = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*\Z")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_DIGEST = re.compile(r"[a-z0-9+._-]+:[0-9a-fA-F]{32,}\Z")
_CHALLENGE = re.compile(r'([a-zA-Z]+)="([^"]*)"')
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _Platform(msgspec.Struct):
    os: str = ""
    architecture: str = ""


class _Part(msgspec.Struct):
    """A layer, a config, or a manifest of an index."""

    digest: str = ""
    size: Annotated[int, Meta(ge=0, le=1 << 50)] = 0
    platform: _Platform = msgspec.field(default_factory=_Platform)


class _Manifest(msgspec.Struct):
    """The manifest of one image, or an index of several."""

    layers: list[_Part] = []
    config: _Part = msgspec.field(default_factory=_Part)
    manifests: list[_Part] = []


class _Config(msgspec.Struct):
    """The relevant part of an image's settings, under its own names."""

    Env: list[str] | None = None
    Entrypoint: list[str] | None = None
    Cmd: list[str] | None = None
    WorkingDir: str | None = None


class _Blob(msgspec.Struct):
    config: _Config | None = None


class Reference(msgspec.Struct, frozen=True):
    """The parts of an image's name. `wanted` is its digest if it has one, else its tag."""

    host: str
    path: str
    wanted: str

    @property
    def is_digest(self) -> bool:
        """Whether the name has a digest and no tag."""
        return ":" in self.wanted

    @property
    def base(self) -> str:
        """The registry's address. A registry on this machine speaks plain HTTP, as with docker."""
        name = urlsplit(f"//{self.host}").hostname
        return f"{'http' if name in _LOOPBACK else 'https'}://{self.host}"


def reference(image: str) -> Reference | None:
    """Split an image's name as docker does. None if it is not an image's name."""
    name, _, digest = image.partition("@")
    first, slash, rest = name.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host, path = (first, rest) if is_host else (DOCKER_HUB, name)
    path, colon, tag = path.partition(":")
    if host in ("docker.io", "index.docker.io"):
        host = DOCKER_HUB
    if host == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    wanted = digest or tag or "latest"
    is_good = _DIGEST.match(digest) if digest else (not colon or tag) and _TAG.match(wanted)
    return Reference(host, path, wanted) if is_good and _PATH.match(path) and _HOST.match(host) else None


def check_image(job: Job) -> Iterator[Finding]:
    """What the registry says of the job's image, and whether that fits the pod. Empty if the image exists and fits. If
    the pod will have credentials, a refusal proves nothing."""
    image, has_credentials = job.pod.image, job.pod.registry_id is not None
    ref = reference(image)
    if ref is None:
        yield error(CHECK, f"{image!r} is not an image name")
        return
    if not ref.is_digest and ref.wanted == "latest":
        yield warning(CHECK, f"{image} means whatever is the latest at the time; name a tag or a digest")
    from urllib3.exceptions import HTTPError

    from rpd.adapters.http.wire import Straight, Watch

    watch = Watch()
    watch.begin(SECONDS)
    contents: Contents | None = None
    with Straight(watch) as session:
        try:
            status, headers = _ask(session, ref)
        except (OSError, HTTPError) as trouble:
            yield warning(CHECK, f"{ref.host} could not be asked about {image} ({_in_words(trouble)})")
            status, headers = 0, {}
        if status == 200:
            watch.begin(SECONDS)
            # The image exists, which was the question. Its contents may remain unknown.
            with contextlib.suppress(OSError, HTTPError, *tolerant.NOT_JSON):
                contents = _contents(session, ref, headers)
    yield from judge(job, contents)
    if status == 0:
        return
    what = "digest" if ref.is_digest else "tag"
    if status == 404:
        yield error(CHECK, f"{ref.host} has no {what} {ref.wanted} of {ref.path}; a pod would hang at the pull")
    elif status in (401, 403) and not has_credentials:
        text = "is private or does not exist; a private image needs pod.registry_id"
        yield warning(CHECK, f"{image} {text}")
    elif status == 429:
        yield warning(CHECK, f"{ref.host} answers too many questions at present; {image} was not looked up")
    elif status not in (200, 401, 403):
        yield warning(CHECK, f"{ref.host} answered {status} about {image}; it was not looked up")


def _ask(session: requests.Session, ref: Reference) -> tuple[int, dict[str, str]]:
    """The status of the manifest, and the headers of the request. rpd asks first without a token, then with the token
    that the registry gives to everyone."""
    url = f"{ref.base}/v2/{ref.path}/manifests/{ref.wanted}"
    headers = {"Accept": _TYPES}
    answer = _send(session, "HEAD", url, headers)
    if answer.status_code != 401:
        return answer.status_code, headers
    token = _token(session, ref, answer.headers.get("WWW-Authenticate", ""))
    if token is None:
        return 401, headers
    headers = {**headers, "Authorization": f"Bearer {token}"}
    return _send(session, "HEAD", url, headers).status_code, headers


def _contents(session: requests.Session, ref: Reference, headers: dict[str, str]) -> Contents | None:
    """The contents of the image. None if the registry does not say. Raises MsgspecError and requests' errors."""
    manifest = _manifest(session, ref, ref.wanted, headers)
    if manifest is not None and manifest.manifests:
        built = [each for each in manifest.manifests if each.platform.os not in ("", "unknown")]
        fits = [each for each in built if (each.platform.os, each.platform.architecture) == ("linux", "amd64")]
        if built and not fits:
            names = dict.fromkeys(f"{each.platform.os}/{each.platform.architecture}" for each in built)
            return Contents(others=tuple(names))
        manifest = _manifest(session, ref, fits[0].digest, headers) if fits else None
    if manifest is None or not manifest.layers:
        return None
    size = sum(each.size for each in manifest.layers)
    config = _config(session, ref, manifest.config.digest, headers)
    pairs = (line.partition("=") for line in config.Env or ())
    words = (*(config.Entrypoint or ()), *(config.Cmd or ()))
    return Contents(size, {name: value for name, _, value in pairs}, words, config.WorkingDir or "")


def _manifest(session: requests.Session, ref: Reference, wanted: str, headers: dict[str, str]) -> _Manifest | None:
    if wanted != ref.wanted and not _DIGEST.match(wanted):
        return None
    answer = _send(session, "GET", f"{ref.base}/v2/{ref.path}/manifests/{wanted}", headers)
    if answer.status_code != 200:
        return None
    return msgspec.json.decode(_body(answer, MOST_MANIFEST_BYTES), type=_Manifest)


def _config(session: requests.Session, ref: Reference, digest: str, headers: dict[str, str]) -> _Config:
    """The image's settings. Empty if they cannot be read. Blobs usually lie on another host, and rpd asks that host
    without our token."""
    if not _DIGEST.match(digest):
        return _Config()
    answer = _send(session, "GET", f"{ref.base}/v2/{ref.path}/blobs/{digest}", headers)
    if answer.status_code in (301, 302, 303, 307, 308):
        place = answer.headers.get("Location", "")
        if not place.startswith(f"{ref.base.partition('//')[0]}//"):
            return _Config()
        answer = _send(session, "GET", place, {})
    if answer.status_code != 200:
        return _Config()
    return msgspec.json.decode(_body(answer, MOST_MANIFEST_BYTES), type=_Blob).config or _Config()


def _body(answer: requests.Response, limit: int) -> bytes:
    """The first `limit` bytes of the answer. Raises OSError and urllib3's HTTPError."""
    from rpd.adapters.http.wire import pieces

    body = b""
    for piece in pieces(answer, is_decoded=True):
        body += piece
        if len(body) >= limit:
            break
    return body[:limit]


def _token(session: requests.Session, ref: Reference, challenge: str) -> str | None:
    """An anonymous token, as the registry's challenge describes it. None if the registry wants a password."""
    kind, _, rest = challenge.partition(" ")
    fields = dict(_CHALLENGE.findall(rest))
    realm = fields.get("realm", "")
    if kind.lower() != "bearer" or not realm.startswith(ref.base.partition("//")[0] + "//"):
        return None
    asked = {"scope": fields.get("scope", f"repository:{ref.path}:pull")}
    if "service" in fields:
        asked["service"] = fields["service"]
    answer = _send(session, "GET", realm, {"Accept": "application/json"}, asked)
    if answer.status_code != 200:
        return None
    body = _body(answer, MOST_BYTES)
    try:
        found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        raw = found.get("token") or found.get("access_token")
        token = msgspec.json.decode(raw, type=str) if raw is not None else None
    except msgspec.MsgspecError:
        return None
    return token if token and token.isascii() and token.isprintable() else None


def _send(
    session: requests.Session, method: str, url: str, headers: dict[str, str], params: dict[str, str] | None = None
) -> requests.Response:
    from importlib.metadata import version

    return session.request(
        method,
        url,
        params=params,
        headers={**headers, "User-Agent": f"rpd/{version('rpd-cli')}"},
        auth=_as_it_is,
        timeout=SECONDS,
        stream=True,
    )


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials from .netrc."""
    return request


def _in_words(trouble: Exception) -> str:
    import requests

    if isinstance(trouble, requests.Timeout):
        return f"no answer in {SECONDS:.0f} s"
    return "no connection" if isinstance(trouble, requests.ConnectionError) else type(trouble).__name__
