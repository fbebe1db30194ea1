"""Network volumes of an account: what uses them, and orders that are written down before they are sent."""
