"""All pods of the account, joined with the journals of this state home, and what a person may do to one of them."""
