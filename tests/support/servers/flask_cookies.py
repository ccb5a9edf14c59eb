"""A Flask app in one file, with Flask-JWT-Extended and its tokens in cookies, CSRF included.

As its documentation has it under "JWT Locations" and "CSRF": the cookies' names and the header
X-CSRF-TOKEN are the defaults.
"""

# jwt_required has no types:
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask, jsonify, redirect, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    decode_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
    set_access_cookies,
    set_refresh_cookies,
    unset_jwt_cookies,
)

flask_app = Flask(__name__)
flask_app.config["JWT_SECRET_KEY"] = "only-for-tests-and-long-enough-for-hs256"
flask_app.config["JWT_TOKEN_LOCATION"] = ["cookies"]
flask_app.config["JWT_COOKIE_CSRF_PROTECT"] = True
jwt = JWTManager(flask_app)
blocklist: set[str] = set()


@jwt.token_in_blocklist_loader
def is_revoked(_header: Any, claims: Any) -> bool:
    return claims["jti"] in blocklist


@flask_app.post("/login")
def login() -> Any:
    """Set the cookies of a fresh login."""
    if request.json != {"username": "alice", "password": "secret"}:
        return jsonify(msg="Bad username or password"), 401
    response = jsonify(msg="login successful")
    set_access_cookies(response, create_access_token("alice", fresh=True))
    set_refresh_cookies(response, create_refresh_token("alice"))
    return response


@flask_app.post("/login/expired")
def login_expired() -> Any:
    """Set the cookies of a login whose access token has expired."""
    response = jsonify(msg="login successful")
    access = create_access_token("alice", expires_delta=timedelta(seconds=-1))
    # set_access_cookies() would refuse it.
    response.set_cookie("access_token_cookie", access, httponly=True)
    csrf = decode_token(access, allow_expired=True)["csrf"]
    response.set_cookie("csrf_access_token", csrf)
    set_refresh_cookies(response, create_refresh_token("alice"))
    return response


@flask_app.post("/refresh")
@jwt_required(refresh=True)
def refresh() -> Any:
    response = jsonify(msg="refreshed")
    set_access_cookies(response, create_access_token(get_jwt_identity(), fresh=False))
    return response


@flask_app.post("/rotate")
@jwt_required(refresh=True)
def rotate() -> Any:
    """Refresh, and replace the refresh token too: the old one is revoked."""
    blocklist.add(get_jwt()["jti"])
    response = jsonify(msg="refreshed")
    set_access_cookies(response, create_access_token(get_jwt_identity(), fresh=False))
    set_refresh_cookies(response, create_refresh_token(get_jwt_identity()))
    return response


@flask_app.post("/logout")
def logout() -> Any:
    response = jsonify(msg="logout successful")
    unset_jwt_cookies(response)
    return response


@flask_app.post("/revoke")
@jwt_required(refresh=True)
def revoke() -> Any:
    """Revoke the refresh token that it is called with."""
    blocklist.add(get_jwt()["jti"])
    return jsonify(msg="Revoked")


@flask_app.route("/me", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@jwt_required()
def me() -> Any:
    """Return the user, and what else the request carried."""
    body = request.get_data(as_text=True)
    return jsonify(user=get_jwt_identity(), body=body, cookies=sorted(request.cookies))


@flask_app.route("/slide", methods=["GET", "POST"])
@jwt_required()
def slide() -> Any:
    """Set the cookies of a newer token, as in the documentation's "Implicit Refreshing"."""
    response = jsonify(user=get_jwt_identity())
    set_access_cookies(response, create_access_token(get_jwt_identity()))
    return response


@flask_app.get("/away")
@jwt_required()
def away() -> Any:
    """Redirect to where the query says."""
    return redirect(request.args["to"], 307)


@flask_app.get("/visit")
@jwt_required()
def visit() -> Any:
    """Set a cookie of the application's own."""
    response = jsonify(user=get_jwt_identity())
    response.set_cookie("seen", "yes")
    return response
