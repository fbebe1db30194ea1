"""The commands about the pods of the account."""
