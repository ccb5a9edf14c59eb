"""gunicorn's settings for all servers here; versions that do not know one of them skip it."""

workers = 1  # what an app remembers, it remembers in one process
keepalive = 30
loglevel = "warning"
control_socket_disable = True  # or it would leave a socket in the home folder
