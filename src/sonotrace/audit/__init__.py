"""Audit the labels: which ones a classifier that never saw them doubts, and which images stand twice.

It reads what the pipeline made and changes nothing in it.
"""
