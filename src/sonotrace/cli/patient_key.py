"""Record a check value of the patient key."""


def patient_key() -> None:
    """Record a check value of SONOTRACE_PATIENT_KEY, so that a wrong key is refused from then on."""
    from sonotrace.patients import pseudonyms

    print(pseudonyms.record())
