"""Where consumers deliver to, a module for each kind."""
