"""Commands about the streams and who reads them."""
