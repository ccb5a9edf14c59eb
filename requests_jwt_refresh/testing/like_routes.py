"""The responses of a known server: what its shape says, done."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from requests_jwt_refresh.testing.checks import (
    find_api_place,
    find_bad_csrf,
    find_key_problem,
    find_missing_csrf,
    find_shape_problem,
    is_at,
    is_meant,
)
from requests_jwt_refresh.testing.options import MOMENTS, list_field_options
from requests_jwt_refresh.testing.paths import PUBLIC
from requests_jwt_refresh.testing.proofs import ProofChecker
from requests_jwt_refresh.testing.reading import (
    is_json_list,
    path_of,
    read_body,
    read_first,
    read_place,
)
from requests_jwt_refresh.testing.rendering import NoValues, Values, put, render
from requests_jwt_refresh.testing.routes import BAD_PASSWORDS, Routes, echo
from requests_jwt_refresh.testing.shapes import EXPIRIES, Ask, InField
from requests_jwt_refresh.testing.signing import make_csrf
from requests_jwt_refresh.testing.values import ServerResponse, json_response
from requests_jwt_refresh.tokens import jwt_claims

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.faults import Status
    from requests_jwt_refresh.testing.ledger import Grant, Ledger
    from requests_jwt_refresh.testing.options import ServerOptions
    from requests_jwt_refresh.testing.rendering import Path
    from requests_jwt_refresh.testing.shapes import RequestPlace, Shape, Slot, Template, Trade
    from requests_jwt_refresh.testing.values import Kind, RecordedRequest


class LikeRoutes(Routes):
    """The response to each kind of request, as the server that `shape` describes gives it."""

    def __init__(self, options: ServerOptions, ledger: Ledger, base_url: str, shape: Shape) -> None:
        super().__init__(options, ledger, base_url)
        self._shape = shape
        self._proofs = ProofChecker(ledger, base_url) if shape.dpop else None
        self._options_by_path = {path: name for name, path in list_field_options(shape).items()}

    # --- Which request it is --------------------------------------------------------------------

    def kind_of_path(self, path: str) -> Kind:
        kinds = (kind for kind, ask in self._list_asks() if is_at(ask, path))
        return next(kinds, "public" if path.startswith(PUBLIC) else "api")

    def kind_by_grant(self, request: RecordedRequest) -> Kind:
        found = self._find_ask(request)
        return request.kind if found is None else found[0]

    def _find_ask(self, request: RecordedRequest) -> tuple[Kind, Ask] | None:
        found = [each for each in self._list_asks() if is_at(each[1], path_of(request))]
        meant = (each for each in found if is_meant(each[1], request))
        return next(meant, found[0] if found else None)

    def _list_asks(self) -> list[tuple[Kind, Ask]]:
        """Return the requests that the token server takes."""
        shape = self._shape
        asks: list[tuple[Kind, Ask]] = [("refresh", self._move(ask)) for ask in shape.refresh]
        asks += [("login", ask) for ask in shape.login]
        asks += [("logout", shape.logout)] if shape.logout else []
        return asks

    def _move(self, ask: Ask) -> Ask:
        """Return a refresh request with the path and the field that the options name."""
        first = self._shape.refresh[0]
        path = self._options.refresh_path if ask.path == first.path else ask.path
        if ask is not first:
            return replace(ask, path=path)
        field = InField(self._options.request_field)
        secret = tuple(field if isinstance(each, InField) else each for each in ask.secret)
        return replace(ask, path=path, secret=secret)

    def find_access(self, request: RecordedRequest) -> str | None:
        found = find_api_place(self._shape, request)
        return None if found is None else found[1]

    # --- The token server -----------------------------------------------------------------------

    def respond(self, request: RecordedRequest) -> ServerResponse:
        if self._proofs is None:
            return self._respond(request)
        return self._proofs.respond(request, self._respond)

    def _respond(self, request: RecordedRequest) -> ServerResponse:
        found = self._find_ask(request)
        if found is None:
            return self._respond_elsewhere(request)
        response = self._respond_to_ask(*found, request)
        if self._shape.is_form_by_default and "json" not in request.headers.get("Accept", ""):
            return _to_form(response)
        return response

    def _respond_elsewhere(self, request: RecordedRequest) -> ServerResponse:
        if request.kind == "public":
            return echo(request)
        slashed = path_of(request) + "/"
        if self._shape.appends_slash and any(is_at(ask, slashed) for _, ask in self._list_asks()):
            return ServerResponse(HTTPStatus.MOVED_PERMANENTLY, headers={"Location": slashed})
        return self._respond_as_api(request)

    def _respond_to_ask(self, kind: Kind, ask: Ask, request: RecordedRequest) -> ServerResponse:
        fields = read_body(request, ask.encoding)
        problem = find_shape_problem(ask, request, fields, self._options)
        secret = ""
        if problem is None and ask.trade != "client":
            secret, problem = self._find_secret(ask, request, fields or {})
        if problem is not None:
            if kind == "refresh":
                self._ledger.count("refused")
            return ask.errors.find(problem).to_response()
        if ask.trade in ("end", "end-live"):
            return self._end(ask, secret)
        user = read_place(ask.user, request, fields or {}) if ask.user else None
        grant = self._trade_in(ask, secret, user)
        if grant is None:
            why = "refused" if ask.trade == "password" else self._say_why(secret, ask.trade)
            return ask.errors.find(why).to_response()
        return self._give(kind, ask, grant)

    def _find_secret(
        self, ask: Ask, request: RecordedRequest, fields: dict[str, Any]
    ) -> tuple[str, str | None]:
        """Return what is handed in, and which error is in the way of taking it."""
        found = read_first(ask.secret, request, fields)
        if found is None:
            return "", "missing"
        place, secret = found
        problem = find_missing_csrf(place, request) or self._find_guard_problem(ask, request)
        if problem is None and self._ledger.is_known(secret):
            problem = find_bad_csrf(place, secret, request, self._make_csrf)
        return secret, problem or self._find_access_problem(ask.access, secret, request, fields)

    def _find_guard_problem(self, ask: Ask, request: RecordedRequest) -> str | None:
        is_sent = ask.guard is not None and read_place(ask.guard, request, {}) is not None
        return find_missing_csrf(ask.guard, request) if ask.guard and is_sent else None

    def _find_access_problem(
        self,
        place: RequestPlace | None,
        refresh: str,
        request: RecordedRequest,
        fields: dict[str, Any],
    ) -> str | None:
        """Return what is wrong with the access token beside a refresh token, if one is wanted."""
        if place is None:
            return None
        access = read_place(place, request, fields)
        if access is None:
            return "missing"
        return None if self._ledger.is_one_family(access, refresh) else "garbage"

    def _trade_in(self, ask: Ask, secret: str, user: str | None) -> Grant | None:
        """Return what is given for what was handed in, None if that is refused."""
        ledger = self._ledger
        match ask.trade:
            case "refresh":
                return ledger.refresh(secret)
            case "client":
                return ledger.grant(self._options.client_id)
            case "assertion":
                return self._accept_assertion(secret)
            case "password":
                return self._accept_password(user, secret)
        return ledger.renew(
            secret, even_expired=ask.trade == "window", extend=ask.trade == "extend"
        )

    def _accept_assertion(self, assertion: str) -> Grant | None:
        """Return a token for an assertion, whose subject is its user (RFC 7523 §3)."""
        if not self._ledger.accept_assertion(assertion, is_good=assertion not in BAD_PASSWORDS):
            return None
        return self._ledger.grant(str(jwt_claims(assertion).get("sub", "alice")))

    def _accept_password(self, user: str | None, password: str) -> Grant | None:
        if not user or password in BAD_PASSWORDS:
            return None
        self._ledger.count("logins")
        return self._ledger.login(user)

    def _say_why(self, secret: str, trade: Trade) -> str:
        """Return the name of the error for a token that was refused."""
        if self._ledger.is_used(secret):
            return "reused"
        is_right_kind = self._ledger.is_access(secret) != (trade == "refresh")
        return "refused" if self._ledger.is_known(secret) and is_right_kind else "garbage"

    def _end(self, ask: Ask, secret: str) -> ServerResponse:
        if ask.trade == "end-live" and self._ledger.user_of(secret) is None:
            return ask.errors.find("refused").to_response()
        self._ledger.logout(secret, any_kind=True)
        status = HTTPStatus.NO_CONTENT if ask.answer.body is None else HTTPStatus.OK
        return render(ask.answer, NoValues(), status, _keep)

    def _give(self, kind: Kind, ask: Ask, grant: Grant) -> ServerResponse:
        """Return a response that gives tokens."""
        options = self._options
        if options.bare and kind == "refresh":
            return json_response(options.status, grant.access)
        unit = options.expires_in_unit
        values = Values(grant, self._make_csrf, self._shape.refresh_lifetime, unit)
        return render(self._add_moment(ask.answer), values, options.status, self._rename)

    def _add_moment(self, answer: Template) -> Template:
        """Return the response with the field that `expires_at_field` names, if it does."""
        options = self._options
        if options.expires_at_field is None or not isinstance(answer.body, dict):
            return answer
        body = deepcopy(answer.body)
        put(body, tuple(options.expires_at_field.split(".")), MOMENTS[options.expires_at_unit])
        return replace(answer, body=body)

    def _rename(self, path: Path, slot: Slot) -> Path | None:
        """Return where the options have a field of the server."""
        if ".".join(path) == self._options.expires_at_field:
            return path
        if slot in EXPIRIES and self._options.expires_field is None:
            return None
        name = self._options_by_path.get(".".join(path))
        return path if name is None else tuple(getattr(self._options, name).split("."))

    @property
    def _make_csrf(self) -> partial[str]:
        return partial(make_csrf, self._options.signing_key)

    # --- The API --------------------------------------------------------------------------------

    def _respond_as_api(self, request: RecordedRequest) -> ServerResponse:
        problem = self._find_api_problem(request)
        if problem is not None:
            self._ledger.count("unauthorized")
            return problem.to_response()
        response = super()._respond_as_api(request)
        return self._renew(request, response) if self._shape.renewed else response

    def _find_api_problem(self, request: RecordedRequest) -> Status | None:
        errors = self._shape.api_errors
        key_problem = find_key_problem(self._shape.api_key, request, self._options)
        if key_problem is not None:
            return errors.find(key_problem)
        found = find_api_place(self._shape, request)
        if found is None:
            return errors.find("missing")
        place, access = found
        problem = find_missing_csrf(place, request)
        if problem is None and self._ledger.user_of(access) is None:
            return self._find_expired(access, request)
        problem = problem or find_bad_csrf(place, access, request, self._make_csrf)
        return None if problem is None else errors.find(problem)

    def _find_expired(self, access: str, request: RecordedRequest) -> Status:
        """Return what the API says to an access token that is not good."""
        if not self._ledger.is_access(access) and self._shape.api_errors.garbage is not None:
            return self._shape.api_errors.garbage
        batch = self._shape.expired_batch
        return batch if batch is not None and is_json_list(request) else self._options.expired

    def _renew(self, request: RecordedRequest, response: ServerResponse) -> ServerResponse:
        """Return the response with a newer access token in a header, if it is a good one."""
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            return response
        newer = self._ledger.slide(request.access or "")
        renewed = {} if newer is None else {self._shape.renewed or "": newer}
        return replace(response, headers={**response.headers, **renewed})


def _keep(path: Path, _slot: Slot) -> Path:
    return path


def _to_form(response: ServerResponse) -> ServerResponse:
    """Return the response with its JSON object as a form."""
    fields = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = urlencode(json.loads(response.body or b"{}")).encode()
    return replace(response, body=body, headers={**response.headers, **fields})
