"""A Flask app in one file, with Flask-JWT-Extended as its documentation has it.

Access tokens live ACCESS_SECONDS, less the fraction of a second that the integer ``exp`` cuts off.
"""

# jwt_required has no types:
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from flask import Flask, jsonify, redirect, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
)

flask_app = Flask(__name__)
flask_app.config["JWT_SECRET_KEY"] = "only-for-tests-and-long-enough-for-hs256"
flask_app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(
    seconds=float(os.environ.get("ACCESS_SECONDS", "5"))
)
jwt = JWTManager(flask_app)
blocklist: set[str] = set()


@jwt.token_in_blocklist_loader
def is_revoked(_header: Any, claims: Any) -> bool:
    return claims["jti"] in blocklist


def lifetime(name: str) -> timedelta | None:
    """Return the seconds that the query asks for; None is the server's own setting."""
    seconds = request.args.get(name, type=float)
    return None if seconds is None else timedelta(seconds=seconds)


@flask_app.post("/login")
def login() -> Any:
    """Give fresh tokens; ?access_seconds= and ?refresh_seconds=, also negative, are lifetimes."""
    if request.json != {"username": "alice", "password": "secret"}:
        return jsonify(msg="Bad username or password"), 401
    return jsonify(
        access_token=create_access_token("alice", True, lifetime("access_seconds")),
        refresh_token=create_refresh_token("alice", expires_delta=lifetime("refresh_seconds")),
    )


@flask_app.post("/refresh")
@jwt_required(refresh=True)
def refresh() -> Any:
    return jsonify(access_token=create_access_token(get_jwt_identity(), fresh=False))


@flask_app.post("/rotate")
@jwt_required(refresh=True)
def rotate() -> Any:
    """Refresh, and replace the refresh token too: the old one is revoked."""
    blocklist.add(get_jwt()["jti"])
    return jsonify(
        access_token=create_access_token(get_jwt_identity(), False, lifetime("access_seconds")),
        refresh_token=create_refresh_token(get_jwt_identity()),
    )


@flask_app.delete("/logout")
@flask_app.delete("/revoke")
@jwt_required(verify_type=False)
def revoke() -> Any:
    """Revoke the token that it is called with, of either kind."""
    blocklist.add(get_jwt()["jti"])
    return jsonify(msg="Revoked")


@flask_app.get("/protected")
@jwt_required()
def protected() -> Any:
    return jsonify(user=get_jwt_identity())


@flask_app.route("/me", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@jwt_required()
def me() -> Any:
    """Return the user, and what the request carried."""
    return jsonify(user=get_jwt_identity(), body=request.get_data(as_text=True))


@flask_app.get("/away")
@jwt_required()
def away() -> Any:
    """Redirect to where the query says."""
    return redirect(request.args["to"], 307)


@flask_app.get("/fresh")
@jwt_required(fresh=True)
def fresh() -> Any:
    return jsonify(user=get_jwt_identity())


@flask_app.get("/vault")
@jwt_required()
def vault() -> Any:
    """Want a second factor, always: a 401 that is the application's own."""
    return jsonify(msg="One-time code needed"), 401
