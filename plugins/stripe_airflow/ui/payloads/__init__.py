"""Payloads and their changes, as pages show them: bounded and readable."""
