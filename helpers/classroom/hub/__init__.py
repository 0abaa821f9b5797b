"""JupyterHub for a class.

- `jupyterhub_config.py`, with `start.py` and `student.sh`: one server with local accounts,
  `make hub`. `package-lock.json` pins the proxy that it needs.
- `values.yaml`: Zero to JupyterHub on Kubernetes, for larger classes.
"""
