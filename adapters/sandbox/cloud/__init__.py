"""The account behind the API: pods and their course, stock, prices, the ledger, and faults on request."""
