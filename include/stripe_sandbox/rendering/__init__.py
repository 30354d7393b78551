"""How a stored object becomes the object of a response: expansion and API versions."""
