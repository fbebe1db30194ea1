"""Network volumes of an account: their users, and orders that are written down before they are sent."""
