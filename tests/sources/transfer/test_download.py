"""A download arrives whole and within its limits, or what stood there stays; no URL is ever told."""

import email.utils
import json
import logging
import re
import time
import traceback

import pytest
from servers import Reply, Server, page, ranged

from sonotrace.errors import SonotraceError
from sonotrace.sources.transfer.download import ANY_KIND, download, get_json
from sonotrace.sources.transfer.http import Limits

CONTENT = bytes(range(256)) * 400
SIXTY_PERCENT = len(CONTENT) * 6 // 10
SECRET = "5ecret"  # noqa: S105 - of no use to anyone
LIMITS = Limits(megabytes=1, minutes=5)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def get(server, tmp_path):
    """Download from the server with a key in the URL; waits are recorded, and not slept."""
    return _Getter(server, tmp_path / "keep" / "a.zip")


class _Getter:
    def __init__(self, server, to):
        self.server, self.to, self.waits = server, to, []

    def __call__(self, *replies, limits=LIMITS, path="/a", url=None, **more):
        if replies:
            self.server.on(path, *replies)
        url = url or f"{self.server.url}{path}?key={SECRET}"
        download(url, self.to, "Data set: a.zip", limits, wait=self.waits.append, **more)
        assert list(self.to.parent.iterdir()) == [self.to]
        return self.to.read_bytes()

    def refused(self, *replies, reason, **more):
        """Expect one line that begins with the name and gives the reason, and no key in what it carries."""
        with pytest.raises(SonotraceError, match=r"^Data set: a\.zip: [^\n]+; [^\n]+$") as caught:
            self(*replies, **more)
        assert re.search(reason, str(caught.value))
        error, seen = caught.value, ""
        while error:
            seen += repr(error)
            error = error.__cause__ or error.__context__
        assert SECRET not in seen
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        return str(caught.value)

    def left(self):
        return sorted(path.name for path in self.to.parent.iterdir()) if self.to.parent.exists() else []

    def ranges(self):
        return [asked.headers.get("range") for asked in self.server.asked]


def _cut(content=CONTENT, tag='"v1"', **more):
    return Reply(content, headers={"ETag": tag} if tag else {}, cut=len(content) * 6 // 10, **more)


# What arrives


def test_a_file_arrives_whole_and_alone(get, server):
    assert get(Reply(CONTENT)) == CONTENT
    assert len(server.asked) == 1
    assert server.asked[0].headers["accept-encoding"] == "identity"
    assert server.asked[0].headers["user-agent"].startswith("sonotrace/")


def test_an_empty_file_is_a_file(get):
    assert get(Reply(b"")) == b""


@pytest.mark.parametrize("how", ["chunked", "unsized"])
def test_a_file_of_unstated_length_arrives(get, how):
    assert get(Reply(CONTENT, **{how: True})) == CONTENT


@pytest.mark.parametrize("kind", ["application/octet-stream", "Application/ZIP; charset=binary", None])
def test_servers_may_call_a_zip_as_they_do(get, kind):
    assert get(Reply(CONTENT, kind=kind)) == CONTENT


@pytest.mark.parametrize("kind", ["text/csv", "image/png", "x/y"])
def test_any_kind_of_file_may_be_asked_for(get, kind):
    assert get(Reply(CONTENT, kind=kind), kinds=ANY_KIND) == CONTENT
    get.refused(page(), reason="web page", kinds=ANY_KIND)


def test_a_new_download_replaces_the_old_file(get):
    get(Reply(b"old"))
    with get.to.open("rb") as reader:
        assert get(Reply(CONTENT)) == CONTENT
        assert reader.read() == b"old"


def test_redirects_are_followed_to_another_host(get):
    with Server() as other:
        target = other.on("/elsewhere", Reply(CONTENT))
        get.server.on("/b", Reply(status=307, headers={"Location": f"{target}?signature={SECRET}"}))
        assert get(Reply(status=302, headers={"Location": "/b"})) == CONTENT


# Trying again


def test_three_server_errors_are_outlasted(get, capsys):
    bad = Reply(b"down", 500, "text/html")
    assert get(bad, Reply(status=502), Reply(status=503), Reply(CONTENT)) == CONTENT
    assert get.waits == [2, 4, 8]
    assert capsys.readouterr().out.splitlines() == [
        "Data set: a.zip: status 500, again in 2 s (2 of 6)",
        "Data set: a.zip: status 502, again in 4 s (3 of 6)",
        "Data set: a.zip: status 503, again in 8 s (4 of 6)",
    ]


def test_attempts_come_to_an_end(get, server):
    get.refused(Reply(status=503), reason="status 503, 3 times", limits=Limits(1, 5, attempts=3))
    assert len(server.asked) == 3
    assert get.waits == [2, 4]
    assert get.left() == []


def test_a_busy_server_is_given_the_seconds_that_it_asks_for(get):
    busy = Reply(status=429, headers={"Retry-After": "17"})
    assert get(busy, Reply(CONTENT)) == CONTENT
    assert get.waits == [17]


def test_a_busy_server_is_given_the_time_until_its_date(get):
    busy = Reply(status=429, headers={"Retry-After": email.utils.formatdate(time.time() + 100, usegmt=True)})
    assert get(busy, Reply(CONTENT)) == CONTENT
    assert get.waits == [pytest.approx(100, abs=3)]


@pytest.mark.parametrize(
    "nonsense", ["soon", "-5", "²", "Fri, 31 Dec 9999999 23:59:59 GMT", "", "Thu, 01 Jan 1970 00:00:00 GMT"]
)
def test_a_nonsensical_retry_after_is_not_heeded(get, nonsense):
    assert (
        get(Reply(status=429, headers={"Retry-After": nonsense.encode().decode("latin-1")}), Reply(CONTENT)) == CONTENT
    )
    assert get.waits == [2]


def test_a_wait_beyond_the_limit_ends_it_and_says_when_to_try_again(get):
    get.refused(Reply(status=429, headers={"Retry-After": "3600"}), reason="status 429.* try again in 60 minutes")
    assert get.waits == []


def test_a_closed_port_is_tried_again(get, server):
    server.stop()
    get.refused(reason="no connection to 127.0.0.1, 6 times")
    assert get.waits == [2, 4, 8, 16, 32]


def test_what_has_no_hope_is_asked_for_once(get, server):
    get.refused(Reply(status=401), path="/1", reason="status 401")
    get.refused(Reply(status=403), path="/2", reason="status 403.* check your key")
    get.refused(Reply(status=404), path="/3", reason="status 404")
    get.refused(Reply(status=418), path="/4", reason="status 418")
    get.refused(Reply(status=206), path="/5", reason="status 206")
    get.refused(Reply(status=416), path="/6", reason="status 416")
    assert server.paths() == ["/1", "/2", "/3", "/4", "/5", "/6"]
    assert get.waits == []


# Going on where it stopped


def test_a_cut_connection_goes_on_from_there(get):
    assert get(_cut(), ranged(CONTENT)) == CONTENT
    assert get.ranges() == [None, f"bytes={SIXTY_PERCENT}-"]
    assert get.server.asked[1].headers["if-range"] == '"v1"'


def test_going_on_works_by_the_date_of_a_file_too(get):
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    cut = Reply(CONTENT, headers={"ETag": 'W/"weak"', "Last-Modified": date}, cut=SIXTY_PERCENT)
    rest = Reply(
        CONTENT[SIXTY_PERCENT:],
        206,
        headers={"Last-Modified": date, "Content-Range": f"bytes {SIXTY_PERCENT}-{len(CONTENT) - 1}/{len(CONTENT)}"},
    )
    assert get(cut, rest) == CONTENT
    assert get.server.asked[1].headers["if-range"] == date


def test_a_file_without_a_version_begins_again(get):
    assert get(_cut(tag=None), Reply(CONTENT)) == CONTENT
    assert get.ranges() == [None, None]


def test_a_cut_chunked_body_begins_again(get):
    assert get(Reply(CONTENT, headers={"ETag": '"v1"'}, chunked=True, cut=SIXTY_PERCENT), Reply(CONTENT)) == CONTENT
    assert get.ranges() == [None, None]


def test_a_server_without_ranges_sends_it_all_again(get):
    assert get(_cut(), Reply(CONTENT, headers={"ETag": '"v1"'})) == CONTENT
    assert get.ranges() == [None, f"bytes={SIXTY_PERCENT}-"]


def test_versions_are_never_mixed(get):
    new = CONTENT[::-1]
    assert get(_cut(), ranged(new, tag='"v2"')) == new


@pytest.mark.parametrize("span", ["bytes 0-9/10", f"bytes {SIXTY_PERCENT}-{len(CONTENT)}/{len(CONTENT) + 1}", None])
def test_a_wrong_range_begins_again(get, span):
    wrong = Reply(CONTENT[SIXTY_PERCENT:], 206, headers={"Content-Range": span} if span else {})
    assert get(_cut(), wrong, Reply(CONTENT)) == CONTENT
    assert get.ranges()[2] is None


def test_a_range_that_ends_too_early_is_gone_on_with(get):
    span = f"bytes {SIXTY_PERCENT}-{len(CONTENT) - 1}/{len(CONTENT)}"
    short = Reply(CONTENT[SIXTY_PERCENT:-7], 206, headers={"ETag": '"v1"', "Content-Range": span})
    assert get(_cut(), short, ranged(CONTENT)) == CONTENT
    assert get.ranges()[2] == f"bytes={len(CONTENT) - 7}-"


def test_a_range_of_another_version_begins_again(get):
    span = f"bytes {SIXTY_PERCENT}-{len(CONTENT) - 1}/{len(CONTENT)}"
    other = Reply(CONTENT[SIXTY_PERCENT:], 206, headers={"ETag": '"v2"', "Content-Range": span})
    assert get(_cut(), other, Reply(CONTENT)) == CONTENT
    assert get.ranges()[2] is None


def test_an_unsatisfiable_range_begins_again(get):
    assert get(_cut(), page(status=416), Reply(CONTENT)) == CONTENT
    assert get.ranges()[2] is None


def test_a_later_run_goes_on_where_an_earlier_one_gave_up(get):
    get.refused(_cut(), reason="lost|arrived", limits=Limits(1, 5, attempts=1))
    assert get(ranged(CONTENT)) == CONTENT
    assert get.ranges() == [None, f"bytes={SIXTY_PERCENT}-"]


def test_a_part_of_unknown_version_is_not_trusted(get):
    get.to.parent.mkdir()
    get.to.with_name("a.zip.part").write_bytes(b"left by a killed run")
    assert get(ranged(CONTENT)) == CONTENT
    assert get.ranges() == [None]


@pytest.mark.parametrize("note", [b"", b"[]", b'{"what": "Data set: b.zip", "version": "\\"v1\\"", "bytes": 102400}'])
def test_a_part_of_something_else_is_not_trusted(get, note):
    get.to.parent.mkdir()
    get.to.with_name("a.zip.part").write_bytes(b"left by a killed run")
    get.to.with_name("a.zip.version.part").write_bytes(note)
    assert get(ranged(CONTENT)) == CONTENT
    assert get.ranges() == [None]


def test_no_part_is_left_that_cannot_go_on(get):
    get.refused(_cut(tag=None), reason="lost|arrived", limits=Limits(1, 5, attempts=2))
    assert get.left() == []


# What is refused


def test_a_length_that_promises_too_much_is_not_believed(get):
    get.refused(Reply(CONTENT, length=len(CONTENT) + 1), reason="lost|arrived")
    assert get.left() == []


def test_a_web_page_is_no_file(get):
    get.refused(page(), reason="web page")
    assert get.waits == []


def test_another_kind_of_file_is_named(get):
    get.refused(Reply(b"a,b", kind="text/csv"), reason="'text/csv' instead of application/octet-stream or")


def test_an_encoded_body_is_refused(get):
    get.refused(Reply(CONTENT, headers={"Content-Encoding": "gzip"}), reason="encoded as 'gzip'")


def test_too_large_a_file_is_refused_before_a_byte_is_stored(get):
    get.refused(Reply(b"", length=2_500_000, cut=0), reason="3 MB or more, over the limit of 1 MB")
    assert get.left() == []


@pytest.mark.parametrize("how", ["chunked", "unsized"])
def test_too_large_a_file_is_refused_while_it_comes(get, how):
    get.refused(Reply(bytes(1_500_000), **{how: True}), reason="over the limit of 1 MB")
    assert get.left() == []


def test_too_large_a_file_is_refused_when_going_on(get):
    large = bytes(9_000_000)
    get.refused(_cut(large), reason="lost|arrived", limits=Limits(9, 5, attempts=1))
    get.refused(ranged(large), reason="9 MB or more, over the limit of 6 MB", limits=Limits(6, 5))


def test_a_trickle_does_not_outlast_the_limit(get):
    start = time.monotonic()
    get.refused(Reply(CONTENT, trickle=0.01), reason="not done within 0.005 minutes", limits=Limits(1, 0.005))
    assert time.monotonic() - start < 2


def test_a_silent_server_does_not_outlast_the_limit(get):
    start = time.monotonic()
    get.refused(lambda _: time.sleep(1) or Reply(), reason="no answer|not done within", limits=Limits(1, 0.005))
    assert time.monotonic() - start < 0.9


@pytest.mark.parametrize(
    "reply", [Reply(status=404), page(), Reply(status=500), _cut(tag=None), Reply(bytes(2_000_000))]
)
def test_a_failure_leaves_the_good_file_that_stood_there(get, reply):
    get(Reply(b"good"))
    get.refused(reply, reason="")
    assert get.to.read_bytes() == b"good"
    assert get.left() == ["a.zip"]


def test_an_unwritable_place_is_named(get):
    get.to.parent.mkdir()
    get.to.mkdir()
    (get.to / "file").touch()
    get.server.on("/a", Reply(CONTENT))
    with pytest.raises(SonotraceError, match=r"a\.zip: cannot be written"):
        get()
    assert get.left() == ["a.zip"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "http://[bad"])
def test_a_redirect_out_of_the_web_is_refused(get, target):
    get.refused(Reply(status=302, headers={"Location": target}), reason="redirects to")


def test_the_body_of_a_redirect_is_not_read(get, server):
    server.on("/b", Reply(CONTENT))
    assert get(Reply(bytes(100), 302, headers={"Location": "/b"}, trickle=0.1), limits=Limits(1, 0.05)) == CONTENT


def test_a_circle_of_redirects_ends(get, server):
    get.refused(Reply(status=302, headers={"Location": "/a"}), reason="circle")
    assert len(server.asked) == 10


@pytest.mark.parametrize("url", ["nowhere", f"http://[bad/?key={SECRET}", f"ftp://127.0.0.1/{SECRET}", "http:///"])
def test_an_address_that_is_none_is_refused(get, url):
    get.refused(url=url, reason="its address")
    assert get.waits == []


# Trust


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Make a key and a certificate for 127.0.0.1, signed by itself."""
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_a_certificate_of_unknown_authority_is_refused(certificate, tmp_path):
    with Server(certificate) as server:
        get = _Getter(server, tmp_path / "keep" / "a.zip")
        get.refused(Reply(CONTENT), reason="certificate of 127.0.0.1 cannot be verified; .*REQUESTS_CA_BUNDLE")
        assert get.waits == []


def test_a_hospital_can_name_its_own_authority(certificate, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Server(certificate) as server:
        assert _Getter(server, tmp_path / "keep" / "a.zip")(Reply(CONTENT)) == CONTENT


def test_an_authority_that_is_missing_is_named(certificate, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with Server(certificate) as server:
        _Getter(server, tmp_path / "keep" / "a.zip").refused(Reply(CONTENT), reason="missing.pem; mend REQUESTS_CA")


def test_a_redirect_from_https_to_http_is_refused(certificate, tmp_path, server, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    open_target = server.on("/a", Reply(CONTENT))
    with Server(certificate) as secure:
        get = _Getter(secure, tmp_path / "keep" / "a.zip")
        get.refused(Reply(status=302, headers={"Location": f"{open_target}?key={SECRET}"}), reason="redirects to http,")
    assert server.asked == []


def test_a_proxy_is_asked_where_one_is_set(get, server, monkeypatch):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    server.on("http://data.invalid/a.zip", Reply(CONTENT))
    server.on("/a.zip", Reply(CONTENT))
    assert get(url="http://data.invalid/a.zip") == CONTENT
    assert server.asked[0].headers["host"] == "data.invalid"


def test_no_url_is_logged(get, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    get(Reply(status=500), _cut(), ranged(CONTENT))
    seen = caplog.text + "".join(capsys.readouterr())
    assert SECRET not in seen
    assert get.server.url not in seen


# JSON


def _ask(server, *replies, waits=None, limits=LIMITS):
    server.on("/api", *replies)
    wait = (waits if waits is not None else []).append
    return get_json(f"{server.url}/api?key={SECRET}", "Data set", limits, wait=wait)


def _json(content, **more):
    return Reply(json.dumps(content).encode(), kind="application/json", **more)


def test_json_is_read_after_trouble(server):
    waits = []
    trouble = [Reply(status=500), _json([1] * 100, cut=50), _json([1] * 100, length=1000)]
    assert _ask(server, *trouble, _json({"a": ["ä"]}), waits=waits) == {"a": ["ä"]}
    assert waits == [2, 4, 8]
    assert server.asked[0].headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (page(), "web page"),
        (Reply(b"{", kind="application/json"), "not JSON"),
        (Reply(b"\xff\xff", kind="application/json"), "not JSON"),
        (Reply(b"[" * 100_000, kind="application/json"), "not JSON"),
        (Reply(rb'{"licence": "\ud800"}', kind="application/json"), "not JSON"),
        (Reply(f'{{"link": "https://127.0.0.1/?key={SECRET}"'.encode(), kind="application/json"), "not JSON"),
        (_json({}, status=401), "status 401"),
        (Reply(bytes(1_100_000), kind="application/json"), "over the limit"),
        (Reply(bytes(1_100_000), kind="application/json", chunked=True), "over the limit"),
    ],
)
def test_an_answer_that_is_not_json_is_refused(server, reply, reason):
    with pytest.raises(SonotraceError, match=rf"^Data set: [^\n]*{reason}[^\n]*; [^\n]+$") as caught:
        _ask(server, reply)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
