"""A browser without a screen or scripts: follows redirects, keeps cookies, fills in forms.

with FormBrowser("http://127.0.0.1:5000/callback") as browser:
    found = browser.log_in(authorization_url)
assert found.fields["code"]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urljoin, urlsplit

from tests.support.sessions import plain_session
from tests.support.waits import WAIT

if TYPE_CHECKING:
    import requests
    from typing_extensions import Self

_MOST_PAGES = 10  # a login that takes more goes round in a circle


@dataclass
class Form:
    """A form, the fields that are filled in already, and its buttons."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Arrival:
    """The request to the redirect URI, which was not sent."""

    url: str
    method: str
    fields: dict[str, str]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif tag == "a":
            self.links.append(given.get("href", ""))
        elif tag in ("input", "button") and self.forms and given.get("name"):
            form = self.forms[-1]
            if tag == "button" or given.get("type") == "submit":
                form.buttons.append((given["name"], given.get("value", "")))
            else:
                form.fields[given["name"]] = given.get("value", "")


class Page:
    """A page that the browser shows."""

    def __init__(self, response: requests.Response) -> None:
        self.response = response
        reader = _Reader()
        reader.feed(response.text)
        self.forms, self.links = reader.forms, reader.links

    @property
    def form(self) -> Form:
        assert self.forms, self.response.text
        return self.forms[0]


def _read_fields(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return dict(parse_qsl(parts.query or parts.fragment))


class FormBrowser:
    """A browser that stops before it sends anything to `redirect_uri`. A context manager."""

    def __init__(self, redirect_uri: str) -> None:
        self._redirect_uri = redirect_uri
        self._session = plain_session()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._session.close()

    def open(self, url: str) -> Page | Arrival:
        return self._send("GET", url, {})

    def submit(self, page: Page, **answers: str) -> Page | Arrival:
        """Send a page's form with what is in it and these answers."""
        form = page.form
        url = urljoin(page.response.url, form.action)
        return self._send(form.method.upper(), url, {**form.fields, **answers})

    def _send(self, method: str, url: str, fields: dict[str, str]) -> Page | Arrival:
        for _ in range(_MOST_PAGES):
            if url.startswith(self._redirect_uri):
                return Arrival(url, method, fields or _read_fields(url))
            response = self._session.request(
                method, url, data=fields or None, allow_redirects=False, timeout=WAIT
            )
            if not response.is_redirect:
                return Page(response)
            method, url, fields = "GET", urljoin(url, response.headers["Location"]), {}
        raise AssertionError(f"redirects without end: {url}")

    def log_in(self, url: str, *, user: str = "alice", consent: bool = True) -> Arrival:
        """Go through the pages at `url` as `user`, who consents or not, to the redirect URI.

        The oidc-provider's pages, and AuthServer's.
        """
        found = self.open(url)
        for _ in range(_MOST_PAGES):
            if isinstance(found, Arrival):
                return found
            found = self.answer(found, user, consent=consent)
        raise AssertionError("pages without end")

    def decide_device(self, url: str, *, consent: bool = True) -> None:
        """Let alice approve the device of a verification page, or refuse it (RFC 8628 §3.3)."""
        found = self.open(url)
        for _ in range(_MOST_PAGES):
            if not isinstance(found, Page) or not found.forms:
                return
            is_last = not consent and "abort" in dict(found.form.buttons)
            found = self.answer(found, "alice", consent=consent)
            if is_last:
                return
        raise AssertionError("pages without end")

    def answer(self, page: Page, user: str, *, consent: bool) -> Page | Arrival:
        """Fill in a page as `user`, who consents or not."""
        assert page.response.ok or page.forms, page.response.text
        form = page.form
        buttons = dict(form.buttons)
        answers: dict[str, str] = {}
        for name in {"login", "username"} & set(form.fields):
            answers[name] = user
        if "password" in form.fields:
            answers["password"] = "any"
        elif not consent and "abort" in buttons:  # the provider's page about a device
            answers["abort"] = "yes"
        elif not consent:  # its page about a client has a link instead
            for link in page.links:
                if link.endswith("/abort"):
                    return self.open(urljoin(page.response.url, link))
        if "logout" in buttons:
            answers["logout"] = "yes"
        if "decision" in buttons:
            answers["decision"] = "allow" if consent else "deny"
        return self.submit(page, **answers)
