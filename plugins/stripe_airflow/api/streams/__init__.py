"""Routes of the streams. All are asynchronous: a reader that waits holds no thread."""
