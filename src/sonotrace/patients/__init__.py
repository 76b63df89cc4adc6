"""Patients: keyed pseudonyms, withdrawals, and the ledger of who was tested on."""
