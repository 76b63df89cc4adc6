"""Hold a cohort apart from what a model learned from: nobody may be in both."""

import pandas as pd

from sonotrace.errors import SonotraceError


def require_apart(data_set: str, own: pd.DataFrame, trained_on: str, learned: pd.DataFrame) -> None:
    """Raise SonotraceError where a patient or an image of `own` is in `learned` too.

    Both tables have the columns image, patient and sha256; `learned` has everybody of the data set that the model
    was trained on, its test patients too, since they are not another cohort either. Patients are compared by name.
    Two people who happen to have the same number count as one: no name tells that they are two, and to overlook
    one person in both would make the scores too good.
    """
    same_people = own["patient"].isin(learned["patient"])
    same_images = own["sha256"].isin(learned["sha256"])
    if not (same_people | same_images).any():
        return
    example = own.loc[same_images if same_images.any() else same_people, "image"].iloc[0]
    remedy = (
        f"take these images out of {data_set} or out of {trained_on}"
        if same_images.any()
        else f"take them out of one of the two, or, if they are other people, make pull.{data_set}.patient_pattern "
        "(or the table's column Patient) give names of its own"
    )
    raise SonotraceError(
        f"{data_set}: {own.loc[same_people, 'patient'].nunique()} patients and {int(same_images.sum())} images are in "
        f"{trained_on} too, which the model learned from, such as image {example}; {remedy}"
    )
