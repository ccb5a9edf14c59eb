"""All the Flask apps in one process: Flask-JWT-Extended with headers, with cookies, and Authlib."""

from __future__ import annotations

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tests.support.servers import flask_cookies, flask_jwt, oauth2
from tests.support.servers.recording import RecordingApp

app = RecordingApp(
    DispatcherMiddleware(
        flask_jwt.flask_app,
        {"/cookies": flask_cookies.flask_app, "/oauth2": oauth2.flask_app},
    )
)
